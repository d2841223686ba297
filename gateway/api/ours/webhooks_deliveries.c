/* /api/v1/webhooks/{}/deliveries: what became of a webhook's events, and one of them sent anew. */
#include <stdlib.h>
#include <string.h>

#include "api/ours/ours.h"
#include "api/records.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "webhook/webhooks.h"

static json_t *shown(struct og_web_call *c, json_t *delivery)
{
	json_t *copy = json_copy(delivery);

	(void)c;
	json_object_del(copy, "tenant");
	return copy;
}

/* ── the list ── */

/* ?state=: a kind of records each. NULL: there is no such state. */
static const struct og_record_kind *kind_of(const struct og_api *api, const char *state)
{
	if (!state || !strcmp(state, "failed"))
		return &api->kinds.undelivered;
	if (!strcmp(state, "pending"))
		return &api->kinds.deliveries;
	return !strcmp(state, "delivered") ? &api->kinds.delivered : NULL;
}

static void list(struct og_api *api, struct og_web_call *c, json_t *webhook)
{
	(void)webhook;
	og_api_records_of(api, c, kind_of(api, og_web_query(c, "state")), og_web_part(c, 0), shown);
}

void og_webhooks_deliveries(struct og_api *api, struct og_web_call *c)
{
	struct og_refusal why;

	if (kind_of(api, og_web_query(c, "state"))) {
		og_api_record(api, c, &api->kinds.webhooks, og_web_part(c, 0), "webhook", list);
		return;
	}
	og_refuse_with(&why, 400, "invalid_request", "state: is to be failed, pending or delivered");
	og_refuse(c, &why);
}

/* ── one of them anew ── */

struct sending {
	struct og_api *api;
	struct og_web_call *c;             /* NULL: its client has gone */
	const struct og_record_kind *from; /* where it is looked for, and found */
	json_t *delivery;
	char webhook[OG_NAME_MAX], id[OG_NAME_MAX];
};

static void on_gone(void *ctx)
{
	struct sending *s = ctx;

	s->c = NULL;
}

static void sending_free(struct sending *s)
{
	json_decref(s->delivery);
	free(s);
}

static void fail(struct sending *s, const struct og_error *err)
{
	if (s->c)
		og_api_refuse_record(s->c, "delivery", s->id, err);
	sending_free(s);
}

static void on_put(void *ctx, bool yes, const struct og_error *err)
{
	struct sending *s = ctx;

	(void)yes;
	if (err) {
		fail(s, err);
		return;
	}
	og_record_remove(s->api->store, s->from, NULL, s->id, NULL, NULL, NULL);
	og_webhooks_hurry(s->api->webhooks);
	if (s->c)
		og_api_reply_json(s->c, 202, shown(s->c, s->delivery));
	sending_free(s);
}

/* With all its attempts before it again. */
static void send_anew(struct sending *s, json_t *delivery)
{
	const struct og_record_put put = {.id = s->id, .tenant = s->webhook, .record = delivery};
	struct og_error err;

	s->delivery = json_incref(delivery);
	json_object_set_new(delivery, "state", json_string("pending"));
	json_object_set_new(delivery, "attempts", json_integer(0));
	json_object_set_new(delivery, "next_attempt_at", json_integer(og_clock_wall_ms() / 1000));
	if (og_record_put(s->api->store, &s->api->kinds.deliveries, &put, on_put, s, &err) < 0)
		fail(s, &err);
}

static void look_for(struct sending *s, const struct og_record_kind *from);

static void on_delivery(void *ctx, json_t *delivery, const struct og_error *err)
{
	struct sending *s = ctx;

	if (!err)
		send_anew(s, delivery);
	else if (err->kind == OG_INVALID && s->from == &s->api->kinds.undelivered)
		look_for(s, &s->api->kinds.delivered);
	else
		fail(s, err);
}

static void look_for(struct sending *s, const struct og_record_kind *from)
{
	struct og_error err;

	s->from = from;
	if (og_record_get(s->api->store, from, s->webhook, s->id, on_delivery, s, &err) < 0)
		fail(s, &err);
}

static void redeliver(struct og_api *api, struct og_web_call *c, json_t *webhook)
{
	struct og_refusal why;
	struct sending *s;

	if (!json_is_true(json_object_get(webhook, "enabled"))) {
		og_refuse_with(&why, 409, "conflict",
			"the webhook is disabled, for its receiver answered 410: mend it, and enable the webhook (POST "
			"…/enable)");
		og_refuse(c, &why);
		return;
	}
	s = og_new(struct sending);
	*s = (struct sending){.api = api, .c = c};
	snprintf(s->webhook, sizeof(s->webhook), "%s", og_web_part(c, 0));
	snprintf(s->id, sizeof(s->id), "%s", og_web_part(c, 1));
	og_web_on_gone(c, on_gone, s);
	look_for(s, &api->kinds.undelivered);
}

void og_webhooks_redeliver(struct og_api *api, struct og_web_call *c)
{
	og_api_record(api, c, &api->kinds.webhooks, og_web_part(c, 0), "webhook", redeliver);
}
