#include <string.h>

#include "api/anthropic/events.h"
#include "model/json_text.h"

/* DeepSeek's name for it, which most engines took over, and the one that vLLM has for it by now. */
const json_t *og_anthropic_thinking(const json_t *said)
{
	const json_t *thinking = json_object_get(said, "reasoning_content");

	return json_string_length(thinking) ? thinking : json_object_get(said, "reasoning");
}

/* Anthropic counts what was read from the cache apart from the rest of the input. */
json_t *og_anthropic_usage(const json_t *completion)
{
	const json_t *usage = json_object_get(completion, "usage");
	json_int_t in = json_integer_value(json_object_get(usage, "prompt_tokens"));
	json_int_t cached =
		json_integer_value(json_object_get(json_object_get(usage, "prompt_tokens_details"), "cached_tokens"));

	if (cached < 0 || cached > in)
		cached = 0;
	return json_pack("{s:I, s:i, s:I, s:I}", "input_tokens", in - cached, "cache_creation_input_tokens", 0,
		"cache_read_input_tokens", cached, "output_tokens",
		json_integer_value(json_object_get(usage, "completion_tokens")));
}

static const char *reason_of(const json_t *choice)
{
	static const struct {
		const char *openai, *anthropic;
	} reasons[] = {{"length", "max_tokens"}, {"tool_calls", "tool_use"}, {"function_call", "tool_use"},
		{"content_filter", "refusal"}};
	const char *reason = json_string_value(json_object_get(choice, "finish_reason"));

	for (size_t i = 0; reason && i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (!strcmp(reasons[i].openai, reason))
			return reasons[i].anthropic;
	/* Some engines say "stop" after a call too. */
	return json_array_size(json_object_get(json_object_get(choice, "message"), "tool_calls")) ? "tool_use"
	                                                                                          : "end_turn";
}

json_t *og_anthropic_stop(const json_t *choice)
{
	const json_t *word = json_object_get(choice, "stop_reason"); /* vLLM's: which of the stop words it was */
	const char *reason = reason_of(choice);

	if (json_is_string(word) && !strcmp(reason, "end_turn"))
		return json_pack("{s:s, s:O}", "stop_reason", "stop_sequence", "stop_sequence", word);
	return json_pack("{s:s, s:n}", "stop_reason", reason, "stop_sequence");
}

json_t *og_anthropic_call_id(const struct og_anthropic_events *e, const json_t *call, size_t n)
{
	json_t *id = json_object_get(call, "id");

	return json_string_length(id) ? json_incref(id) : json_sprintf("toolu_%s_%zu", e->hex, n);
}

/* What a model wrote that is no object is not lost. */
static json_t *input_of(const json_t *text)
{
	json_t *input = json_is_string(text)
	                        ? og_json_load(json_string_value(text), json_string_length(text), JSON_ALLOW_NUL, NULL)
	                        : NULL;

	if (json_is_object(input))
		return input;
	json_decref(input);
	return json_string_length(text) ? json_pack("{s:O}", "arguments", text) : json_object();
}

static json_t *tool_use(const struct og_anthropic_events *e, const json_t *call, size_t n)
{
	const json_t *function = json_object_get(call, "function"), *name = json_object_get(function, "name");

	return json_pack("{s:s, s:o, s:o, s:o}", "type", "tool_use", "id", og_anthropic_call_id(e, call, n), "name",
		json_is_string(name) ? json_incref((json_t *)name) : json_string(""), "input",
		input_of(json_object_get(function, "arguments")));
}

static json_t *content_of(const struct og_anthropic_events *e, const json_t *message)
{
	const json_t *thinking = og_anthropic_thinking(message), *text = json_object_get(message, "content"), *call;
	json_t *content = json_array();
	size_t i;

	if (json_string_length(thinking) && !e->hide_thinking)
		json_array_append_new(content,
			json_pack("{s:s, s:O, s:s}", "type", "thinking", "thinking", thinking, "signature", ""));
	if (json_string_length(text))
		json_array_append_new(content, json_pack("{s:s, s:O}", "type", "text", "text", text));
	json_array_foreach(json_object_get(message, "tool_calls"), i, call)
	{
		json_array_append_new(content, tool_use(e, call, i));
	}
	return content;
}

json_t *og_anthropic_message(const struct og_anthropic_events *e, const json_t *completion)
{
	const json_t *choice = json_array_get(json_object_get(completion, "choices"), 0);
	const json_t *message = json_object_get(choice, "message");
	json_t *stop, *out;

	if (!json_is_object(message))
		return NULL;
	stop = og_anthropic_stop(choice);
	out = json_pack("{s:o, s:s, s:s, s:s, s:o, s:o}", "id", json_sprintf("msg_%s", e->hex), "type", "message",
		"role", "assistant", "model", e->model, "content", content_of(e, message), "usage",
		og_anthropic_usage(completion));
	json_object_update(out, stop);
	json_decref(stop);
	return out;
}
