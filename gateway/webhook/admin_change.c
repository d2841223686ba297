/* What is changed of a webhook, and a delivery of it sent anew. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "webhook/admin_call.h"
#include "webhook/signature.h"
#include "webhook/webhooks.h"

#define OLD_SECRET_S 86400

static json_t *seconds(int64_t from_now)
{
	return json_integer(og_clock_wall_ms() / 1000 + from_now);
}

/* ── enable ── */

static void tell_enabled(struct og_webhook_call *k)
{
	og_webhook_answer(k, og_webhook_shown(k->webhook));
}

static void enable(json_t *webhook)
{
	json_object_set_new(webhook, "enabled", json_true());
	json_object_del(webhook, "disabled_at");
}

void og_webhook_enable(struct og_webhook_call *k)
{
	og_webhook_change(k, enable, tell_enabled);
}

/* ── rotate ── */

static void tell_rotated(struct og_webhook_call *k)
{
	og_webhook_answer(k, og_webhook_with_secret(k->webhook));
}

/* Until the old one goes each event has a signature with either. */
static void rotate(json_t *webhook)
{
	char secret[OG_WEBHOOK_SECRET_SIZE];

	og_webhook_secret_new(secret);
	json_object_set(webhook, "old_secret", json_object_get(webhook, "secret"));
	json_object_set_new(webhook, "old_secret_until", seconds(OLD_SECRET_S));
	json_object_set_new(webhook, "secret", json_string(secret));
}

void og_webhook_rotate(struct og_webhook_call *k)
{
	og_webhook_change(k, rotate, tell_rotated);
}

/* ── redeliver ── */

static const char *delivery_of(const struct og_webhook_call *k)
{
	const char *id = json_string_value(json_object_get(k->request, "delivery"));

	return id ? id : "";
}

static void refuse_unknown(struct og_webhook_call *k)
{
	struct og_error err;

	og_fail(&err, OG_INVALID, "there is no delivery '%.100s', or it is no longer kept", delivery_of(k));
	og_webhook_refuse(k, &err);
}

static void on_sent(void *ctx, bool yes, const struct og_error *err)
{
	struct og_webhook_call *k = ctx;
	struct og_error own;

	if (err && err->kind == OG_BUSY && yes) {
		og_fail(&own, OG_BUSY,
			"so many events wait for this webhook that no more may: when some are through, ask again");
		og_webhook_refuse(k, &own);
	} else if (err) {
		og_webhook_refuse(k, err);
	} else if (!yes) {
		refuse_unknown(k);
	} else {
		og_webhooks_hurry(k->api->webhooks);
		og_webhook_answer(k, og_delivery_shown(k->delivery));
	}
}

/* With all its attempts before it again. */
static void send_anew(struct og_webhook_call *k)
{
	const struct og_record_put put = {
		.id = delivery_of(k), .tenant = k->id, .record = k->delivery, .from = k->from};
	struct og_error err;

	json_object_set_new(k->delivery, "state", json_string("pending"));
	json_object_set_new(k->delivery, "attempts", json_integer(0));
	json_object_set_new(k->delivery, "next_attempt_at", seconds(0));
	if (og_record_put(k->api->store, &k->api->kinds.deliveries, &put, on_sent, k, &err) < 0)
		og_webhook_refuse(k, &err);
}

static void look_in(struct og_webhook_call *k, const struct og_record_kind *from);

static void on_delivery(void *ctx, json_t *delivery, const struct og_error *err)
{
	struct og_webhook_call *k = ctx;

	if (!err) {
		k->delivery = json_incref(delivery);
		send_anew(k);
	} else if (err->kind == OG_INVALID && k->from == &k->api->kinds.undelivered) {
		look_in(k, &k->api->kinds.delivered);
	} else if (err->kind == OG_INVALID) {
		refuse_unknown(k);
	} else {
		og_webhook_refuse(k, err);
	}
}

static void look_in(struct og_webhook_call *k, const struct og_record_kind *from)
{
	struct og_error err;

	k->from = from;
	if (og_record_get(k->api->store, from, k->id, delivery_of(k), on_delivery, k, &err) < 0)
		og_webhook_refuse(k, &err);
}

static void redeliver(struct og_webhook_call *k)
{
	struct og_error err;

	if (json_is_true(json_object_get(k->webhook, "enabled"))) {
		look_in(k, &k->api->kinds.undelivered);
		return;
	}
	og_fail(&err, OG_BUSY,
		"the webhook is disabled, for its receiver answered 410: mend that, and enable the webhook first");
	og_webhook_refuse(k, &err);
}

void og_webhook_redeliver(struct og_webhook_call *k)
{
	og_webhook_find(k, redeliver);
}
