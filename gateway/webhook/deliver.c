/* Deliveries: one event for one webhook, sent until it is taken.
 *
 *   claimed ──▶ its webhook's record ──▶ POST ── 2xx ───────────────────────▶ delivered
 *      │             └── none: it goes    ├── 410: the webhook is disabled ──▶ undelivered
 *      │             └── disabled ────────┼── attempts spent ───────────────▶ undelivered
 *      │                                  └── anything else ──▶ due later
 *      └── so many of its tenant's are being sent: due a little later, so that the others' have their turn */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/json.h"
#include "webhook/event.h"
#include "webhook/schedule.h"
#include "webhook/signature.h"
#include "webhook/state.h"
#include "webhook/target.h"

#define LANE_MAX     16 /* of one tenant at once */
#define LANE_STEP_MS 100
#define LANE_WAIT_MS (INT64_C(5) * 60 * 1000)
#define ANSWER_MAX   (64 * 1024)
#define GONE         410

struct og_webhook_lane {
	UT_hash_handle hh;
	char tenant[OG_NAME_MAX];
	size_t flying;
	int64_t next_ms; /* when the next one that was put back comes again */
};

struct og_attempt {
	struct og_webhooks *w;
	struct og_webhook_lane *lane;
	json_t *delivery, *webhook;
	const char *id, *webhook_id; /* of the delivery */
	struct og_http_call *call;   /* NULL: the store is asked */
	int status;
	struct og_attempt *prev, *next;
};

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

json_t *og_delivery_new(const json_t *webhook, json_t *event)
{
	char id[OG_EVENT_ID_SIZE];
	json_int_t now = og_clock_wall_ms() / 1000;

	og_event_id("del", text_at(event, "id"), text_at(webhook, "id"), id);
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:n, s:n, s:n, s:O, s:s}", "id", id, "object",
		"webhook.delivery", "webhook_id", text_at(webhook, "id"), "state", "pending", "attempts", 0,
		"created_at", now, "next_attempt_at", now, "last_attempt_at", "last_status", "last_error", "event",
		event, "tenant", text_at(webhook, "tenant"));
}

/* ── whose turn it is ── */

static struct og_webhook_lane *lane_of(struct og_webhooks *w, const char *tenant)
{
	struct og_webhook_lane *lane;

	HASH_FIND_STR(w->lanes, tenant, lane);
	if (lane)
		return lane;
	lane = og_new(struct og_webhook_lane);
	snprintf(lane->tenant, sizeof(lane->tenant), "%s", tenant);
	HASH_ADD_STR(w->lanes, tenant, lane);
	return lane;
}

static void leave_lane(struct og_webhooks *w, struct og_webhook_lane *lane)
{
	if (--lane->flying)
		return;
	HASH_DEL(w->lanes, lane);
	free(lane);
}

/* The more wait, the later the next comes again: a receiver that is slow costs the store little. */
static int64_t lane_wait_ms(struct og_webhook_lane *lane)
{
	int64_t now = og_clock_mono_ms();

	lane->next_ms = (lane->next_ms > now ? lane->next_ms : now) + LANE_STEP_MS;
	if (lane->next_ms > now + LANE_WAIT_MS)
		lane->next_ms = now + LANE_WAIT_MS;
	return lane->next_ms - now;
}

/* ── what became of it ── */

static void attempt_free(struct og_attempt *a)
{
	struct og_webhooks *w = a->w;

	DL_DELETE(w->attempts, a);
	w->n_attempts--;
	leave_lane(w, a->lane);
	json_decref(a->delivery);
	json_decref(a->webhook);
	free(a);
	og_webhooks_part_gone(w);
}

static void due_again(struct og_webhooks *w, const json_t *delivery, int64_t ms)
{
	const struct og_record_put put = {.id = text_at(delivery, "id"),
		.tenant = text_at(delivery, "webhook_id"),
		.record = delivery,
		.there = true,
		.owner = w->owner,
		.due_in_ms = ms};

	og_record_put(w->api->store, &w->api->kinds.deliveries, &put, NULL, NULL, NULL);
}

/* Nobody waits for the write: where it fails, the delivery is there still, and comes again. */
static void settle(struct og_attempt *a, enum og_delivery as)
{
	struct og_api *api = a->w->api;
	const struct og_record_put put = {.id = a->id,
		.tenant = a->webhook_id,
		.record = a->delivery,
		.owner = a->w->owner,
		.due_in_ms = -1,
		.from = &api->kinds.deliveries};
	bool done = as == OG_DELIVERED;

	api->metrics.deliveries[as]++;
	json_object_set_new(a->delivery, "state", json_string(done ? "delivered" : "failed"));
	json_object_set_new(a->delivery, "next_attempt_at", json_null());
	og_record_put(api->store, done ? &api->kinds.delivered : &api->kinds.undelivered, &put, NULL, NULL, NULL);
}

static void try_later(struct og_attempt *a, int64_t attempts)
{
	int64_t ms = og_webhook_delay_ms(a->w->api->settings->gateway_webhook_backoff_ms, attempts, og_random());

	a->w->api->metrics.deliveries[OG_DELIVERY_RETRIED]++;
	json_object_set_new(a->delivery, "next_attempt_at", json_integer((og_clock_wall_ms() + ms + 999) / 1000));
	due_again(a->w, a->delivery, ms);
}

struct disabling {
	struct og_webhooks *w;
	char webhook[OG_NAME_MAX];
};

static void disabling_free(struct disabling *d)
{
	struct og_webhooks *w = d->w;

	free(d);
	og_webhooks_part_gone(w);
}

static void look_to_disable(struct disabling *d);

static void on_disabled(void *ctx, bool yes, const struct og_error *err)
{
	if (yes || err)
		disabling_free(ctx);
	else
		look_to_disable(ctx); /* another changed it meanwhile: that stands, and this comes on top */
}

static void on_to_disable(void *ctx, json_t *webhook, const struct og_error *err)
{
	struct disabling *d = ctx;
	json_t *was = json_deep_copy(webhook);
	const struct og_record_put put = {
		.id = d->webhook, .tenant = text_at(webhook, "tenant"), .record = webhook, .was = was, .due_in_ms = -1};
	bool asked = !err && !d->w->closed;

	if (asked) {
		json_object_set_new(webhook, "enabled", json_false());
		json_object_set_new(webhook, "disabled_at", json_integer(og_clock_wall_ms() / 1000));
		asked = og_record_put(d->w->api->store, &d->w->api->kinds.webhooks, &put, on_disabled, d, NULL) == 0;
	}
	json_decref(was);
	if (!asked)
		disabling_free(d);
}

/* Its record as it is now: it may have been changed since it was read for sending. */
static void look_to_disable(struct disabling *d)
{
	if (d->w->closed || og_record_get(d->w->api->store, &d->w->api->kinds.webhooks, NULL, d->webhook, on_to_disable,
				    d, NULL) < 0)
		disabling_free(d);
}

static void disable(struct og_webhooks *w, const char *webhook)
{
	struct disabling *d = og_new(struct disabling);

	d->w = w;
	snprintf(d->webhook, sizeof(d->webhook), "%s", webhook);
	w->parts++;
	look_to_disable(d);
}

static char *words_of(const struct og_attempt *a, const struct og_error *err)
{
	if (a->status / 100 == 3)
		return og_printf("it answered %d, and redirects are not followed", a->status);
	if (a->status)
		return og_printf("it answered %d", a->status);
	return og_strdup(err->message);
}

static void note(struct og_attempt *a, int64_t attempts, const char *words)
{
	json_object_set_new(a->delivery, "attempts", json_integer(attempts));
	json_object_set_new(a->delivery, "last_attempt_at", json_integer(og_clock_wall_ms() / 1000));
	json_object_set_new(a->delivery, "last_status", a->status ? json_integer(a->status) : json_null());
	json_object_set_new(a->delivery, "last_error", words ? og_json_text(words) : json_null());
	og_info("delivery", "webhook=%s delivery=%s type=%s attempts=%" PRId64 " status=%d", a->webhook_id, a->id,
		text_at(json_object_get(a->delivery, "event"), "type"), attempts, a->status);
}

/* A status is the answer, whatever became of the answer's body. */
static void on_end(void *ctx, int status, const struct og_error *err)
{
	struct og_attempt *a = ctx;
	int64_t attempts = json_integer_value(json_object_get(a->delivery, "attempts")) + 1;
	og_autofree char *words = NULL;

	a->call = NULL;
	a->status = status;
	if (status / 100 != 2)
		words = words_of(a, err);
	note(a, attempts, words);
	if (!words)
		settle(a, OG_DELIVERED);
	else if (status == GONE || attempts >= a->w->api->settings->gateway_webhook_attempts)
		settle(a, OG_DELIVERY_FAILED);
	else
		try_later(a, attempts);
	if (status == GONE)
		disable(a->w, a->webhook_id);
	attempt_free(a);
}

/* ── sending ── */

static int start(struct og_attempt *a, const char *body, const char *const *headers, struct og_error *err)
{
	const struct og_settings *s = a->w->api->settings;
	const struct og_http_request request = {.method = "POST",
		.url = text_at(a->webhook, "url"),
		.headers = headers,
		.body = body,
		.body_len = strlen(body),
		.may_connect = s->gateway_webhooks_private ? NULL : og_address_is_public,
		.may_connect_by = "gateway.webhooks_private",
		.limits = {.total_ms = s->gateway_webhook_timeout_ms, .body_cap = ANSWER_MAX}};
	const struct og_http_handler handler = {.on_end = on_end, .ctx = a};

	a->call = og_http_start(a->w->http, &request, &handler, err);
	return a->call ? 0 : -1;
}

/* With the secret, and with the one before it while that counts still: as many signatures, with blanks between. */
static char *sign(const struct og_attempt *a, const char *id, int64_t now_s, const char *body, struct og_error *err)
{
	bool both = json_integer_value(json_object_get(a->webhook, "old_secret_until")) > now_s;
	char signature[OG_WEBHOOK_SIGNATURE_SIZE], old[OG_WEBHOOK_SIGNATURE_SIZE] = "";

	if (og_webhook_sign(text_at(a->webhook, "secret"), id, now_s, body, strlen(body), signature, err) < 0)
		return NULL;
	if (both && og_webhook_sign(text_at(a->webhook, "old_secret"), id, now_s, body, strlen(body), old, err) < 0)
		return NULL;
	return og_printf("%s%s%s", signature, both ? " " : "", old);
}

/* `body` is the same each time: the record keeps the order of an object's members. */
static int post(struct og_attempt *a, struct og_error *err)
{
	const json_t *event = json_object_get(a->delivery, "event");
	int64_t now_s = og_clock_wall_ms() / 1000;
	og_autofree char *body = json_dumps(event, JSON_COMPACT);
	og_autofree char *signature = sign(a, text_at(event, "id"), now_s, body, err);
	og_autofree char *id = og_printf("webhook-id: %s", text_at(event, "id"));
	og_autofree char *stamp = og_printf("webhook-timestamp: %" PRId64, now_s);
	og_autofree char *signed_by = og_printf("webhook-signature: %s", signature ? signature : "");

	if (!signature)
		return -1;
	return start(a, body,
		(const char *const[]){"Content-Type: application/json", "User-Agent: OpenGateway/" OG_VERSION, id,
			stamp, signed_by, NULL},
		err);
}

static void on_webhook(void *ctx, json_t *webhook, const struct og_error *err)
{
	struct og_attempt *a = ctx;
	struct og_error own;

	if (err && err->kind == OG_INVALID) { /* it was removed, and what was for it goes with it */
		og_record_remove(a->w->api->store, &a->w->api->kinds.deliveries, NULL, a->id, NULL, NULL, NULL);
		attempt_free(a);
	} else if (err || a->w->closed) {
		attempt_free(a); /* it comes again when the lease has run out */
	} else if (!json_is_true(json_object_get(webhook, "enabled"))) {
		json_object_set_new(a->delivery, "last_error", json_string("the webhook is disabled"));
		settle(a, OG_DELIVERY_FAILED);
		attempt_free(a);
	} else {
		a->webhook = json_deep_copy(webhook);
		if (post(a, &own) < 0)
			on_end(a, 0, &own);
	}
}

void og_delivery_take(struct og_webhooks *w, json_t *delivery)
{
	struct og_webhook_lane *lane = lane_of(w, text_at(delivery, "tenant"));
	struct og_attempt *a;

	if (lane->flying >= LANE_MAX) {
		due_again(w, delivery, lane_wait_ms(lane));
		return;
	}
	lane->flying++;
	a = og_new(struct og_attempt);
	*a = (struct og_attempt){.w = w, .lane = lane, .delivery = json_deep_copy(delivery)};
	a->id = text_at(a->delivery, "id");
	a->webhook_id = text_at(a->delivery, "webhook_id");
	DL_APPEND(w->attempts, a);
	w->n_attempts++;
	w->parts++;
	if (og_record_get(w->api->store, &w->api->kinds.webhooks, text_at(a->delivery, "tenant"), a->webhook_id,
		    on_webhook, a, NULL) < 0)
		attempt_free(a);
}

void og_deliveries_drop(struct og_webhooks *w)
{
	struct og_attempt *a, *next;

	DL_FOREACH_SAFE(w->attempts, a, next)
	{
		if (a->call) /* the client is closed, and does not tell us */
			attempt_free(a);
	}
}
