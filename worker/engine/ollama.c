/* Ollama's native API: /api/chat and /api/generate, JSON lines. Requests are turned from OpenAI's form into its own,
 * and its lines into chunks of OpenAI's form, so that clients and the rest of the worker know one form only. */
#include <string.h>

#include "base/alloc.h"
#include "engine/embeddings.h"
#include "engine/ollama_request.h"
#include "engine/token_count.h"
#include "model/json_text.h"

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

/* ---- the answer ---- */

/* Calls of tools come whole, one line each; in OpenAI's form they have an id (which a client may send
 * back much later, among others') and a number, and their arguments are text. */
static json_t *chunk_tool_calls(struct og_dialect_run *run, const json_t *calls)
{
	json_t *out = json_array(), *call;
	size_t i;

	json_array_foreach(calls, i, call)
	{
		json_t *function = json_object_get(call, "function");
		json_t *arguments = json_object_get(function, "arguments");
		og_autofree char *text = arguments ? json_dumps(arguments, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
		og_autofree char *id = og_printf("call_%.8s_%u", run->id, run->tool_calls);
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
	json_t *logprobs = json_object_get(line, "logprobs");

	if (json_array_size(logprobs))
		json_object_set_new(choice, "logprobs", json_pack("{s:O}", "content", logprobs));
	if (!run->chat) {
		thinking = json_object_get(line, "thinking");
		if (json_string_length(thinking))
			json_object_set(choice, "reasoning_content", thinking);
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
	json_t *line = og_json_load(event->data, event->len, JSON_ALLOW_NUL, NULL);
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

/* ---- embeddings, and counting ---- */

static json_t *embed_request(const struct og_dialect_talk *talk)
{
	json_t *body = json_copy((json_t *)talk->request);

	json_object_del(body, "encoding_format");
	json_object_set_new(body, "model", json_string(talk->model));
	return body;
}

static void embedded(const struct og_dialect_talk *talk, json_t *answer, struct og_dialect_turn *ret)
{
	json_t *list = og_embeddings_of(json_object_get(answer, "embeddings"), talk->model,
		json_integer_value(json_object_get(answer, "prompt_eval_count")));

	og_dialect_embedded(talk, list, ret);
	json_decref(list);
}

/* Ollama has no tokenizer that could be asked: tokens are estimated. It is asked whether it has the model all the same,
 * so that one that is away, or lost it, does not seem to have been counted with. */
static void turn(struct og_dialect_talk *talk, json_t *answer, struct og_dialect_turn *ret)
{
	bool embed = talk->operation == OG_OPERATION_EMBED;

	if (answer && embed) {
		embedded(talk, answer, ret);
	} else if (answer) {
		ret->response = og_token_response(og_token_estimate(talk->request), true);
	} else {
		ret->path = embed ? "/embed" : "/show";
		ret->below_api = true;
		ret->body = embed ? embed_request(talk) : json_pack("{s:s}", "model", talk->model);
	}
}

const struct og_dialect og_dialect_ollama = {
	.api = "/api",
	.streams = "application/x-ndjson",
	.framing = OG_SSE_LINES,
	.probe = {{.path = "/tags", .below_api = true}},
	.probed = probed,
	.request = og_ollama_request,
	.event = event,
	.turn = turn,
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
