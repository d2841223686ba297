#include "batch/line.h"

#include <stdlib.h>
#include <string.h>

#include "api/responses/answer.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "model/json.h"
#include "model/operation.h"

static const struct {
	const char *url, *prompt;
} endpoints[] = {
	{"/v1/chat/completions", "messages"},
	{"/v1/completions", "prompt"},
	{"/v1/embeddings", "input"},
	{"/v1/responses", "input"},
};

static int endpoint_of(const char *url)
{
	for (size_t i = 0; i < OG_COUNT(endpoints); i++)
		if (!strcmp(endpoints[i].url, url))
			return (int)i;
	return -1;
}

bool og_batch_endpoint(const char *url)
{
	return endpoint_of(url) >= 0;
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int refuse(struct og_refusal *why, const char *words)
{
	return og_refuse_with(why, 400, "invalid_request", "%s", words);
}

static int read_custom_id(const json_t *line, struct og_batch_line *ret, struct og_refusal *why)
{
	const char *id = text_at(line, "custom_id");

	if (!*id || strlen(id) > OG_BATCH_CUSTOM_ID_MAX)
		return refuse(why, "custom_id: must be text of 1 to 512 bytes");
	ret->custom_id = og_strdup(id);
	return 0;
}

/* A Responses request becomes a chat completion; the others go as they are, but whole. */
static int translate(json_t *body, const char *endpoint, struct og_batch_line *ret, struct og_refusal *why)
{
	struct og_responses_flags flags;
	char hex[OG_RESPONSE_HEX + 1];
	json_t *items, *chat;
	int rc;

	if (strcmp(endpoint, "/v1/responses") != 0) {
		json_object_del(body, "stream");
		json_object_del(body, "stream_options");
		ret->body = json_dumps(body, JSON_COMPACT);
		return 0;
	}
	og_response_hex(ret->job, hex);
	if (og_responses_flags(body, &flags, why) < 0 || og_responses_items(body, hex, &items, why) < 0)
		return -1;
	if (flags.previous || flags.background) {
		json_decref(items);
		return refuse(why, "a line of a batch has neither previous_response_id nor background");
	}
	rc = og_responses_chat(body, items, &chat, why);
	json_decref(items);
	if (rc < 0)
		return -1;
	ret->echo = og_responses_echo(body, og_clock_wall_ms() / 1000);
	json_object_set_new(ret->echo, "store", json_false());
	ret->body = json_dumps(chat, JSON_COMPACT);
	json_decref(chat);
	return 0;
}

static int64_t max_tokens_of(const json_t *body)
{
	static const char *const names[] = {"max_completion_tokens", "max_output_tokens", "max_tokens"};

	for (size_t i = 0; i < OG_COUNT(names); i++)
		if (json_integer_value(json_object_get(body, names[i])) > 0)
			return json_integer_value(json_object_get(body, names[i]));
	return 0;
}

static int read_line(const json_t *line, const char *endpoint, struct og_batch_line *ret, struct og_refusal *why)
{
	json_t *body = json_object_get(line, "body");
	const char *model = text_at(body, "model");
	int kind = endpoint_of(endpoint);

	if (read_custom_id(line, ret, why) < 0)
		return -1;
	if (strcmp(text_at(line, "method"), "POST") != 0 || strcmp(text_at(line, "url"), endpoint) != 0)
		return og_refuse_with(why, 400, "invalid_request",
			"method and url: must be POST and the batch's endpoint, %s", endpoint);
	if (!json_is_object(body) || !*model || strlen(model) >= OG_NAME_MAX)
		return refuse(why, "body: must be an object with a model");
	if (kind < 0 || !json_object_get(body, endpoints[kind].prompt))
		return refuse(why, "body: what is to be answered is missing");
	ret->model = og_strdup(model);
	ret->max_tokens = max_tokens_of(body);
	if (!strcmp(endpoint, "/v1/embeddings"))
		ret->operation = og_operation_name(OG_OPERATION_EMBED);
	if (translate(body, endpoint, ret, why) < 0)
		return -1;
	ret->len = strlen(ret->body);
	return 0;
}

int og_batch_line_read(const char *text, size_t len, const char *batch, int64_t number, const char *endpoint,
	struct og_batch_line *ret, struct og_refusal *why)
{
	og_autofree char *key = og_printf("line %lld", (long long)number);
	struct og_error err;
	json_t *line;
	int rc;

	*ret = (struct og_batch_line){0};
	og_uuid_of_key(batch, key, ret->job);
	if (og_json_check(text, len, &err) < 0 || og_json_parse(text, len, &line, &err) < 0)
		return og_refuse_with(why, 400, "invalid_json", "line %lld: %s", (long long)number, err.message);
	rc = read_line(line, endpoint, ret, why);
	json_decref(line);
	return rc;
}

void og_batch_line_done(struct og_batch_line *l)
{
	free(l->custom_id);
	free(l->model);
	free(l->body);
	json_decref(l->echo);
	*l = (struct og_batch_line){0};
}

/* ── what became of it ── */

static char *with_newline(json_t *line)
{
	og_autofree char *text = og_json_dump(line, 0);

	return og_printf("%s\n", text);
}

char *og_batch_answer(const struct og_batch_line *l, const json_t *result)
{
	json_t *response = json_object_get(result, "response"), *body;
	char hex[OG_RESPONSE_HEX + 1];

	if (!json_is_object(response))
		return NULL;
	og_response_hex(l->job, hex);
	body = l->echo ? og_response_ended(hex, l->echo, response, NULL) : json_incref(response);
	return with_newline(
		json_pack("{s:o, s:s?, s:{s:i, s:s, s:o}, s:n}", "id", json_sprintf("batch_req_%s", hex), "custom_id",
			l->custom_id, "response", "status_code", 200, "request_id", l->job, "body", body, "error"));
}

char *og_batch_failure(const struct og_batch_line *l, const struct og_refusal *why)
{
	char hex[OG_RESPONSE_HEX + 1];

	og_response_hex(l->job, hex);
	return with_newline(json_pack("{s:o, s:s?, s:n, s:{s:s, s:o}}", "id", json_sprintf("batch_req_%s", hex),
		"custom_id", l->custom_id, "response", "error", "code", why->code ? why->code : why->type, "message",
		og_json_text(why->message)));
}
