/* Who calls: finds it out, and hands the call on to its route. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "api/body.h"
#include "api/local.h"
#include "base/alloc.h"
#include "model/trace.h"

const struct og_caller *og_api_caller(const struct og_web_call *c)
{
	static const struct og_caller nobody = {.tenant = "default"};
	const struct og_caller *caller = og_web_kept(c);

	return caller ? caller : &nobody;
}

void og_api_watch_key(
	struct og_api *api, const struct og_web_call *c, struct og_key_watch *w, og_key_watch_cb *cb, void *ctx)
{
	const struct og_caller *who = og_api_caller(c);

	if (who->key)
		og_key_watch(w, api->store, who->key->id, cb, ctx);
}

static void caller_free(void *data)
{
	struct og_caller *who = data;

	og_key_drop(who->key);
	json_decref(who->body);
	free(who);
}

static void hand_on(struct og_api *api, struct og_web_call *c, const struct og_caller *who)
{
	const struct og_api_route *route = og_web_more(c);
	struct og_refusal why;

	og_web_note(c, "key", who->key_id);
	og_web_note(c, "tenant", who->tenant);
	og_web_keep(c, og_memdup(who, sizeof(*who)), caller_free);
	if (route->need == OG_NEED_ADMIN && !who->admin) {
		og_refuse_with(&why, 403, "not_allowed", "this needs a key with admin rights (og keys create --admin)");
		og_refuse(c, &why);
		return;
	}
	og_body_ready(api, c, route->handle);
}

/* ── with a key ── */

static void accept_key(struct og_api *api, struct og_web_call *c, struct og_key *key)
{
	struct og_caller who = {.key = og_key_hold(key), .admin = key->admin};

	strcpy(who.key_id, key->id);
	strcpy(who.tenant, key->tenant);
	hand_on(api, c, &who);
}

/* A store that is away is no word about the key: 503, never 401. */
static void refuse_key(struct og_web_call *c, const struct og_error *err)
{
	struct og_refusal why;

	if (err->kind == OG_INVALID) {
		og_refuse_with(&why, 401, "invalid_api_key", "%s", err->message);
	} else {
		og_refuse_with(&why, 503, "unavailable", "API keys cannot be looked up now: ask again");
		why.retry_after_s = OG_STORE_RETRY_S;
	}
	og_refuse(c, &why);
}

struct looking {
	struct og_api *api;
	struct og_web_call *c; /* NULL: its client has gone */
};

static void on_gone(void *ctx)
{
	struct looking *l = ctx;

	l->c = NULL;
}

static void on_key(void *ctx, struct og_key *key, const struct og_error *err)
{
	struct looking *l = ctx;

	if (l->c)
		og_web_on_gone(l->c, NULL, NULL); /* ours ends here; its route says who is told from now on */
	if (l->c && err)
		refuse_key(l->c, err);
	else if (l->c)
		accept_key(l->api, l->c, key);
	free(l);
}

static void look_up(struct og_api *api, struct og_web_call *c, const char *secret)
{
	struct looking *l = og_new(struct looking);
	struct og_key *key;
	struct og_error err;
	int rc;

	*l = (struct looking){api, c};
	rc = og_keys_lookup(api->store, secret, strlen(secret), on_key, l, &key, &err);
	if (rc == 0) {
		og_web_on_gone(c, on_gone, l);
		return;
	}
	free(l);
	if (rc < 0) {
		refuse_key(c, &err);
	} else {
		accept_key(api, c, key);
		og_key_drop(key);
	}
}

/* "Authorization: Bearer <secret>", or Anthropic's "x-api-key: <secret>". NULL: neither. */
static const char *secret_of(const struct og_web_call *c)
{
	static const char scheme[] = "Bearer ";
	const char *value = og_web_header(c, "authorization");

	if (value && strncasecmp(value, scheme, strlen(scheme)) == 0)
		return value + strlen(scheme) + strspn(value + strlen(scheme), " ");
	return og_web_header(c, "x-api-key");
}

/* Whether it needs no key: gateway.loopback_without_key. */
static bool is_local(const struct og_api *api, const struct og_web_call *c)
{
	static const char *const passed_on[] = {
		"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via", "cf-connecting-ip"};
	struct og_local_head head = {.host = og_web_host(c), .origin = og_web_header(c, "origin")};

	if (!api->settings->gateway_loopback_without_key || !og_web_from_loopback(c))
		return false;
	for (size_t i = 0; i < OG_COUNT(passed_on); i++)
		head.forwarded = head.forwarded || og_web_header(c, passed_on[i]);
	return og_local_is_own(&head, og_web_origin_allowed(c));
}

bool og_api_admits(void *ctx, const struct og_web_call *c)
{
	const struct og_api *api = ctx;
	const char *secret = secret_of(c);

	return (secret && og_secret_valid(secret, strlen(secret))) || is_local(api, c);
}

/* For who looks for a trace in the log. */
static void note_trace(struct og_web_call *c)
{
	char parent[OG_TRACEPARENT_LEN + 1], id[OG_TRACE_ID_LEN + 1];

	if (!og_traceparent_read(og_web_header(c, "traceparent"), parent))
		return;
	og_trace_id(parent, id);
	og_web_note(c, "trace", id);
}

void og_api_dispatch(void *ctx, struct og_web_call *c)
{
	struct og_api *api = ctx;
	const struct og_api_route *route = og_web_more(c);
	const char *secret = secret_of(c);
	bool local = is_local(api, c);
	struct og_refusal why;

	og_api_head(c);
	note_trace(c);
	if (route->need == OG_NEED_NOTHING) {
		route->handle(api, c);
	} else if (secret && (!local || og_secret_valid(secret, strlen(secret)))) {
		look_up(api, c, secret);
	} else if (local) { /* many clients send some word where no key is needed */
		hand_on(api, c, &(struct og_caller){.tenant = "default", .admin = true});
	} else {
		og_refuse_with(&why, 401, "invalid_api_key",
			"a key is needed: send it as `Authorization: Bearer og-…` (`og keys create NAME` makes one)");
		og_refuse(c, &why);
	}
}
