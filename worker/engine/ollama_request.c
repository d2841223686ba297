#include "engine/ollama_request.h"

#include <string.h>

#include "base/alloc.h"

/* OpenAI's parameters and where Ollama has them. */
static const struct {
	const char *openai, *ollama;
} options[] = {
	{"max_tokens", "num_predict"},
	{"max_completion_tokens", "num_predict"},
	{"temperature", "temperature"},
	{"top_p", "top_p"},
	{"top_k", "top_k"},
	{"min_p", "min_p"},
	{"seed", "seed"},
	{"frequency_penalty", "frequency_penalty"},
	{"presence_penalty", "presence_penalty"},
	{"repeat_penalty", "repeat_penalty"},
};

/* Not passed on as they are: they are turned into something else, or set by us. */
static const char *const turned[] = {"messages", "prompt", "model", "stream", "stream_options", "stop",
	"response_format", "n", "options", "reasoning_effort", "chat_template_kwargs"};

/* The options that the client gave in Ollama's own form (`options`) are kept, and OpenAI's parameters set over them. */
static json_t *turn_options(const json_t *q)
{
	json_t *own = json_object_get(q, "options");
	json_t *out = json_is_object(own) ? json_copy(own) : json_object();
	json_t *stop = json_object_get(q, "stop");

	for (size_t i = 0; i < OG_COUNT(options); i++) {
		json_t *value = json_object_get(q, options[i].openai);

		if (value && !json_is_null(value))
			json_object_set(out, options[i].ollama, value);
	}
	if (json_is_string(stop))
		json_object_set_new(out, "stop", json_pack("[O]", stop));
	else if (json_is_array(stop))
		json_object_set(out, "stop", stop);
	return out;
}

/* Parts of a content: texts are joined, an image given as a data URL becomes one of `images`, in base64. */
static void turn_content(json_t *message)
{
	json_t *content = json_object_get(message, "content"), *part, *images;
	og_autofree char *text = NULL;
	size_t i;

	if (!json_is_array(content))
		return;
	text = og_request_content_text(content);
	images = json_array();
	json_array_foreach(content, i, part)
	{
		const char *url = json_string_value(json_object_get(json_object_get(part, "image_url"), "url"));
		const char *data = url && strncmp(url, "data:", 5) == 0 ? strstr(url, ";base64,") : NULL;

		if (data)
			json_array_append_new(images, json_string(data + strlen(";base64,")));
	}
	if (json_array_size(images))
		json_object_set(message, "images", images);
	json_decref(images);
	json_object_set_new(message, "content", json_string(text));
}

/* The function that a tool's answer is of; NULL: not told. OpenAI's form has the id of the call, Ollama's the name. */
static json_t *called(const json_t *messages, size_t before, const char *id)
{
	const json_t *call;
	size_t i;

	while (id && before-- > 0) {
		json_array_foreach(json_object_get(json_array_get(messages, before), "tool_calls"), i, call)
		{
			const char *its = json_string_value(json_object_get(call, "id"));

			if (its && strcmp(its, id) == 0)
				return json_object_get(json_object_get(call, "function"), "name");
		}
	}
	return NULL;
}

static void turn_tool_answer(json_t *message, const json_t *messages, size_t i)
{
	const char *id = json_string_value(json_object_get(message, "tool_call_id"));
	json_t *name = called(messages, i, id);

	if (json_is_string(name) && !json_object_get(message, "tool_name"))
		json_object_set(message, "tool_name", name);
}

/* What the model thought is called thinking. */
static void turn_reasoning(json_t *message)
{
	json_t *reasoning = json_object_get(message, "reasoning_content");

	if (json_is_string(reasoning) && !json_object_get(message, "thinking"))
		json_object_set(message, "thinking", reasoning);
	json_object_del(message, "reasoning_content");
}

/* Calls of tools in the history: their arguments are text in OpenAI's form, an object in Ollama's. */
static void turn_tool_calls(json_t *message)
{
	json_t *calls = json_deep_copy(json_object_get(message, "tool_calls")), *call;
	size_t i;

	json_array_foreach(calls, i, call)
	{
		json_t *function = json_object_get(call, "function");
		const char *text = json_string_value(json_object_get(function, "arguments"));
		json_t *arguments = text ? json_loads(text, 0, NULL) : NULL;

		if (json_is_object(arguments))
			json_object_set(function, "arguments", arguments);
		json_decref(arguments);
	}
	if (calls)
		json_object_set_new(message, "tool_calls", calls);
}

static json_t *turn_messages(const json_t *messages)
{
	json_t *out = json_array(), *message;
	size_t i;

	json_array_foreach(messages, i, message)
	{
		json_t *copy = json_copy(message);

		turn_content(copy);
		turn_tool_calls(copy);
		turn_tool_answer(copy, messages, i);
		turn_reasoning(copy);
		json_array_append_new(out, copy);
	}
	return out;
}

static json_t *turn_format(const json_t *format)
{
	const char *type = json_string_value(json_object_get(format, "type"));
	json_t *schema = json_object_get(json_object_get(format, "json_schema"), "schema");

	if (type && strcmp(type, "json_object") == 0)
		return json_string("json");
	return schema ? json_incref(schema) : NULL;
}

/* How much it should think, "none" is not at all; or whether, as llama.cpp's server and vLLM are told. NULL: not said. */
static json_t *turn_thinking(const json_t *q)
{
	const char *effort = json_string_value(json_object_get(q, "reasoning_effort"));
	json_t *enabled = json_object_get(json_object_get(q, "chat_template_kwargs"), "enable_thinking");

	if (effort)
		return strcmp(effort, "none") == 0 ? json_false() : json_string(effort);
	return json_is_boolean(enabled) ? json_incref(enabled) : NULL;
}

json_t *og_ollama_request(const struct og_request *q, const char *model, const char **ret_path)
{
	json_t *body = json_copy(q->body);
	json_t *format = turn_format(json_object_get(q->body, "response_format"));
	json_t *think = turn_thinking(q->body);

	for (size_t i = 0; i < OG_COUNT(turned); i++)
		json_object_del(body, turned[i]);
	for (size_t i = 0; i < OG_COUNT(options); i++)
		json_object_del(body, options[i].openai);
	if (q->chat)
		json_object_set_new(body, "messages", turn_messages(json_object_get(q->body, "messages")));
	else
		json_object_set(body, "prompt", json_object_get(q->body, "prompt"));
	if (format)
		json_object_set_new(body, "format", format);
	if (think && !json_object_get(body, "think"))
		json_object_set(body, "think", think);
	json_decref(think);
	json_object_set_new(body, "options", turn_options(q->body));
	json_object_set_new(body, "model", json_string(model));
	json_object_set_new(body, "stream", json_true());
	*ret_path = q->chat ? "/chat" : "/generate";
	return body;
}
