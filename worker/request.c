#include "request.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/parse.h"
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

static int check(const json_t *body, bool *ret_chat, struct og_error *err)
{
	const json_t *messages = json_object_get(body, "messages"), *prompt = json_object_get(body, "prompt");

	if (!messages && !prompt)
		return og_fail(err, OG_INVALID, "the request has neither 'messages' nor a 'prompt'");
	*ret_chat = messages != NULL;
	return messages ? check_messages(messages, err) : check_prompt(prompt, err);
}

int og_request_parse(const char *id, const void *body, size_t len, struct og_request *ret, struct og_error *err)
{
	struct og_request q = {0};
	json_error_t why;
	size_t bad;

	if (!len)
		return og_fail(err, OG_INVALID, "the request has no body");
	if (!og_utf8_valid(body, len, &bad))
		return og_fail(err, OG_INVALID, "the request is not UTF-8: byte %zu", bad);
	q.body = json_loadb(body, len, JSON_ALLOW_NUL, &why);
	/* The parser's own words may quote the prompt, and an error ends up in other people's logs: the place is
	 * enough. */
	if (!q.body)
		return og_fail(
			err, OG_INVALID, "the request is not JSON: wrong at line %d, column %d", why.line, why.column);
	if (!json_is_object(q.body))
		og_fail(err, OG_INVALID, "the request is not a JSON object");
	else if (check(q.body, &q.chat, err) == 0) {
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
