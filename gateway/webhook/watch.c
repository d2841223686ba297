/* Watches: what is to be told of, looked at until it has ended, and its event put down for each webhook that wants it.
 *
 *   look ──▶ ended? ── no, or nobody can say ──▶ later again
 *              └── yes ──▶ the tenant's webhooks ──▶ a delivery for each ──▶ the watch goes */
#include <stdlib.h>
#include <string.h>

#include "api/responses/request.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "webhook/event.h"
#include "webhook/schedule.h"
#include "webhook/state.h"

#define SOON       6   /* looks after one that said it has ended: the scheduler may hear of it a little later */
#define SOON_MS    100 /* before the second of them; twice as long before each further one */
#define PER_TENANT 1000

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* ── its beginning ── */

static struct og_webhook_tenant *known(const struct og_webhooks *w, const char *tenant)
{
	struct og_webhook_tenant *t;

	HASH_FIND_STR(w->tenants, tenant, t);
	return t;
}

static void note_tenant(struct og_webhooks *w, const char *tenant, bool has)
{
	struct og_webhook_tenant *t = known(w, tenant);

	if (has && !t) {
		t = og_new(struct og_webhook_tenant);
		snprintf(t->name, sizeof(t->name), "%s", tenant);
		HASH_ADD_STR(w->tenants, name, t);
	} else if (!has && t) {
		HASH_DEL(w->tenants, t);
		free(t);
	}
}

struct beginning {
	struct og_webhooks *w;
	char tenant[OG_NAME_MAX];
	og_record_said_cb *cb;
	void *ctx;
};

static void on_begun(void *ctx, bool yes, const struct og_error *err)
{
	struct beginning *b = ctx;
	bool matters = !err || err->kind != OG_RETRY || known(b->w, b->tenant);

	if (!err)
		note_tenant(b->w, b->tenant, yes);
	b->cb(b->ctx, yes, matters ? err : NULL);
	og_webhooks_part_gone(b->w);
	free(b);
}

int og_watch_begin(struct og_api *api, const char *of, const char *id, const char *tenant, og_record_said_cb *cb,
	void *ctx, struct og_error *err)
{
	struct og_webhooks *w = api->webhooks;
	int64_t now = og_clock_wall_ms();
	json_t *watch =
		json_pack("{s:s, s:s, s:s, s:I}", "id", id, "tenant", tenant, "of", of, "made_ms", (json_int_t)now);
	const struct og_record_put put = {.id = id,
		.tenant = tenant,
		.record = watch,
		.due_in_ms = og_watch_delay_ms(0),
		.held_by = w->maker,
		.held_if_new = true,
		.beside = &api->kinds.webhooks};
	struct beginning *b = og_new(struct beginning);
	struct og_error own;
	int rc;

	*b = (struct beginning){.w = w, .cb = cb, .ctx = ctx};
	snprintf(b->tenant, sizeof(b->tenant), "%s", tenant);
	rc = og_record_put(api->store, &api->kinds.watches, &put, on_begun, b, &own);
	json_decref(watch);
	if (rc == 0) {
		w->parts++;
		return 0;
	}
	free(b);
	if (own.kind == OG_RETRY && !known(w, tenant))
		return 1;
	return og_fail(err, own.kind, "%s", own.message);
}

/* Another request for the same job (by its idempotency key) may have begun meanwhile: then the watch is held by nobody, and stays. */
void og_watch_drop(struct og_api *api, const char *id)
{
	og_record_drop(api->store, &api->kinds.watches, id, api->webhooks->maker, NULL, NULL, NULL);
}

/* ── a look ── */

struct look {
	struct og_webhooks *w;
	json_t *watch;
	const char *id, *of, *tenant; /* of the watch */
	bool claimed;
	const char *type; /* of the event */
	size_t waits;     /* for deliveries to be written */
	bool failed;      /* one was not */
};

static void look_free(struct look *l)
{
	struct og_webhooks *w = l->w;

	w->n_looks--;
	json_decref(l->watch);
	free(l);
	og_webhooks_part_gone(w);
}

static int64_t age_of(const struct look *l)
{
	return og_clock_wall_ms() - json_integer_value(json_object_get(l->watch, "made_ms"));
}

/* Written by nobody who waits: where the store does not take it, its lease or its earlier time stands. */
static void later(struct look *l)
{
	int64_t soon = json_integer_value(json_object_get(l->watch, "soon"));
	const struct og_record_put put = {.id = l->id,
		.tenant = l->tenant,
		.record = l->watch,
		.there = true,
		.owner = l->claimed ? l->w->owner : NULL,
		.due_in_ms = soon > 0 ? SOON_MS << (SOON - soon) : og_watch_delay_ms(age_of(l))};

	if (soon > 0)
		json_object_set_new(l->watch, "soon", json_integer(soon - 1));
	if (!l->w->closed)
		og_record_put(l->w->api->store, &l->w->api->kinds.watches, &put, NULL, NULL, NULL);
	look_free(l);
}

/* ── it has ended ── */

static void all_written(struct look *l)
{
	if (l->failed) {
		later(l);
		return;
	}
	og_record_remove(l->w->api->store, &l->w->api->kinds.watches, NULL, l->id, NULL, NULL, NULL);
	og_webhooks_hurry(l->w);
	look_free(l);
}

static void on_written(void *ctx, bool yes, const struct og_error *err)
{
	struct look *l = ctx;

	(void)yes; /* no: it is there already */
	l->failed = l->failed || err;
	if (!--l->waits)
		all_written(l);
}

static bool wants(const json_t *webhook, const char *type)
{
	const json_t *events = json_object_get(webhook, "events"), *one;
	size_t i;

	if (!json_is_true(json_object_get(webhook, "enabled")))
		return false;
	json_array_foreach(events, i, one)
	{
		if (json_is_string(one) && !strcmp(json_string_value(one), type))
			return true;
	}
	return false;
}

static void write_delivery(struct look *l, const json_t *webhook, json_t *event)
{
	json_t *delivery = og_delivery_new(webhook, event);
	const struct og_record_put put = {
		.id = text_at(delivery, "id"), .tenant = text_at(webhook, "id"), .record = delivery, .fresh = true};

	if (og_record_put(l->w->api->store, &l->w->api->kinds.deliveries, &put, on_written, l, NULL) == 0)
		l->waits++;
	else
		l->failed = true;
	json_decref(delivery);
}

/* What the tenant calls it. */
static void subject_of(const struct look *l, char ret[static OG_NAME_MAX])
{
	char hex[OG_RESPONSE_HEX + 1];

	if (strcmp(l->of, "response") != 0) {
		snprintf(ret, OG_NAME_MAX, "%s", l->id);
		return;
	}
	og_response_hex(l->id, hex);
	snprintf(ret, OG_NAME_MAX, "resp_%s", hex);
}

static void on_webhooks(void *ctx, json_t *const *webhooks, size_t n, bool more, const struct og_error *err)
{
	struct look *l = ctx;
	char subject[OG_NAME_MAX];
	json_t *event;

	(void)more;
	if (err) {
		later(l);
		return;
	}
	subject_of(l, subject);
	event = og_event_new(l->type, subject, og_clock_wall_ms() / 1000);
	for (size_t i = 0; i < n; i++)
		if (wants(webhooks[i], l->type))
			write_delivery(l, webhooks[i], event);
	json_decref(event);
	if (!l->waits)
		all_written(l);
}

static void tell(struct look *l, const char *type)
{
	const struct og_record_page page = {.tenant = l->tenant, .limit = PER_TENANT};

	l->type = type;
	if (og_records_list(l->w->api->store, &l->w->api->kinds.webhooks, &page, on_webhooks, l, NULL) < 0)
		later(l);
}

/* ── has it? ── */

static bool has_ended(const char *state)
{
	enum og_state s;

	return og_state_parse(state, &s, NULL) == 0 && og_state_terminal(s);
}

/* Of one whose result is kept no longer: its record says how it ended, and no more than that. */
static void on_job(void *ctx, const json_t *answer, const char *type, const struct og_error *err)
{
	struct look *l = ctx;
	const char *state = text_at(json_object_get(answer, "job"), "state");

	(void)type;
	if (!err && has_ended(state))
		tell(l, og_event_of_job(l->of, state, NULL));
	else
		later(l);
}

/* Notes that it is unknown; whether it has been so for long enough. What never came to be, or is gone with its Redis, has failed: so
 * says GET of such a response. */
static bool is_lost(struct look *l)
{
	int64_t now = og_clock_wall_ms(), times = json_integer_value(json_object_get(l->watch, "unknown")) + 1;
	const json_t *since = json_object_get(l->watch, "unknown_since_ms");

	if (!since)
		json_object_set_new(l->watch, "unknown_since_ms", json_integer(now));
	json_object_set_new(l->watch, "unknown", json_integer(times));
	return since && og_watch_is_lost(times, now - json_integer_value(since));
}

static void is_known(struct look *l)
{
	json_object_del(l->watch, "unknown");
	json_object_del(l->watch, "unknown_since_ms");
}

static void on_result(void *ctx, const json_t *answer, const char *type, const struct og_error *err)
{
	struct look *l = ctx;
	const char *state = text_at(answer, "state");

	if (!err)
		is_known(l);
	if (!err && has_ended(state) && json_object_get(answer, "result"))
		tell(l, og_event_of_job(l->of, state, json_object_get(json_object_get(answer, "result"), "response")));
	else if (err && !strcmp(type, "not_found") && is_lost(l))
		tell(l, og_event_of_job(l->of, og_state_name(OG_STATE_FAILED), NULL));
	else if (!err || strcmp(type, "result_gone") != 0 ||
		 !og_link_ask(l->w->api->link, "job", json_pack("{s:s}", "id", l->id), OG_ANSWER_MS, on_job, l, NULL))
		later(l);
}

static void on_batch(void *ctx, json_t *record, const struct og_error *err)
{
	struct look *l = ctx;
	const char *type = og_event_of_batch(text_at(json_object_get(record, "batch"), "status"));

	if (type)
		tell(l, type);
	else if (err && err->kind == OG_INVALID && is_lost(l))
		all_written(l); /* it never came to be: nobody was told of it */
	else
		later(l);
}

static void look(struct og_webhooks *w, json_t *watch, bool claimed)
{
	struct look *l = og_new(struct look);
	bool asked;

	*l = (struct look){.w = w, .watch = json_deep_copy(watch), .claimed = claimed};
	l->id = text_at(l->watch, "id");
	l->of = text_at(l->watch, "of");
	l->tenant = text_at(l->watch, "tenant");
	w->n_looks++;
	w->parts++;
	if (!strcmp(l->of, "batch"))
		asked = og_record_get(w->api->store, &w->api->kinds.batches, NULL, l->id, on_batch, l, NULL) == 0;
	else
		asked = og_link_ask(w->api->link, "result", json_pack("{s:s}", "id", l->id), OG_ANSWER_MS, on_result, l,
				NULL) != NULL;
	if (!asked)
		later(l);
}

void og_watch_take(struct og_webhooks *w, json_t *watch)
{
	look(w, watch, true);
}

static void on_watch(void *ctx, json_t *watch, const struct og_error *err)
{
	struct og_webhooks *w = ctx;

	if (!err && !w->closed) {
		json_object_set_new(watch, "soon", json_integer(SOON));
		look(w, watch, false);
	}
	og_webhooks_part_gone(w);
}

void og_watch_look(struct og_api *api, const char *id)
{
	struct og_webhooks *w = api->webhooks;

	if (!w->closed && og_record_get(api->store, &api->kinds.watches, NULL, id, on_watch, w, NULL) == 0)
		w->parts++;
}
