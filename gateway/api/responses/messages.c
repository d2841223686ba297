/* Items of the Responses into messages of a chat. Calls of functions that follow one another belong to one message of the
 * assistant's; what it thought is not repeated. */
#include <stdio.h>
#include <string.h>

#include "api/responses/request.h"
#include "base/alloc.h"

static int refuse(struct og_refusal *why, size_t at, const char *words, const char *what)
{
	og_refuse_with(why, 400, "invalid_value", "input[%zu]: %s%s%.60s%s", at, words, *what ? " `" : "", what,
		*what ? "`" : "");
	why->param = "input";
	return -1;
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* ── the parts of a content ── */

static bool is_text(const json_t *part)
{
	const char *type = text_at(part, "type");

	return !strcmp(type, "input_text") || !strcmp(type, "output_text") || !strcmp(type, "text") ||
	       !strcmp(type, "summary_text") || !strcmp(type, "reasoning_text");
}

static json_t *image_part(const json_t *part)
{
	json_t *detail = json_object_get(part, "detail"), *url = json_object_get(part, "image_url");
	json_t *image;

	if (!json_is_string(url))
		return NULL;
	image = json_pack("{s:O}", "url", url);
	if (json_is_string(detail))
		json_object_set(image, "detail", detail);
	return json_pack("{s:s, s:o}", "type", "image_url", "image_url", image);
}

/* NULL: there is no such part in a chat. */
static json_t *chat_part(const json_t *part)
{
	const char *type = text_at(part, "type");

	if (is_text(part) && json_is_string(json_object_get(part, "text")))
		return json_pack("{s:s, s:O}", "type", "text", "text", json_object_get(part, "text"));
	if (!strcmp(type, "refusal"))
		return json_pack("{s:s, s:s}", "type", "text", "text", text_at(part, "refusal"));
	if (!strcmp(type, "input_image"))
		return image_part(part);
	if (!strcmp(type, "input_audio") && json_is_object(json_object_get(part, "input_audio")))
		return json_pack(
			"{s:s, s:O}", "type", "input_audio", "input_audio", json_object_get(part, "input_audio"));
	return NULL;
}

/* Texts alone become one text: templates of small models know nothing else. */
static json_t *joined(const json_t *parts)
{
	size_t len = 0, i;
	const json_t *part;
	og_autofree char *text = NULL;

	json_array_foreach(parts, i, part)
	{
		if (strcmp(text_at(part, "type"), "text") != 0)
			return json_incref((json_t *)parts);
		len += json_string_length(json_object_get(part, "text")) + 1;
	}
	text = og_alloc(len + 1);
	len = 0;
	json_array_foreach(parts, i, part)
	{
		const json_t *words = json_object_get(part, "text");

		if (i)
			text[len++] = '\n';
		memcpy(text + len, json_string_value(words), json_string_length(words));
		len += json_string_length(words);
	}
	return json_stringn(text, len);
}

static int content_of(const json_t *content, size_t at, json_t **ret, struct og_refusal *why)
{
	const json_t *part;
	json_t *parts;
	size_t i;

	if (json_is_string(content)) {
		*ret = json_incref((json_t *)content);
		return 0;
	}
	if (!json_is_array(content))
		return refuse(why, at, "its content must be text or a list of parts", "");
	parts = json_array();
	json_array_foreach(content, i, part)
	{
		json_t *made = chat_part(part);

		if (!made) {
			json_decref(parts);
			return refuse(why, at,
				"a part of the content is not served, or is incomplete:", text_at(part, "type"));
		}
		json_array_append_new(parts, made);
	}
	*ret = joined(parts);
	json_decref(parts);
	return 0;
}

/* ── items ── */

static int add_message(json_t *messages, const json_t *item, size_t at, struct og_refusal *why)
{
	const char *role = text_at(item, "role");
	json_t *content;

	if (!strcmp(role, "developer"))
		role = "system"; /* what the templates of open models call it */
	if (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0 && strcmp(role, "system") != 0)
		return refuse(why, at, "role must be user, assistant, system or developer, not", role);
	if (content_of(json_object_get(item, "content"), at, &content, why) < 0)
		return -1;
	json_array_append_new(messages, json_pack("{s:s, s:o}", "role", role, "content", content));
	return 0;
}

/* The message that a call belongs to: the assistant's, where that is the last. */
static json_t *caller(json_t *messages)
{
	size_t n = json_array_size(messages);
	json_t *last = n ? json_array_get(messages, n - 1) : NULL;

	if (last && !strcmp(text_at(last, "role"), "assistant")) {
		if (!json_object_get(last, "tool_calls"))
			json_object_set_new(last, "tool_calls", json_array());
		return last;
	}
	last = json_pack("{s:s, s:s, s:[]}", "role", "assistant", "content", "", "tool_calls");
	json_array_append_new(messages, last);
	return last;
}

static int add_call(json_t *messages, const json_t *item, size_t at, struct og_refusal *why)
{
	const char *call = text_at(item, "call_id"), *name = text_at(item, "name");

	if (!*call || !*name)
		return refuse(why, at, "a function_call has a call_id, a name and arguments", "");
	json_array_append_new(json_object_get(caller(messages), "tool_calls"),
		json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", call, "type", "function", "function", "name", name,
			"arguments", text_at(item, "arguments")));
	return 0;
}

static int add_output(json_t *messages, const json_t *item, size_t at, struct og_refusal *why)
{
	const char *call = text_at(item, "call_id");
	json_t *content;

	if (!*call)
		return refuse(why, at, "a function_call_output has a call_id and an output", "");
	if (content_of(json_object_get(item, "output"), at, &content, why) < 0)
		return -1;
	json_array_append_new(
		messages, json_pack("{s:s, s:s, s:o}", "role", "tool", "tool_call_id", call, "content", content));
	return 0;
}

static int add_item(json_t *messages, const json_t *item, size_t at, struct og_refusal *why)
{
	const char *type = text_at(item, "type");

	if (!*type || !strcmp(type, "message"))
		return add_message(messages, item, at, why);
	if (!strcmp(type, "function_call"))
		return add_call(messages, item, at, why);
	if (!strcmp(type, "function_call_output"))
		return add_output(messages, item, at, why);
	if (!strcmp(type, "reasoning"))
		return 0;
	return refuse(why, at, "an item of this type is not served:", type);
}

int og_responses_messages(const json_t *instructions, const json_t *items, json_t **ret, struct og_refusal *why)
{
	json_t *messages = json_array();
	const json_t *item;
	size_t i;

	if (json_is_string(instructions))
		json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "system", "content", instructions));
	json_array_foreach(items, i, item)
	{
		if (add_item(messages, item, i, why) < 0) {
			json_decref(messages);
			return -1;
		}
	}
	*ret = messages;
	return 0;
}
