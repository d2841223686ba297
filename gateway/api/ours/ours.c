#include "api/ours/ours.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/parse.h"
#include "model/json.h"

#define TEXT_MAX 127

/* ── for whom ── */

const char *og_ours_tenant(const struct og_web_call *c)
{
	const struct og_caller *caller = og_api_caller(c);

	return caller->admin ? NULL : caller->tenant;
}

void og_ours_ask(struct og_api *api, struct og_web_call *c, const char *verb, json_t *args,
	json_t *(*form)(struct og_api *api, struct og_web_call *c, const json_t *answer))
{
	json_t *body = args ? args : json_object();

	og_json_set_text(body, "as", og_ours_tenant(c));
	og_api_ask(api, c, verb, body, form);
}

void og_ours_order(struct og_api *api, struct og_web_call *c, const char *verb, json_t *args,
	json_t *(*form)(struct og_api *api, struct og_web_call *c, const json_t *answer))
{
	const char *key = og_api_caller(c)->key_id;

	og_json_set_text(args, "by", *key ? key : "loopback");
	og_api_ask(api, c, verb, args, form);
}

/* ── what the request says ── */

const char *og_ours_job(struct og_web_call *c)
{
	const char *id = og_web_part(c, 0);
	struct og_refusal why;

	if (og_uuid_valid(id))
		return id;
	og_refuse_with(&why, 404, "not_found", "'%.100s' is no id of a job: those are UUIDs in lower case", id);
	og_refuse(c, &why);
	return NULL;
}

static int refuse(struct og_web_call *c, const struct og_refusal *why)
{
	og_refuse(c, why);
	return -1;
}

int og_ours_text(struct og_web_call *c, const char *name, json_t *args)
{
	const char *text = og_web_query(c, name);
	struct og_refusal why;
	size_t bad;

	if (!text)
		return 0;
	if (!*text || strlen(text) > TEXT_MAX || !og_utf8_valid(text, strlen(text), &bad)) {
		og_refuse_with(&why, 400, "invalid_request", "%s: is text of 1 to %d bytes of UTF-8", name, TEXT_MAX);
		return refuse(c, &why);
	}
	og_json_set_text(args, name, text);
	return 0;
}

int og_ours_number(struct og_web_call *c, const char *name, int64_t min, int64_t max, const char *as, json_t *args)
{
	const char *text = og_web_query(c, name);
	struct og_refusal why;
	struct og_error err;
	int64_t n;

	if (!text)
		return 0;
	if (og_parse_int(text, min, max, &n, &err) < 0) {
		og_refuse_with(&why, 400, "invalid_request", "%s: %s", name, err.message);
		return refuse(c, &why);
	}
	json_object_set_new(args, as, json_integer(n));
	return 0;
}

int og_ours_duration(struct og_web_call *c, const char *name, int64_t max_ms, int64_t *ret_ms)
{
	const char *text = og_web_query(c, name);
	struct og_refusal why;
	struct og_error err;

	*ret_ms = 0;
	if (!text || og_parse_duration_ms(text, 0, max_ms, ret_ms, &err) == 0)
		return 0;
	og_refuse_with(&why, 400, "invalid_request", "%s: %s", name, err.message);
	return refuse(c, &why);
}

/* ── what is answered ── */

json_t *og_ours_links(const char *id)
{
	static const char *const names[] = {"result", "events", "cancel"};
	char path[128];
	json_t *links;

	snprintf(path, sizeof(path), "/api/v1/jobs/%s", id);
	links = json_pack("{s:s}", "self", path);
	for (size_t i = 0; i < OG_COUNT(names); i++) {
		snprintf(path, sizeof(path), "/api/v1/jobs/%s/%s", id, names[i]);
		og_json_set_text(links, names[i], path);
	}
	return links;
}

char *og_ours_ended(const char *id, const char *state, const char *result, size_t len, size_t *ret_len)
{
	struct og_buf out;

	og_buf_init(&out, len + 256);
	og_buf_addf(&out, "{\"id\":\"%s\",\"state\":\"%s\",\"result\":", id, state);
	og_buf_add(&out, len ? result : "null", len ? len : 4);
	og_buf_adds(&out, "}");
	*ret_len = out.len;
	return og_buf_take(&out);
}
