/* Ollama's native API: /api/chat and /api/generate, JSON lines. Requests are turned from OpenAI's form into its own,
 * and its lines into chunks of OpenAI's form, so that clients and the rest of the worker know one form only. */
#include <string.h>

#include "base/alloc.h"
#include "engine/dialect.h"

static int probed(size_t step, const json_t *body, struct og_serves *serves, struct og_error *err)
{
	const json_t *list = json_object_get(body, "models"), *model;
	size_t i;

	(void)step;
	if (!json_is_array(list))
		return og_fail(err, OG_RETRY, "its list of models is not the one of an Ollama");
	json_array_foreach(list, i, model)
	{
		const char *name = json_string_value(json_object_get(model, "name"));
		const char *tag = name ? strstr(name, ":latest") : NULL;

		og_dialect_serves(serves, json_object_get(model, "name"));
		if (tag && !tag[strlen(":latest")]) { /* the tag that may be left out */
			json_t *bare = json_stringn(name, (size_t)(tag - name));

			og_dialect_serves(serves, bare);
			json_decref(bare);
		}
	}
	return 0;
}

/* ---- the request ---- */

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
static const char *const turned[] = {
	"messages", "prompt", "model", "stream", "stream_options", "stop", "response_format", "n", "options"};

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

static json_t *request(const struct og_request *q, const char *model, const char **ret_path)
{
	json_t *body = json_copy(q->body);
	json_t *format = turn_format(json_object_get(q->body, "response_format"));

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
	json_object_set_new(body, "options", turn_options(q->body));
	json_object_set_new(body, "model", json_string(model));
	json_object_set_new(body, "stream", json_true());
	*ret_path = q->chat ? "/chat" : "/generate";
	return body;
}

/* ---- the answer ---- */

/* Calls of tools come whole, one line each; in OpenAI's form they have an id and a number, and their arguments are
 * text. */
static json_t *chunk_tool_calls(struct og_dialect_run *run, const json_t *calls)
{
	json_t *out = json_array(), *call;
	size_t i;

	json_array_foreach(calls, i, call)
	{
		json_t *function = json_object_get(call, "function");
		json_t *arguments = json_object_get(function, "arguments");
		og_autofree char *text = arguments ? json_dumps(arguments, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
		og_autofree char *id = og_printf("call_%u", run->tool_calls);
		const char *name = json_string_value(json_object_get(function, "name"));

		json_array_append_new(
			out, json_pack("{s:I, s:s, s:s, s:{s:s, s:s}}", "index", (json_int_t)run->tool_calls++, "id",
				     id, "type", "function", "function", "name", name ? name : "", "arguments",
				     text ? text : "{}"));
	}
	return out;
}

/* choices[0] but for its end. */
static json_t *chunk_choice(struct og_dialect_run *run, const json_t *line)
{
	const json_t *message = json_object_get(line, "message");
	json_t *thinking = json_object_get(message, "thinking"), *calls = json_object_get(message, "tool_calls");
	json_t *text = run->chat ? json_object_get(message, "content") : json_object_get(line, "response");
	json_t *choice = json_pack("{s:i, s:n}", "index", 0, "finish_reason"), *delta;

	if (!run->chat) {
		json_object_set_new(choice, "text", json_is_string(text) ? json_incref(text) : json_string(""));
		return choice;
	}
	delta = json_object();
	if (!run->events)
		json_object_set_new(delta, "role", json_string("assistant"));
	if (json_is_string(text))
		json_object_set(delta, "content", text);
	if (json_string_length(thinking))
		json_object_set(delta, "reasoning_content", thinking);
	if (json_array_size(calls))
		json_object_set_new(delta, "tool_calls", chunk_tool_calls(run, calls));
	json_object_set_new(choice, "delta", delta);
	return choice;
}

static void chunk_end(struct og_dialect_run *run, json_t *chunk, json_t *choice, const json_t *line)
{
	const char *reason = json_string_value(json_object_get(line, "done_reason"));
	bool length = reason && strcmp(reason, "length") == 0;
	json_int_t prompt = json_integer_value(json_object_get(line, "prompt_eval_count"));
	json_int_t completion = json_integer_value(json_object_get(line, "eval_count"));

	json_object_set_new(choice, "finish_reason",
		json_string(length            ? "length"
			    : run->tool_calls ? "tool_calls"
					      : "stop"));
	json_object_set_new(chunk, "usage",
		json_pack("{s:I, s:I, s:I}", "prompt_tokens", prompt, "completion_tokens", completion, "total_tokens",
			prompt + completion));
}

static json_t *turn_line(struct og_dialect_run *run, const json_t *line)
{
	og_autofree char *id = og_printf("%s-%s", run->chat ? "chatcmpl" : "cmpl", run->id);
	json_t *choice = chunk_choice(run, line);
	json_t *chunk = json_pack("{s:s, s:s, s:I, s:s, s:[O]}", "id", id, "object",
		run->chat ? "chat.completion.chunk" : "text_completion", "created", (json_int_t)run->created_s, "model",
		run->model, "choices", choice);

	if (json_is_true(json_object_get(line, "done")))
		chunk_end(run, chunk, choice, line);
	json_decref(choice);
	return chunk;
}

static void event(struct og_dialect_run *run, const struct og_sse_event *event, struct og_dialect_event *ret)
{
	json_t *line = json_loadb(event->data, event->len, JSON_ALLOW_NUL, NULL);
	char words[OG_ENGINE_WORDS_MAX - 32];

	if (!json_is_object(line)) {
		og_dialect_fault(ret, OG_FAULT_ENGINE_GARBAGE, "the engine sent a line that is no JSON object");
	} else if (og_dialect_words(json_object_get(line, "error"), words, sizeof(words))) {
		og_dialect_fault(ret, OG_FAULT_ENGINE_ERROR, "the engine: %s", words);
	} else {
		ret->end = json_is_true(json_object_get(line, "done"));
		ret->chunk = turn_line(run, line);
	}
	json_decref(line);
}

const struct og_dialect og_dialect_ollama = {
	.api = "/api",
	.streams = "application/x-ndjson",
	.framing = OG_SSE_LINES,
	.probe = {{.path = "/tags", .below_api = true}},
	.probed = probed,
	.request = request,
	.event = event,
};

static struct og_engine *open_ollama(
	uv_loop_t *loop, struct og_http *http, const struct og_engine_config *config, struct og_error *err)
{
	(void)loop;
	return og_http_engine_open(&og_engine_ollama, &og_dialect_ollama, http, config, err);
}

const struct og_engine_ops og_engine_ollama = {
	.kind = "ollama",
	.open = open_ollama,
	.probe = og_http_engine_probe,
	.start = og_http_engine_start,
	.cancel = og_http_engine_cancel,
	.close = og_http_engine_close,
};
