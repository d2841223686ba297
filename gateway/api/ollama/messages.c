#include <stdio.h>
#include <string.h>

#include "api/ollama/request.h"
#include "base/alloc.h"
#include "model/json.h"

/* ── images ── */

/* Ollama's images are bare base64; OpenAI's are URLs that say what they are, so it is read off their first bytes. */
static const char *kind_of(const char *base64)
{
	static const struct {
		const char *begins, *kind;
	} kinds[] = {
		{"iVBORw0KGgo", "image/png"}, {"/9j/", "image/jpeg"}, {"R0lGOD", "image/gif"}, {"UklGR", "image/webp"}};

	for (size_t i = 0; i < OG_COUNT(kinds); i++)
		if (!strncmp(base64, kinds[i].begins, strlen(kinds[i].begins)))
			return kinds[i].kind;
	return "image/jpeg";
}

static json_t *image_part(const json_t *image)
{
	const char *text = json_string_value(image);
	og_autofree char *url =
		!strncmp(text, "data:", 5) ? og_strdup(text) : og_printf("data:%s;base64,%s", kind_of(text), text);

	return json_pack("{s:s, s:{s:s}}", "type", "image_url", "image_url", "url", url);
}

json_t *og_ollama_content(const char *text, const json_t *images, const char *where, struct og_refusal *why)
{
	json_t *parts, *image;
	size_t i;

	if (!json_array_size(images))
		return json_string(text);
	parts = json_array();
	if (*text)
		json_array_append_new(parts, json_pack("{s:s, s:s}", "type", "text", "text", text));
	json_array_foreach(images, i, image)
	{
		if (!json_is_string(image)) {
			og_refuse_with(why, 400, "invalid_request", "%simages.%zu: must be text, an image in base64",
				where, i);
			json_decref(parts);
			return NULL;
		}
		json_array_append_new(parts, image_part(image));
	}
	return parts;
}

/* ── calls of tools ── OpenAI knows a call by its id, Ollama's clients may leave it out: calls are numbered then, and an
 * answer belongs to the first call of its name that has none yet. */

struct calls {
	json_t *open; /* {"id", "name"}, as they were made */
	unsigned n;
};

static json_t *call_of(struct calls *calls, const json_t *from)
{
	const json_t *function = json_object_get(from, "function");
	const json_t *arguments = json_object_get(function, "arguments");
	const char *name = json_string_value(json_object_get(function, "name"));
	const char *given = json_string_value(json_object_get(from, "id"));
	og_autofree char *text = json_is_string(arguments) ? og_strdup(json_string_value(arguments))
	                                                   : json_dumps(arguments, JSON_COMPACT | JSON_ENCODE_ANY);
	char id[32];

	if (!name)
		return NULL;
	snprintf(id, sizeof(id), "call_%u", calls->n++);
	json_array_append_new(calls->open, json_pack("{s:s, s:s}", "id", given ? given : id, "name", name));
	return json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", given ? given : id, "type", "function", "function", "name",
		name, "arguments", text ? text : "{}");
}

static int add_calls(struct calls *calls, const json_t *from, json_t *to, size_t at, struct og_refusal *why)
{
	json_t *list = json_array();
	const json_t *call;
	size_t i;

	json_array_foreach(from, i, call)
	{
		json_t *one = call_of(calls, call);

		if (!one) {
			json_decref(list);
			return og_refuse_with(why, 400, "invalid_request",
				"messages.%zu.tool_calls.%zu: needs a `function` with a `name`", at, i);
		}
		json_array_append_new(list, one);
	}
	json_object_set_new(to, "tool_calls", list);
	return 0;
}

static void add_answered(struct calls *calls, const json_t *from, json_t *to)
{
	const json_t *id = json_object_get(from, "tool_call_id"), *call;
	const char *name = json_string_value(json_object_get(from, "tool_name"));
	size_t i;

	if (!name)
		name = json_string_value(json_object_get(from, "name"));
	json_array_foreach(calls->open, i, call)
	{
		if (json_is_string(id) ? json_equal(json_object_get(call, "id"), id)
				       : !name || !strcmp(json_string_value(json_object_get(call, "name")), name))
			break;
	}
	json_object_set(to, "tool_call_id",
		json_is_string(id) ? (json_t *)id : json_object_get(json_array_get(calls->open, i), "id"));
	if (!json_object_get(to, "tool_call_id"))
		json_object_set_new(to, "tool_call_id", json_string("call_0"));
	json_array_remove(calls->open, i);
	og_json_set_text(to, "name", name);
}

/* ── a message ── */

static json_t *message_of(struct calls *calls, const json_t *from, size_t at, struct og_refusal *why)
{
	const json_t *role = json_object_get(from, "role"), *content = json_object_get(from, "content");
	const json_t *tool_calls = json_object_get(from, "tool_calls"), *thinking = json_object_get(from, "thinking");
	char where[40];
	json_t *to, *said;

	snprintf(where, sizeof(where), "messages.%zu.", at);
	if (!json_is_string(role) || (content && !json_is_string(content) && !json_is_null(content))) {
		og_refuse_with(
			why, 400, "invalid_request", "messages.%zu: needs a `role`, and `content` that is text", at);
		return NULL;
	}
	said = og_ollama_content(
		json_is_string(content) ? json_string_value(content) : "", json_object_get(from, "images"), where, why);
	if (!said)
		return NULL;
	to = json_pack("{s:O, s:o}", "role", role, "content", said);
	if (json_string_length(thinking))
		json_object_set(to, "reasoning_content", (json_t *)thinking);
	if (!strcmp(json_string_value(role), "tool"))
		add_answered(calls, from, to);
	if (json_array_size(tool_calls) && add_calls(calls, tool_calls, to, at, why) < 0) {
		json_decref(to);
		return NULL;
	}
	return to;
}

json_t *og_ollama_messages(const json_t *messages, struct og_refusal *why)
{
	struct calls calls = {.open = json_array()};
	json_t *list = json_array();
	const json_t *from;
	size_t i;

	json_array_foreach(messages, i, from)
	{
		json_t *to = message_of(&calls, from, i, why);

		if (!to) {
			json_decref(list);
			list = NULL;
			break;
		}
		json_array_append_new(list, to);
	}
	json_decref(calls.open);
	return list;
}
