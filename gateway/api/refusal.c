#include "api/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"

#define RETRY_S 5

/* The cluster's words for what went wrong (docs/PROTOCOL.md), and what HTTP says of it. */
static const struct {
	const char *error;
	int status;
	const char *code;
	int retry_after_s;
} ends[] = {
	{"invalid_request", 400, "invalid_request", 0},
	{"engine_error", 400, "engine_error", 0}, /* the engine blames the request */
	{"unknown_model", 404, "model_not_found", 0},
	{"not_found", 404, "not_found", 0},
	{"not_allowed", 403, "not_allowed", 0},
	{"conflict", 409, "conflict", 0},
	{"cancelled", 409, "cancelled", 0},
	{"result_gone", 410, "result_gone", 0},
	{"too_large", 413, "too_large", 0},
	{"limited", 429, "rate_limit_exceeded", RETRY_S},
	{"busy", 503, "busy", RETRY_S},
	{"no_capacity", 503, "no_capacity", 30},
	{"unavailable", 503, "unavailable", RETRY_S},
	{"draining", 503, "unavailable", RETRY_S},
	{"expired", 504, "deadline_exceeded", 0},
};

/* OpenAI's types, by status (https://platform.openai.com/docs/guides/error-codes). */
static const char *type_of(int status)
{
	switch (status) {
	case 401:
		return "authentication_error";
	case 403:
		return "permission_error";
	case 429:
		return "rate_limit_error";
	default:
		return status >= 500 ? "server_error" : "invalid_request_error";
	}
}

static const char *anthropic_type(int status)
{
	switch (status) {
	case 401:
		return "authentication_error";
	case 403:
		return "permission_error";
	case 404:
		return "not_found_error";
	case 413:
		return "request_too_large";
	case 429:
		return "rate_limit_error";
	case 503:
		return "overloaded_error";
	default:
		return status >= 500 ? "api_error" : "invalid_request_error";
	}
}

enum og_protocol og_protocol_of_path(const char *path)
{
	if (!strncmp(path, "/v1/messages", 12))
		return OG_ANTHROPIC;
	if (!strncmp(path, "/api/v1/", 8))
		return OG_OURS;
	return !strncmp(path, "/api/", 5) ? OG_OLLAMA : OG_OPENAI;
}

int og_refuse_with(struct og_refusal *ret, int status, const char *code, const char *fmt, ...)
{
	va_list ap;

	*ret = (struct og_refusal){.status = status, .type = type_of(status), .code = code};
	va_start(ap, fmt);
	vsnprintf(ret->message, sizeof(ret->message), fmt, ap);
	va_end(ap);
	return -1;
}

/* The scheduler says "…, try in 7 s". */
static int seconds_in(const char *words)
{
	const char *at = strstr(words, "try in ");
	long s = at ? strtol(at + 7, NULL, 10) : 0;

	return s > 0 && s < 86400 ? (int)s : 0;
}

static void refuse_as(struct og_refusal *ret, const char *error, const char *words)
{
	for (size_t i = 0; i < OG_COUNT(ends); i++) {
		if (strcmp(ends[i].error, error) != 0)
			continue;
		og_refuse_with(ret, ends[i].status, ends[i].code, "%s", *words ? words : error);
		ret->retry_after_s =
			seconds_in(words) && ends[i].retry_after_s ? seconds_in(words) : ends[i].retry_after_s;
		return;
	}
	og_refuse_with(ret, 502, "engine_failed", "%s%s%s", error, *words ? ": " : "", words);
}

void og_refusal_of_end(const struct og_job_end *end, struct og_refusal *ret)
{
	refuse_as(ret, end->error_type ? end->error_type : "failed", end->message ? end->message : "");
}

void og_refusal_of_error(const struct og_error *err, struct og_refusal *ret)
{
	static const char *const words[] = {[OG_INVALID] = "invalid_request",
		[OG_RETRY] = "unavailable",
		[OG_BUSY] = "busy",
		[OG_FATAL] = "unavailable"};

	refuse_as(ret, words[err->kind], err->message);
}

json_t *og_refusal_json(enum og_protocol protocol, const struct og_refusal *r, const char *request_id)
{
	json_t *words = og_json_text(r->message);

	switch (protocol) {
	case OG_OLLAMA:
		return json_pack("{s:o}", "error", words);
	case OG_ANTHROPIC:
		return json_pack("{s:s, s:{s:s, s:o}, s:s}", "type", "error", "error", "type",
			anthropic_type(r->status), "message", words, "request_id", request_id);
	case OG_OURS:
		return json_pack("{s:{s:s, s:o}}", "error", "type", r->code ? r->code : r->type, "message", words);
	default:
		return json_pack("{s:{s:o, s:s, s:s?, s:s?}}", "error", "message", words, "type", r->type, "param",
			r->param, "code", r->code);
	}
}

void og_refuse(struct og_web_call *c, const struct og_refusal *r)
{
	char *body = og_json_dump(og_refusal_json(og_protocol_of_path(og_web_path(c)), r, og_web_request_id(c)), 0);
	char seconds[16];

	if (r->retry_after_s) {
		snprintf(seconds, sizeof(seconds), "%d", r->retry_after_s);
		og_web_set_header(c, "retry-after", seconds);
	}
	if (r->status == 401)
		og_web_set_header(c, "www-authenticate", "Bearer");
	og_web_note(c, "error", r->code ? r->code : r->type);
	og_web_reply_owned(c, r->status, "application/json", body, strlen(body));
}
