/* Watches: what is to be told of, looked at until it has ended, and its event put down for each webhook that wants it.
 *
 *   look ──▶ ended? ── no, or nobody can say ──▶ later again
 *              └── yes ──▶ the tenant's webhooks ──▶ a delivery for each ──▶ the watch goes
 *                                                         └── so many wait for that webhook: it has failed at once */
#include <inttypes.h>
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

struct writing {
	struct look *l;
	json_t *delivery;
};

static void written(struct writing *it, const struct og_error *err)
{
	struct look *l = it->l;

	json_decref(it->delivery);
	free(it);
	l->failed = l->failed || err;
	if (!--l->waits)
		all_written(l);
}

static void on_put_aside(void *ctx, bool yes, const struct og_error *err)
{
	struct writing *it = ctx;

	it->l->w->api->metrics.deliveries[OG_DELIVERY_FAILED] += yes && !err;
	written(it, err);
}

static int put_it(struct writing *it, const struct og_record_kind *kind, int64_t due_in_ms, og_record_said_cb *cb)
{
	const struct og_record_put put = {.id = text_at(it->delivery, "id"),
		.tenant = text_at(it->delivery, "webhook_id"),
		.record = it->delivery,
		.fresh = true,
		.due_in_ms = due_in_ms};

	return og_record_put(it->l->w->api->store, kind, &put, cb, it, NULL);
}

/* Its webhook's receiver takes less than there is: it can be sent anew when there is room. */
static int put_aside(struct writing *it)
{
	const struct og_kinds *kinds = &it->l->w->api->kinds;

	json_object_set_new(it->delivery, "state", json_string("failed"));
	json_object_set_new(it->delivery, "next_attempt_at", json_null());
	json_object_set_new(it->delivery, "last_error",
		json_sprintf("%" PRId64
			     " events wait for this webhook, and no more may: its receiver is away, or too slow",
			kinds->deliveries.most));
	return put_it(it, &kinds->undelivered, -1, on_put_aside);
}

static void on_written(void *ctx, bool yes, const struct og_error *err)
{
	bool too_many = err && err->kind == OG_BUSY && yes; /* neither yes nor an error: it is there already */

	if (!too_many || put_aside(ctx) < 0)
		written(ctx, err);
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
	struct writing *it = og_new(struct writing);

	*it = (struct writing){.l = l, .delivery = og_delivery_new(webhook, event)};
	if (put_it(it, &l->w->api->kinds.deliveries, 0, on_written) == 0) {
		l->waits++;
		return;
	}
	l->failed = true;
	json_decref(it->delivery);
	free(it);
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
