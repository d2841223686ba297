#include "api/api.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "model/json.h"

/* Anthropic's SDKs look for the request's id, which every answer has as x-request-id, under a name of their own. */
void og_api_head(struct og_web_call *c)
{
	if (og_protocol_of_path(og_web_path(c)) == OG_ANTHROPIC)
		og_web_set_header(c, "request-id", og_web_request_id(c));
}

void og_api_reply_json(struct og_web_call *c, int status, json_t *body)
{
	char *text = og_json_dump(body, 0);

	og_web_reply_owned(c, status, "application/json", text, strlen(text));
}

static bool is_json(struct og_web_call *c)
{
	const char *type = og_web_header(c, "content-type");

	return !type || !strncasecmp(type, "application/json", 16) || !strncasecmp(type, "text/plain", 10) ||
	       !strncasecmp(type, "application/x-www-form-urlencoded", 33); /* what curl -d says of what it sends */
}

json_t *og_api_json_body(struct og_web_call *c)
{
	struct og_refusal r;
	struct og_error err;
	json_t *body;
	size_t len, bad;
	const char *text = og_web_body(c, &len);

	if (!is_json(c))
		og_refuse_with(&r, 415, "unsupported_media_type", "the body is to be application/json, not %.100s",
			og_web_header(c, "content-type"));
	else if (!len)
		og_refuse_with(&r, 400, "invalid_json", "the request has no body: send a JSON object");
	else if (!og_utf8_valid(text, len, &bad))
		og_refuse_with(&r, 400, "invalid_json", "the body is not UTF-8: byte %zu", bad);
	else if (og_json_parse(text, len, &body, &err) < 0)
		og_refuse_with(&r, 400, "invalid_json", "the body is not a JSON object: %s", err.message);
	else
		return body;
	og_refuse(c, &r);
	return NULL;
}

/* ── a question to the scheduler ── */

struct asking {
	struct og_api *api;
	struct og_web_call *c;
	struct og_question *q;
	json_t *(*form)(struct og_api *api, struct og_web_call *c, const json_t *answer);
};

static void on_answer(void *ctx, const json_t *answer, const char *type, const struct og_error *err)
{
	struct asking *a = ctx;
	struct og_refusal r;

	if (err) {
		const struct og_job_end end = {.error_type = type, .message = err->message};

		if (*type)
			og_refusal_of_end(&end, &r);
		else
			og_refusal_of_error(err, &r);
		og_refuse(a->c, &r);
	} else {
		json_t *body = a->form ? a->form(a->api, a->c, answer) : json_incref((json_t *)answer);

		if (body)
			og_api_reply_json(a->c, 200, body);
	}
	free(a);
}

static void on_gone(void *ctx)
{
	struct asking *a = ctx;

	og_question_forget(a->q);
	free(a);
}

void og_api_ask(struct og_api *api, struct og_web_call *c, const char *verb, json_t *body,
	json_t *(*form)(struct og_api *api, struct og_web_call *c, const json_t *answer))
{
	struct asking *a = og_new(struct asking);
	struct og_refusal r;
	struct og_error err;

	*a = (struct asking){.api = api, .c = c, .form = form};
	a->q = og_link_ask(api->link, verb, body, OG_ANSWER_MS, on_answer, a, &err);
	if (a->q) {
		og_web_on_gone(c, on_gone, a);
		return;
	}
	free(a);
	og_refusal_of_error(&err, &r);
	og_refuse(c, &r);
}
