#include "request.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/parse.h"
#include "model/json_text.h"
#include "model/message.h"

/* A message counts as a prompt when it says something: text, parts (an image is one), or the calls of tools. */
static bool says_something(const json_t *message)
{
	const json_t *content = json_object_get(message, "content");

	return json_string_length(content) > 0 || json_array_size(content) > 0 ||
	       json_array_size(json_object_get(message, "tool_calls")) > 0;
}

static int check_messages(const json_t *messages, struct og_error *err)
{
	bool any = false;
	const json_t *message;
	size_t i;

	if (!json_is_array(messages))
		return og_fail(err, OG_INVALID, "'messages' is not an array");
	json_array_foreach(messages, i, message)
	{
		if (!json_is_object(message) || !json_is_string(json_object_get(message, "role")))
			return og_fail(err, OG_INVALID, "'messages' item %zu is not an object with a 'role'", i);
		any = any || says_something(message);
	}
	return any ? 0 : og_fail(err, OG_INVALID, "the prompt is empty: no message has any content");
}

static int check_prompt(const json_t *prompt, struct og_error *err)
{
	if (!json_is_string(prompt) && !json_is_array(prompt))
		return og_fail(err, OG_INVALID, "'prompt' is neither a string nor an array");
	if (!json_string_length(prompt) && !json_array_size(prompt))
		return og_fail(err, OG_INVALID, "the prompt is empty");
	return 0;
}

/* A text, texts, the tokens of one, or of several: an engine judges them one by one. */
static int check_input(const json_t *input, struct og_error *err)
{
	const json_t *item;
	size_t i;

	if (!json_is_string(input) && !json_is_array(input))
		return og_fail(err, OG_INVALID, "'input' is neither a string nor an array");
	if (!json_string_length(input) && !json_array_size(input))
		return og_fail(err, OG_INVALID, "the input is empty");
	json_array_foreach(input, i, item)
	{
		if (!json_is_string(item) && !json_is_integer(item) && !json_is_array(item))
			return og_fail(
				err, OG_INVALID, "'input' item %zu is no text, no token and no array of tokens", i);
	}
	return 0;
}

static int check_embed(const json_t *body, struct og_error *err)
{
	const json_t *input = json_object_get(body, "input"), *dimensions = json_object_get(body, "dimensions");
	const json_t *format = json_object_get(body, "encoding_format");
	const char *name = json_string_value(format);

	if (!input)
		return og_fail(err, OG_INVALID, "the request has no 'input' to embed");
	if (dimensions && !json_is_null(dimensions) && json_integer_value(dimensions) < 1)
		return og_fail(err, OG_INVALID, "'dimensions' is not a whole number above 0");
	if (format && !json_is_null(format) && (!name || (strcmp(name, "float") != 0 && strcmp(name, "base64") != 0)))
		return og_fail(err, OG_INVALID, "'encoding_format' is neither \"float\" nor \"base64\"");
	return check_input(input, err);
}

/* The tokens of tokens are as many as there are: only texts are counted. */
static int check_countable(const char *key, const json_t *texts, struct og_error *err)
{
	const json_t *text;
	size_t i;

	if (!json_string_length(texts) && !json_array_size(texts))
		return og_fail(err, OG_INVALID, "'%s' is neither a text nor an array of texts, or it is empty", key);
	json_array_foreach(texts, i, text)
	{
		if (!json_is_string(text))
			return og_fail(err, OG_INVALID, "'%s' item %zu is no text: only texts can be counted", key, i);
	}
	return 0;
}

static int check_count(const json_t *prompt, const json_t *input, struct og_error *err)
{
	if (!prompt && !input)
		return og_fail(err, OG_INVALID, "the request has neither 'messages' nor a 'prompt' nor an 'input'");
	return prompt ? check_countable("prompt", prompt, err) : check_countable("input", input, err);
}

static int check(struct og_request *q, struct og_error *err)
{
	const json_t *messages = json_object_get(q->body, "messages"), *prompt = json_object_get(q->body, "prompt");

	if (q->operation == OG_OPERATION_EMBED)
		return check_embed(q->body, err);
	q->chat = messages != NULL;
	if (messages)
		return check_messages(messages, err);
	if (q->operation == OG_OPERATION_COUNT_TOKENS)
		return check_count(prompt, json_object_get(q->body, "input"), err);
	if (prompt)
		return check_prompt(prompt, err);
	return og_fail(err, OG_INVALID, "the request has neither 'messages' nor a 'prompt'");
}

void og_request_trace(struct og_request *q, const char *traceparent, const char *tracestate)
{
	if (og_traceparent_read(traceparent, q->traceparent) && tracestate && og_tracestate_valid(tracestate))
		strcpy(q->tracestate, tracestate);
}

int og_request_parse(const char *id, const char *operation, const void *body, size_t len, struct og_request *ret,
	struct og_error *err)
{
	struct og_request q = {0};
	json_error_t why;
	size_t bad;

	if (og_operation_parse(operation, &q.operation, err) < 0)
		return -1;
	if (!len)
		return og_fail(err, OG_INVALID, "the request has no body");
	if (!og_utf8_valid(body, len, &bad))
		return og_fail(err, OG_INVALID, "the request is not UTF-8: byte %zu", bad);
	q.body = og_json_load(body, len, JSON_ALLOW_NUL, &why);
	/* The parser's own words may quote the prompt, and an error ends up in other people's logs: the place is
	 * enough. */
	if (!q.body)
		return og_fail(
			err, OG_INVALID, "the request is not JSON: wrong at line %d, column %d", why.line, why.column);
	if (!json_is_object(q.body))
		og_fail(err, OG_INVALID, "the request is not a JSON object");
	else if (check(&q, err) == 0) {
		snprintf(q.id, sizeof(q.id), "%s", id);
		*ret = q;
		return 0;
	}
	json_decref(q.body);
	return -1;
}

void og_request_done(struct og_request *q)
{
	json_decref(q->body);
	q->body = NULL;
}

char *og_request_content_text(const json_t *content)
{
	struct og_buf text;
	const json_t *part;
	size_t i;

	og_buf_init(&text, OG_BODY_MAX);
	if (json_is_string(content))
		og_buf_add(&text, json_string_value(content), json_string_length(content));
	json_array_foreach(content, i, part)
	{
		const json_t *piece = json_is_string(part) ? part : json_object_get(part, "text");

		og_buf_add(&text, json_string_value(piece), json_string_length(piece));
	}
	return og_buf_take(&text);
}
