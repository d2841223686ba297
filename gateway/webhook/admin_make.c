/* Making a webhook:
 *
 *   read ──▶ [its host's addresses] ──▶ its record, and its secret, which is shown this once */
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "webhook/admin_call.h"
#include "webhook/event.h"
#include "webhook/signature.h"
#include "webhook/state.h"

#define LOOKUPS_MAX 2
#define ID_HEX      32

static void tell_made(struct og_webhook_call *k)
{
	og_webhook_answer(k, og_webhook_with_secret(k->webhook));
}

/* ── its host ── */

static int check_addresses(const struct og_webhook_target *t, const struct addrinfo *found, struct og_error *err)
{
	for (; found; found = found->ai_next)
		if (!og_address_is_public(found->ai_addr))
			return og_fail(err, OG_INVALID,
				"url: '%.200s' leads to an address that is not of the public internet; for receivers "
				"of "
				"one's own the operator sets gateway.webhooks_private = yes",
				t->host);
	return 0;
}

static void on_names(uv_getaddrinfo_t *names, int status, struct addrinfo *found)
{
	struct og_webhook_call *k = names->data;
	struct og_webhooks *w = k->api->webhooks;
	struct og_error err;
	int rc = 0;

	w->n_lookups--;
	if (w->closed)
		rc = og_fail(&err, OG_RETRY, "this gateway is being stopped: ask again");
	else if (status < 0)
		rc = og_fail(&err, OG_INVALID, "url: the host '%.200s' cannot be found: %s", k->target.host,
			uv_strerror(status));
	else
		rc = check_addresses(&k->target, found, &err);
	if (rc < 0)
		og_webhook_refuse(k, &err);
	else
		og_webhook_put(k, tell_made);
	uv_freeaddrinfo(found);
	og_webhooks_part_gone(w);
}

/* Each lookup takes a thread of the loop's pool, which has four, for as long as somebody's name server likes; the files' and the
 * bodies' work is done there too. */
static void look_up(struct og_webhook_call *k)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct og_webhooks *w = k->api->webhooks;
	struct og_error err;
	int rc;

	if (w->n_lookups == LOOKUPS_MAX) {
		og_fail(&err, OG_RETRY, "other hosts are being looked up: ask again");
		og_webhook_refuse(k, &err);
		return;
	}
	w->n_lookups++;
	w->parts++;
	k->names.data = k;
	rc = uv_getaddrinfo(k->api->loop, &k->names, on_names, k->target.host, NULL, &hints);
	if (rc < 0)
		on_names(&k->names, rc, NULL);
}

/* ── the request ── */

static bool lists(const json_t *list, const json_t *text)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (json_equal(one, text))
			return true;
	}
	return false;
}

static int read_events(const json_t *events, json_t *ret, struct og_error *err)
{
	const json_t *one;
	size_t i;

	if (!events) {
		for (i = 0; og_event_types[i]; i++)
			json_array_append_new(ret, json_string(og_event_types[i]));
		return 0;
	}
	if (!json_array_size(events))
		return og_fail(err, OG_INVALID, "events: is to be a list of types of events");
	json_array_foreach(events, i, one)
	{
		const char *type = json_string_value(one);

		if (!type || strlen(type) != json_string_length(one) || !og_event_is_type(type))
			return og_fail(err, OG_INVALID,
				"events: number %zu is no type of event, such as response.completed, batch.failed or "
				"job.done",
				i + 1);
		if (!lists(ret, one))
			json_array_append(ret, (json_t *)one);
	}
	return 0;
}

static int read_url(const json_t *url, struct og_webhook_target *ret, struct og_error *err)
{
	if (!json_is_string(url) || strlen(json_string_value(url)) != json_string_length(url))
		return og_fail(err, OG_INVALID, "url: is to be an http or https URL");
	return og_webhook_target_read(json_string_value(url), ret, err) < 0 ? og_fail_in(err, "url") : 0;
}

static json_t *webhook_new(const char *tenant, json_t *url, json_t *events)
{
	char id[ID_HEX + 1], secret[OG_WEBHOOK_SECRET_SIZE];

	og_random_hex(id, ID_HEX);
	og_webhook_secret_new(secret);
	return json_pack("{s:o, s:s, s:O, s:O, s:b, s:I, s:s, s:s}", "id", json_sprintf("wh_%s", id), "object",
		"webhook", "url", url, "events", events, "enabled", 1, "created_at",
		(json_int_t)(og_clock_wall_ms() / 1000), "secret", secret, "tenant", tenant);
}

void og_webhook_make(struct og_webhook_call *k)
{
	json_t *url = json_object_get(k->request, "url"), *events = json_array();
	struct og_error err;

	if (read_events(json_object_get(k->request, "events"), events, &err) < 0 ||
		read_url(url, &k->target, &err) < 0) {
		og_webhook_refuse(k, &err);
	} else {
		k->webhook = webhook_new(k->tenant, url, events);
		if (k->api->settings->gateway_webhooks_private)
			og_webhook_put(k, tell_made);
		else
			look_up(k);
	}
	json_decref(events);
}
