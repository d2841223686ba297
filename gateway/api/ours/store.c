/* /api/v1/keys, /tenants, /usage: what operators ask of the store, for administrators (docs/GATEWAY.md says what each takes). */
#include <stdlib.h>
#include <string.h>

#include "api/ours/asked.h"
#include "api/ours/ours.h"
#include "base/alloc.h"
#include "base/parse.h"
#include "model/json.h"
#include "store/store.h"

static void ask(struct og_api *api, struct og_web_call *c, const char *verb, json_t *request, int status, int refusal)
{
	struct og_asked *a = og_asked_new(c, (struct og_asked_as){status, refusal, 503});
	struct og_error err;

	if (og_store_admin(api->store, verb, request, og_asked_answer, a, &err) < 0)
		og_asked_wrong(a, &err);
	json_decref(request);
}

static json_t *named(struct og_web_call *c, const char *member)
{
	json_t *request = json_object();

	json_object_set_new(request, member, og_json_text(og_web_part(c, 0)));
	return request;
}

/* ── keys ── */

static json_t *page(struct og_web_call *c)
{
	json_t *request = json_object();

	if (og_ours_number(c, "from", 0, INT32_MAX, "from", request) == 0 && og_ours_text(c, "tenant", request) == 0)
		return request;
	json_decref(request);
	return NULL;
}

void og_keys_page(struct og_api *api, struct og_web_call *c)
{
	json_t *request = page(c);
	const char *text = og_web_query(c, "all");
	struct og_refusal why;
	struct og_error err;
	bool all = false;

	if (!request)
		return;
	if (text && og_parse_bool(text, &all, &err) < 0) {
		json_decref(request);
		og_refuse_with(&why, 400, "invalid_request", "all: %s", err.message);
		og_refuse(c, &why);
		return;
	}
	json_object_set_new(request, "all", json_boolean(all));
	ask(api, c, "keys_list", request, 200, 400);
}

void og_keys_make(struct og_api *api, struct og_web_call *c)
{
	json_t *request = og_api_json_body(c);

	if (request)
		ask(api, c, "keys_create", request, 201, 400);
}

/* The body, with what the path names as `member`. */
static json_t *named_body(struct og_web_call *c, const char *member)
{
	json_t *request = og_api_json_body(c);

	if (request)
		json_object_set_new(request, member, og_json_text(og_web_part(c, 0)));
	return request;
}

void og_keys_change(struct og_api *api, struct og_web_call *c)
{
	json_t *request = named_body(c, "id");

	if (request)
		ask(api, c, "keys_set", request, 200, 404);
}

void og_keys_revoke(struct og_api *api, struct og_web_call *c)
{
	ask(api, c, "keys_revoke", named(c, "id"), 200, 404);
}

/* The body may be left out: the old secret goes at once then. */
void og_keys_rotate(struct og_api *api, struct og_web_call *c)
{
	json_t *request = named(c, "id");

	if (og_ours_number(c, "grace_ms", 0, INT64_MAX, "grace_ms", request) == 0)
		ask(api, c, "keys_rotate", request, 200, 404);
	else
		json_decref(request);
}

/* ── tenants ── */

void og_tenants_page(struct og_api *api, struct og_web_call *c)
{
	json_t *request = page(c);

	if (request)
		ask(api, c, "tenants_list", request, 200, 400);
}

void og_tenants_show(struct og_api *api, struct og_web_call *c)
{
	ask(api, c, "tenants_show", named(c, "name"), 200, 404);
}

void og_tenants_put(struct og_api *api, struct og_web_call *c)
{
	json_t *request = named_body(c, "name");

	if (request)
		ask(api, c, "tenants_set", request, 200, 400);
}

void og_tenants_remove(struct og_api *api, struct og_web_call *c)
{
	ask(api, c, "tenants_remove", named(c, "name"), 200, 409);
}

/* ── usage ── */

/* ?by=day,tenant → ["day", "tenant"] */
static void add_by(struct og_web_call *c, json_t *request)
{
	og_autofree char *text = og_strdup(og_web_query(c, "by") ? og_web_query(c, "by") : "");
	json_t *by = json_array();
	char *rest = text, *word;

	while ((word = strsep(&rest, ",")))
		json_array_append_new(by, og_json_text(word));
	json_object_set_new(request, "by", by);
}

void og_usage_show(struct og_api *api, struct og_web_call *c)
{
	static const char *const texts[] = {"since", "until", "key", "model"};
	json_t *request = page(c);

	for (size_t i = 0; request && i < OG_COUNT(texts); i++) {
		if (og_ours_text(c, texts[i], request) < 0) {
			json_decref(request);
			return;
		}
	}
	if (!request)
		return;
	if (og_ours_number(c, "limit", 1, 1000, "limit", request) < 0) {
		json_decref(request);
		return;
	}
	if (og_web_query(c, "by"))
		add_by(c, request);
	ask(api, c, "usage", request, 200, 400);
}
