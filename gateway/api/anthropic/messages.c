/* Anthropic's messages are lists of blocks; a chat's are a text or a list of parts, the calls of tools beside it, and a
 * message for each result of a tool. */
#include <stdio.h>
#include <string.h>

#include "api/anthropic/request.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "model/message.h"

/* One message, while its blocks are read. */
struct reading {
	const char *where;   /* "messages.3.content" */
	json_t *out;         /* the list that messages are added to */
	json_t *parts;       /* texts and images so far */
	struct og_buf texts; /* the texts alone: templates of small models know no parts */
	bool images;
	json_t *calls, *thinking;
};

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* `type`: what it is instead; "" where that says nothing. */
static int no_such(const struct reading *r, size_t at, const char *words, const char *type, struct og_refusal *why)
{
	return og_refuse_with(why, 400, "invalid_request", "%s.%zu: %s%s%.60s%s", r->where, at, words,
		*type ? ", not '" : "", type, *type ? "'" : "");
}

/* ── texts and images ── */

static void add_text(struct reading *r, const char *text)
{
	json_array_append_new(r->parts, json_pack("{s:s, s:s}", "type", "text", "text", text));
	if (r->texts.len && *text)
		og_buf_add(&r->texts, "\n", 1);
	og_buf_adds(&r->texts, text);
}

static int add_image(struct reading *r, size_t at, const json_t *block, struct og_refusal *why)
{
	const json_t *source = json_object_get(block, "source");
	const char *type = text_at(source, "type");
	og_autofree char *url = NULL;

	if (!strcmp(type, "base64"))
		url = og_printf("data:%s;base64,%s", text_at(source, "media_type"), text_at(source, "data"));
	else if (!strcmp(type, "url"))
		url = og_strdup(text_at(source, "url"));
	else
		return no_such(r, at, "an image comes as base64 or with a url", type, why);
	json_array_append_new(r->parts, json_pack("{s:s, s:{s:s}}", "type", "image_url", "image_url", "url", url));
	r->images = true;
	return 0;
}

static int add_block(struct reading *r, size_t at, const json_t *block, struct og_refusal *why);

static int add_blocks(struct reading *r, const json_t *content, struct og_refusal *why)
{
	const json_t *block;
	size_t i;

	if (json_is_string(content)) {
		add_text(r, json_string_value(content));
		return 0;
	}
	if (!json_is_array(content))
		return og_refuse_with(why, 400, "invalid_request", "%s: must be text or a list of blocks", r->where);
	json_array_foreach(content, i, block)
	{
		if (add_block(r, i, block, why) < 0)
			return -1;
	}
	return 0;
}

/* What stands within another block: a document, a search result. */
static int add_within(struct reading *r, const json_t *block, const json_t *content, struct og_refusal *why)
{
	static const char *const headings[] = {"title", "source", "context"};

	for (size_t i = 0; i < OG_COUNT(headings); i++)
		if (*text_at(block, headings[i]))
			add_text(r, text_at(block, headings[i]));
	return add_blocks(r, content, why);
}

static int add_document(struct reading *r, size_t at, const json_t *block, struct og_refusal *why)
{
	const json_t *source = json_object_get(block, "source");
	const char *type = text_at(source, "type");

	if (!strcmp(type, "text"))
		return add_within(r, block, json_object_get(source, "data"), why);
	if (!strcmp(type, "content"))
		return add_within(r, block, json_object_get(source, "content"), why);
	return no_such(r, at, "a document comes as text, which is what engines read", type, why);
}

/* ── tools ── */

static int add_call(struct reading *r, size_t at, const json_t *block, struct og_refusal *why)
{
	const json_t *input = json_object_get(block, "input");
	og_autofree char *arguments = json_is_object(input) ? json_dumps(input, JSON_COMPACT) : og_strdup("{}");

	if (!*text_at(block, "id") || !*text_at(block, "name"))
		return no_such(r, at, "a tool_use needs an `id` and a `name`", "", why);
	json_array_append_new(
		r->calls, json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", text_at(block, "id"), "type", "function",
				  "function", "name", text_at(block, "name"), "arguments", arguments));
	return 0;
}

static void reading_init(struct reading *r, const char *where, json_t *out)
{
	*r = (struct reading){.where = where, .out = out, .parts = json_array(), .calls = json_array()};
	og_buf_init(&r->texts, OG_BODY_MAX);
}

static void reading_done(struct reading *r)
{
	json_decref(r->parts);
	json_decref(r->calls);
	og_buf_done(&r->texts);
}

/* A message of its own, before what the user says beside it. A tool's message is text: the images of its result are
 * shown as the user's. */
static int add_result(struct reading *r, size_t at, const json_t *block, struct og_refusal *why)
{
	const json_t *content = json_object_get(block, "content"), *part;
	struct reading within;
	int rc = 0;
	size_t i;

	if (!*text_at(block, "tool_use_id"))
		return no_such(r, at, "a tool_result needs a `tool_use_id`", "", why);
	reading_init(&within, r->where, r->out);
	if (json_is_true(json_object_get(block, "is_error")))
		add_text(&within, "Error:");
	if (content && !json_is_null(content))
		rc = add_blocks(&within, content, why);
	if (rc == 0)
		json_array_append_new(
			r->out, json_pack("{s:s, s:s, s:s}", "role", "tool", "tool_call_id",
					text_at(block, "tool_use_id"), "content", og_buf_str(&within.texts)));
	json_array_foreach(within.parts, i, part)
	{
		if (!strcmp(text_at(part, "type"), "image_url"))
			json_array_append(r->parts, (json_t *)part);
	}
	r->images = r->images || within.images;
	reading_done(&within);
	return rc;
}

/* ── a block ── */

static int add_block(struct reading *r, size_t at, const json_t *block, struct og_refusal *why)
{
	const char *type = text_at(block, "type");

	if (!strcmp(type, "text")) {
		add_text(r, text_at(block, "text"));
		return 0;
	}
	if (!strcmp(type, "image"))
		return add_image(r, at, block, why);
	if (!strcmp(type, "document"))
		return add_document(r, at, block, why);
	if (!strcmp(type, "search_result"))
		return add_within(r, block, json_object_get(block, "content"), why);
	if (!strcmp(type, "tool_use"))
		return add_call(r, at, block, why);
	if (!strcmp(type, "tool_result"))
		return add_result(r, at, block, why);
	if (!strcmp(type, "thinking")) {
		r->thinking = json_object_get(block, "thinking");
		return 0;
	}
	if (!strcmp(type, "redacted_thinking")) /* of a model that nobody here can read */
		return 0;
	return no_such(
		r, at, "a block is text, image, document, search_result, tool_use, tool_result or thinking", type, why);
}

/* ── a message ── */

static void end_message(struct reading *r, const char *role)
{
	bool assistant = !strcmp(role, "assistant"), calls = json_array_size(r->calls) > 0;
	json_t *message;

	if (!json_array_size(r->parts) && !calls && !assistant) /* results of tools alone */
		return;
	message = json_pack("{s:s}", "role", role);
	if (r->images)
		json_object_set(message, "content", r->parts);
	else
		json_object_set_new(message, "content", json_string(og_buf_str(&r->texts)));
	if (assistant && calls)
		json_object_set(message, "tool_calls", r->calls);
	if (assistant && json_string_length(r->thinking))
		json_object_set(message, "reasoning_content", r->thinking);
	json_array_append_new(r->out, message);
}

static int add_message(json_t *out, const char *role, const json_t *content, const char *where, struct og_refusal *why)
{
	struct reading r;
	int rc;

	reading_init(&r, where, out);
	rc = add_blocks(&r, content, why);
	if (rc == 0)
		end_message(&r, role);
	reading_done(&r);
	return rc;
}

static int add_messages(json_t *out, const json_t *messages, struct og_refusal *why)
{
	const json_t *message;
	char where[48];
	size_t i;

	json_array_foreach(messages, i, message)
	{
		const char *role = text_at(message, "role");

		snprintf(where, sizeof(where), "messages.%zu.content", i);
		if (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0 && strcmp(role, "system") != 0)
			return og_refuse_with(
				why, 400, "invalid_request", "messages.%zu.role: is \"user\" or \"assistant\"", i);
		if (add_message(out, role, json_object_get(message, "content"), where, why) < 0)
			return -1;
	}
	return 0;
}

json_t *og_anthropic_messages(const json_t *system, const json_t *messages, struct og_refusal *why)
{
	json_t *out = json_array();
	int rc = 0;

	if (json_string_length(system) || json_array_size(system))
		rc = add_message(out, "system", system, "system", why);
	if (rc == 0)
		rc = add_messages(out, messages, why);
	if (rc == 0)
		return out;
	json_decref(out);
	return NULL;
}
