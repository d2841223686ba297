/* POST /api/v1/webhooks: a tenant names where its events are to go.
 *
 *   read ──▶ [its host's addresses] ──▶ how many there are ──▶ its record, and its secret, which is shown this once
 *
 * And what there is of them. */
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "api/ours/ours.h"
#include "api/records.h"
#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "model/json.h"
#include "webhook/event.h"
#include "webhook/signature.h"
#include "webhook/target.h"

#define WEBHOOKS_MAX 16 /* of a tenant */
#define LOOKUPS_MAX  2
#define ID_HEX       32
#define OLD_SECRET_S 86400

static json_t *shown_with_secret(json_t *webhook)
{
	json_t *copy = json_copy(webhook);

	json_object_del(copy, "tenant");
	json_object_del(copy, "old_secret");
	return copy;
}

static json_t *shown(struct og_web_call *c, json_t *webhook)
{
	json_t *copy = shown_with_secret(webhook);

	(void)c;
	json_object_del(copy, "secret");
	return copy;
}

/* ── POST ── */

struct making {
	struct og_api *api;
	struct og_web_call *c; /* NULL: its client has gone */
	json_t *webhook;
	struct og_webhook_target target;
	uv_getaddrinfo_t names;
};

static void making_free(struct making *m)
{
	json_decref(m->webhook);
	og_webhook_target_done(&m->target);
	free(m);
}

static void on_gone(void *ctx)
{
	struct making *m = ctx;

	m->c = NULL;
}

static void fail(struct making *m, const struct og_refusal *why)
{
	if (m->c)
		og_refuse(m->c, why);
	making_free(m);
}

static void fail_error(struct making *m, const struct og_error *err)
{
	struct og_refusal why;

	og_refusal_of_error(err, &why);
	fail(m, &why);
}

static void on_made(void *ctx, bool yes, const struct og_error *err)
{
	struct making *m = ctx;

	(void)yes;
	if (err) {
		fail_error(m, err);
		return;
	}
	if (m->c)
		og_api_reply_json(m->c, 201, shown_with_secret(m->webhook));
	making_free(m);
}

static void on_others(void *ctx, json_t *const *records, size_t n, bool more, const struct og_error *err)
{
	struct making *m = ctx;
	const struct og_record_put put = {.id = json_string_value(json_object_get(m->webhook, "id")),
		.tenant = json_string_value(json_object_get(m->webhook, "tenant")),
		.record = m->webhook,
		.due_in_ms = -1};
	struct og_refusal why;
	struct og_error own;

	(void)records, (void)more;
	if (err) {
		fail_error(m, err);
	} else if (n >= WEBHOOKS_MAX) {
		og_refuse_with(
			&why, 409, "conflict", "there are %d webhooks, and no more may be: remove one", WEBHOOKS_MAX);
		fail(m, &why);
	} else if (og_record_put(m->api->store, &m->api->kinds.webhooks, &put, on_made, m, &own) < 0) {
		fail_error(m, &own);
	}
}

static void count_others(struct making *m)
{
	const struct og_record_page page = {
		.tenant = json_string_value(json_object_get(m->webhook, "tenant")), .limit = WEBHOOKS_MAX};
	struct og_error err;

	if (og_records_list(m->api->store, &m->api->kinds.webhooks, &page, on_others, m, &err) < 0)
		fail_error(m, &err);
}

static int check_addresses(const struct og_webhook_target *t, const struct addrinfo *found, struct og_refusal *why)
{
	for (; found; found = found->ai_next)
		if (!og_address_is_public(found->ai_addr))
			return og_refuse_with(why, 400, "invalid_request",
				"url: '%.200s' leads to an address that is not of the public internet; for receivers "
				"of "
				"one's own the operator sets gateway.webhooks_private = yes",
				t->host);
	return 0;
}

/* Lookups under way. Each takes a thread of the loop's pool, which has four, for as long as somebody's name server likes; the files'
 * and the bodies' work is done there too. */
static unsigned lookups;

static void on_names(uv_getaddrinfo_t *names, int status, struct addrinfo *found)
{
	struct making *m = names->data;
	struct og_refusal why;

	lookups--;
	if (!m->c) { /* also where the gateway is stopped, and the store with it */
		making_free(m);
		uv_freeaddrinfo(found);
		return;
	}
	if (status < 0) {
		og_refuse_with(&why, 400, "invalid_request", "url: the host '%.200s' cannot be found: %s",
			m->target.host, uv_strerror(status));
		fail(m, &why);
	} else if (check_addresses(&m->target, found, &why) < 0) {
		fail(m, &why);
	} else {
		count_others(m);
	}
	uv_freeaddrinfo(found);
}

static void look_up(struct making *m)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct og_refusal why;
	int rc;

	if (lookups == LOOKUPS_MAX) {
		og_refuse_with(&why, 503, "busy", "other hosts are being looked up: ask again");
		why.retry_after_s = 1;
		fail(m, &why);
		return;
	}
	lookups++;
	m->names.data = m;
	rc = uv_getaddrinfo(m->api->loop, &m->names, on_names, m->target.host, NULL, &hints);
	if (rc < 0)
		on_names(&m->names, rc, NULL);
}

/* ── the request ── */

static int read_events(const json_t *body, json_t *ret, struct og_refusal *why)
{
	const json_t *events = json_object_get(body, "events"), *one;
	size_t i;

	if (!events) {
		for (i = 0; og_event_types[i]; i++)
			json_array_append_new(ret, json_string(og_event_types[i]));
		return 0;
	}
	if (!json_array_size(events))
		return og_refuse_with(why, 400, "invalid_request", "events: is to be a list of types of events");
	json_array_foreach(events, i, one)
	{
		const char *type = json_string_value(one);

		if (!type || strlen(type) != json_string_length(one) || !og_event_is_type(type))
			return og_refuse_with(why, 400, "invalid_request",
				"events: the %zuth is no type of event, such as response.completed, batch.failed or "
				"job.done",
				i + 1);
		json_array_append(ret, (json_t *)one);
	}
	return 0;
}

static int read_url(const json_t *body, const char **ret_url, struct og_webhook_target *ret, struct og_refusal *why)
{
	const json_t *url = json_object_get(body, "url");
	struct og_error err;

	if (!json_is_string(url) || strlen(json_string_value(url)) != json_string_length(url))
		return og_refuse_with(why, 400, "invalid_request", "url: is to be an http or https URL");
	*ret_url = json_string_value(url);
	if (og_webhook_target_read(*ret_url, ret, &err) < 0)
		return og_refuse_with(why, 400, "invalid_request", "url: %s", err.message);
	return 0;
}

static json_t *webhook_new(const char *tenant, const char *url, json_t *events)
{
	char id[ID_HEX + 1], secret[OG_WEBHOOK_SECRET_SIZE];

	og_random_hex(id, ID_HEX);
	og_webhook_secret_new(secret);
	return json_pack("{s:o, s:s, s:s, s:O, s:b, s:I, s:s, s:s}", "id", json_sprintf("wh_%s", id), "object",
		"webhook", "url", url, "events", events, "enabled", 1, "created_at",
		(json_int_t)(og_clock_wall_ms() / 1000), "secret", secret, "tenant", tenant);
}

void og_webhooks_make(struct og_api *api, struct og_web_call *c)
{
	json_t *body = og_api_json_body(c), *events;
	struct og_webhook_target target;
	struct og_refusal why;
	struct making *m;
	const char *url = "";

	if (!body)
		return;
	events = json_array();
	if (read_events(body, events, &why) < 0 || read_url(body, &url, &target, &why) < 0) {
		og_refuse(c, &why);
	} else {
		m = og_new(struct making);
		*m = (struct making){.api = api, .c = c, .target = target};
		m->webhook = webhook_new(og_api_caller(c)->tenant, url, events);
		og_web_on_gone(c, on_gone, m);
		if (api->settings->gateway_webhooks_private)
			count_others(m);
		else
			look_up(m);
	}
	json_decref(events);
	json_decref(body);
}

/* ── what there is ── */

void og_webhooks_list(struct og_api *api, struct og_web_call *c)
{
	og_api_records(api, c, &api->kinds.webhooks, shown);
}

static void show(struct og_api *api, struct og_web_call *c, json_t *webhook)
{
	(void)api;
	og_api_reply_json(c, 200, shown(c, webhook));
}

void og_webhooks_show(struct og_api *api, struct og_web_call *c)
{
	og_api_record(api, c, &api->kinds.webhooks, og_web_part(c, 0), "webhook", show);
}

static void removed(struct og_api *api, struct og_web_call *c, const char *id)
{
	(void)api;
	og_api_reply_json(c, 200, json_pack("{s:s, s:s, s:b}", "id", id, "object", "webhook", "deleted", 1));
}

void og_webhooks_remove(struct og_api *api, struct og_web_call *c)
{
	og_api_record_remove(api, c, &api->kinds.webhooks, og_web_part(c, 0), "webhook", removed);
}

/* ── what is changed of one ── */

struct change {
	struct og_web_call *c; /* NULL: its client has gone */
	json_t *webhook;
	bool tells_secret;
};

static void change_free(struct change *h)
{
	json_decref(h->webhook);
	free(h);
}

static void on_change_gone(void *ctx)
{
	struct change *h = ctx;

	h->c = NULL;
}

static void on_changed(void *ctx, bool yes, const struct og_error *err)
{
	struct change *h = ctx;
	struct og_error none;

	og_fail(&none, OG_INVALID, "it was removed meanwhile");
	if (h->c && (err || !yes))
		og_api_refuse_record(h->c, "webhook", og_web_part(h->c, 0), err ? err : &none);
	else if (h->c)
		og_api_reply_json(h->c, 200, h->tells_secret ? shown_with_secret(h->webhook) : shown(h->c, h->webhook));
	change_free(h);
}

static void put_change(struct og_api *api, struct og_web_call *c, json_t *webhook, bool tells_secret)
{
	struct change *h = og_new(struct change);
	const struct og_record_put put = {.id = json_string_value(json_object_get(webhook, "id")),
		.tenant = og_api_caller(c)->tenant,
		.record = webhook,
		.there = true,
		.due_in_ms = -1};
	struct og_error err;

	*h = (struct change){.c = c, .webhook = json_incref(webhook), .tells_secret = tells_secret};
	og_web_on_gone(c, on_change_gone, h);
	if (og_record_put(api->store, &api->kinds.webhooks, &put, on_changed, h, &err) == 0)
		return;
	og_api_refuse_record(c, "webhook", og_web_part(c, 0), &err);
	change_free(h);
}

static void enable(struct og_api *api, struct og_web_call *c, json_t *webhook)
{
	json_object_set_new(webhook, "enabled", json_true());
	json_object_del(webhook, "disabled_at");
	put_change(api, c, webhook, false);
}

void og_webhooks_enable(struct og_api *api, struct og_web_call *c)
{
	og_api_record(api, c, &api->kinds.webhooks, og_web_part(c, 0), "webhook", enable);
}

/* Until the old one goes each event has a signature with either. */
static void rotate(struct og_api *api, struct og_web_call *c, json_t *webhook)
{
	char secret[OG_WEBHOOK_SECRET_SIZE];

	og_webhook_secret_new(secret);
	json_object_set(webhook, "old_secret", json_object_get(webhook, "secret"));
	json_object_set_new(webhook, "old_secret_until", json_integer(og_clock_wall_ms() / 1000 + OLD_SECRET_S));
	json_object_set_new(webhook, "secret", json_string(secret));
	put_change(api, c, webhook, true);
}

void og_webhooks_rotate(struct og_api *api, struct og_web_call *c)
{
	og_api_record(api, c, &api->kinds.webhooks, og_web_part(c, 0), "webhook", rotate);
}
