#include "api/responses/answer.h"

#include <string.h>

#include "base/alloc.h"

static json_t *words(const char *text, size_t len)
{
	json_t *s = json_stringn(text, len);

	return s ? s : json_string("");
}

/* ── items ── */

json_t *og_part_text(const char *text, size_t len, json_t *logprobs)
{
	return json_pack("{s:s, s:o, s:[], s:o}", "type", "output_text", "text", words(text, len), "annotations",
		"logprobs", logprobs ? logprobs : json_array());
}

json_t *og_part_reasoning(const char *text, size_t len)
{
	return json_pack("{s:s, s:o}", "type", "reasoning_text", "text", words(text, len));
}

static bool has_begun(const char *status, size_t len)
{
	return len || strcmp(status, "in_progress") != 0;
}

json_t *og_item_message(const char *hex, const char *status, const char *text, size_t len, json_t *logprobs)
{
	json_t *content = json_array();

	if (has_begun(status, len))
		json_array_append_new(content, og_part_text(text, len, logprobs));
	else
		json_decref(logprobs);
	return json_pack("{s:o, s:s, s:s, s:s, s:o}", "id", json_sprintf("msg_%s", hex), "type", "message", "status",
		status, "role", "assistant", "content", content);
}

json_t *og_item_reasoning(const char *hex, const char *status, const char *text, size_t len)
{
	json_t *content = json_array();

	if (has_begun(status, len))
		json_array_append_new(content, og_part_reasoning(text, len));
	return json_pack("{s:o, s:s, s:s, s:[], s:o}", "id", json_sprintf("rs_%s", hex), "type", "reasoning", "status",
		status, "summary", "content", content);
}

json_t *og_item_call(const char *hex, size_t n, const char *status, const char *call_id, const char *name,
	const char *arguments, size_t len)
{
	json_t *id = *call_id ? json_string(call_id) : json_sprintf("call_%s_%zu", hex, n);

	return json_pack("{s:o, s:s, s:s, s:o, s:s, s:o}", "id", json_sprintf("fc_%s_%zu", hex, n), "type",
		"function_call", "status", status, "call_id", id, "name", name, "arguments", words(arguments, len));
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void add_calls(json_t *output, const char *hex, const json_t *calls)
{
	const json_t *call;
	size_t i;

	json_array_foreach(calls, i, call)
	{
		const json_t *function = json_object_get(call, "function");
		const char *arguments = text_at(function, "arguments");

		json_array_append_new(output, og_item_call(hex, i, "completed", text_at(call, "id"),
						      text_at(function, "name"), arguments, strlen(arguments)));
	}
}

json_t *og_response_output(const char *hex, const json_t *message)
{
	const json_t *reasoning = json_object_get(message, "reasoning_content");
	const json_t *content = json_object_get(message, "content"), *calls = json_object_get(message, "tool_calls");
	json_t *output = json_array();

	if (json_string_length(reasoning))
		json_array_append_new(output, og_item_reasoning(hex, "completed", json_string_value(reasoning),
						      json_string_length(reasoning)));
	if (json_string_length(content) || !json_array_size(calls))
		json_array_append_new(output,
			og_item_message(hex, "completed", json_string_value(content) ? json_string_value(content) : "",
				json_string_length(content), NULL));
	add_calls(output, hex, calls);
	return output;
}

/* ── the whole ── */

json_t *og_response_bare(const char *hex, const json_t *echo, const char *status)
{
	json_t *r = json_pack("{s:o, s:s, s:s, s:n, s:n, s:[], s:n}", "id", json_sprintf("resp_%s", hex), "object",
		"response", "status", status, "error", "incomplete_details", "output", "usage");

	json_object_update_missing(r, (json_t *)echo);
	return r;
}

json_t *og_response_failed(const char *hex, const json_t *echo, const struct og_refusal *why)
{
	json_t *r = og_response_bare(hex, echo, "failed");

	json_object_set_new(r, "error",
		json_pack("{s:s, s:o}", "code", why->code ? why->code : why->type, "message",
			words(why->message, strlen(why->message))));
	return r;
}

static json_t *usage_of(const json_t *usage)
{
	json_int_t in = json_integer_value(json_object_get(usage, "prompt_tokens"));
	json_int_t out = json_integer_value(json_object_get(usage, "completion_tokens"));
	const json_t *read = json_object_get(usage, "prompt_tokens_details");
	const json_t *written = json_object_get(usage, "completion_tokens_details");

	if (!json_is_object(usage))
		return json_null();
	return json_pack("{s:I, s:{s:I}, s:I, s:{s:I}, s:I}", "input_tokens", in, "input_tokens_details",
		"cached_tokens", json_integer_value(json_object_get(read, "cached_tokens")), "output_tokens", out,
		"output_tokens_details", "reasoning_tokens",
		json_integer_value(json_object_get(written, "reasoning_tokens")), "total_tokens", in + out);
}

static const json_t *first_choice(const json_t *completion)
{
	return json_array_get(json_object_get(completion, "choices"), 0);
}

const json_t *og_completion_message(const json_t *completion)
{
	return json_object_get(first_choice(completion), "message");
}

/* Why the answer is not whole, in the Responses' words; NULL: it is. */
static const char *cut_by(const json_t *completion)
{
	const char *finish = text_at(first_choice(completion), "finish_reason");

	if (!strcmp(finish, "length"))
		return "max_output_tokens";
	return strcmp(finish, "content_filter") == 0 ? finish : NULL;
}

json_t *og_response_ended(const char *hex, const json_t *echo, const json_t *completion, json_t *output)
{
	const char *cut = cut_by(completion);
	json_t *r = og_response_bare(hex, echo, cut ? "incomplete" : "completed");

	if (cut)
		json_object_set_new(r, "incomplete_details", json_pack("{s:s}", "reason", cut));
	json_object_set_new(r, "output", output ? output : og_response_output(hex, og_completion_message(completion)));
	json_object_set_new(r, "usage", usage_of(json_object_get(completion, "usage")));
	return r;
}
