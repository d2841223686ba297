#include "api/ollama/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "model/json.h"
#include "model/json_text.h"

#define NS_PER_MS 1000000

const char *og_ollama_time(int64_t wall_ms, char *ret)
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	char day[24] = "1970-01-01T00:00:00";

	if (gmtime_r(&s, &tm))
		strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret, OG_OLLAMA_TIME_MAX, "%s.%03dZ", day, (int)(wall_ms % 1000));
	return ret;
}

/* ── a line ── */

static json_t *line_of(const struct og_ollama_answer *a, int64_t now_ms)
{
	char at[OG_OLLAMA_TIME_MAX];

	return json_pack("{s:s, s:s}", "model", a->name, "created_at", og_ollama_time(now_ms, at));
}

/* `content`, `thinking`, `calls` may be NULL; they are borrowed. */
static void say(const struct og_ollama_answer *a, json_t *line, json_t *content, json_t *thinking, json_t *calls)
{
	json_t *in = a->generate ? line : json_pack("{s:s}", "role", "assistant");

	content = json_is_string(content) ? json_incref(content) : json_string("");
	json_object_set_new(in, a->generate ? "response" : "content", content);
	if (json_string_length(thinking) && !a->hide_thinking)
		json_object_set(in, "thinking", thinking);
	if (json_array_size(calls))
		json_object_set(in, "tool_calls", calls);
	if (!a->generate)
		json_object_set_new(line, "message", in);
}

static void add_line(struct og_buf *out, json_t *line)
{
	og_autofree char *text = og_json_dump(line, 0);

	og_buf_adds(out, text);
	og_buf_add(out, "\n", 1);
}

/* ── what engines say ── */

static json_t *parse(const char *data, size_t len)
{
	return og_json_load(data, len, JSON_ALLOW_NUL, NULL);
}

/* Of a whole answer the `message`, of a chunk its `delta`, of a completion the choice itself. */
static json_t *said_in(const json_t *choice)
{
	json_t *message = json_object_get(choice, "message");

	if (!message)
		message = json_object_get(choice, "delta");
	return message ? message : (json_t *)choice;
}

static json_t *text_in(const json_t *said)
{
	json_t *content = json_object_get(said, "content");

	return content ? content : json_object_get(said, "text");
}

/* DeepSeek's name for it, which most engines took over, and the one that vLLM has for it by now. */
static json_t *thinking_in(const json_t *said)
{
	json_t *thinking = json_object_get(said, "reasoning_content");

	return json_string_length(thinking) ? thinking : json_object_get(said, "reasoning");
}

/* OpenAI's arguments are text, Ollama's an object. What a model wrote that is none is not lost. */
static json_t *arguments_of(const json_t *text)
{
	json_t *arguments = json_is_string(text) ? parse(json_string_value(text), json_string_length(text)) : NULL;

	if (json_is_object(arguments))
		return arguments;
	json_decref(arguments);
	return json_string_length(text) ? json_pack("{s:O}", "arguments", text) : json_object();
}

static json_t *calls_in(const json_t *said)
{
	json_t *calls = json_array();
	const json_t *call;
	size_t i;

	json_array_foreach(json_object_get(said, "tool_calls"), i, call)
	{
		const json_t *function = json_object_get(call, "function"), *id = json_object_get(call, "id");
		json_t *one = json_pack("{s:{s:i, s:O?, s:o}}", "function", "index", (int)i, "name",
			json_object_get(function, "name"), "arguments",
			arguments_of(json_object_get(function, "arguments")));

		if (json_is_string(id))
			json_object_set(one, "id", (json_t *)id);
		json_array_append_new(calls, one);
	}
	return calls;
}

void og_ollama_chunk(const struct og_ollama_answer *a, int64_t now_ms, const char *data, size_t len, struct og_buf *out)
{
	json_t *event = parse(data, len), *line;
	json_t *choice = json_array_get(json_object_get(event, "choices"), 0), *said = said_in(choice);
	json_t *logprobs = json_object_get(json_object_get(choice, "logprobs"), "content");
	bool thinks = json_string_length(thinking_in(said)) && !a->hide_thinking;

	/* Of several choices Ollama knows the first alone. */
	if (!json_integer_value(json_object_get(choice, "index")) &&
		(json_string_length(text_in(said)) || thinks || json_array_size(logprobs))) {
		line = line_of(a, now_ms);
		say(a, line, text_in(said), thinking_in(said), NULL);
		if (json_array_size(logprobs))
			json_object_set(line, "logprobs", logprobs);
		json_object_set_new(line, "done", json_false());
		add_line(out, line);
	}
	json_decref(event);
}

void og_ollama_waiting(const struct og_ollama_answer *a, int64_t now_ms, int64_t ahead, struct og_buf *out)
{
	json_t *line = line_of(a, now_ms);

	say(a, line, NULL, NULL, NULL);
	json_object_set_new(line, "done", json_false());
	if (ahead >= 0)
		json_object_set_new(line, "og_ahead", json_integer(ahead));
	add_line(out, line);
}

/* ── the end ── */

static int64_t number(const json_t *object, const char *key)
{
	const json_t *n = json_object_get(object, key);

	return json_is_integer(n) && json_integer_value(n) > 0 && json_integer_value(n) < INT64_MAX / NS_PER_MS / 4
	               ? json_integer_value(n)
	               : 0;
}

/* To Ollama's clients the wait for a free slot is what the loading of the model is. */
void og_ollama_add_prompt_metrics(json_t *line, const json_t *done)
{
	const json_t *timings = json_object_get(done, "timings");
	const json_t *usage = json_object_get(json_object_get(done, "response"), "usage");
	int64_t queue = number(timings, "queue_ms"), run = number(timings, "run_ms");

	json_object_set_new(line, "total_duration", json_integer((queue + run) * NS_PER_MS));
	json_object_set_new(line, "load_duration", json_integer(queue * NS_PER_MS));
	json_object_set_new(line, "prompt_eval_count", json_integer(number(usage, "prompt_tokens")));
}

static void add_metrics(json_t *line, const json_t *done)
{
	const json_t *timings = json_object_get(done, "timings");
	const json_t *usage = json_object_get(json_object_get(done, "response"), "usage");
	int64_t first = number(timings, "first_token_ms"), run = number(timings, "run_ms");

	og_ollama_add_prompt_metrics(line, done);
	json_object_set_new(line, "prompt_eval_duration", json_integer(first * NS_PER_MS));
	json_object_set_new(line, "eval_count", json_integer(number(usage, "completion_tokens")));
	json_object_set_new(line, "eval_duration", json_integer((run > first ? run - first : 0) * NS_PER_MS));
}

static void add_end(json_t *line, const json_t *done, const json_t *choice)
{
	const char *reason = json_string_value(json_object_get(choice, "finish_reason"));

	json_object_set_new(line, "done", json_true());
	json_object_set_new(line, "done_reason", json_string(reason && !strcmp(reason, "length") ? "length" : "stop"));
	add_metrics(line, done);
}

static json_t *choice_of(const json_t *done)
{
	return json_array_get(json_object_get(json_object_get(done, "response"), "choices"), 0);
}

int og_ollama_tail(const struct og_ollama_answer *a, int64_t now_ms, const char *done, size_t len, struct og_buf *out)
{
	json_t *body = parse(done, len), *choice = choice_of(body), *calls, *line;

	if (!json_is_object(choice)) {
		json_decref(body);
		return -1;
	}
	calls = calls_in(said_in(choice));
	if (json_array_size(calls) && !a->generate) {
		line = line_of(a, now_ms);
		say(a, line, NULL, NULL, calls);
		json_object_set_new(line, "done", json_false());
		add_line(out, line);
	}
	line = line_of(a, now_ms);
	say(a, line, NULL, NULL, NULL);
	add_end(line, body, choice);
	add_line(out, line);
	json_decref(calls);
	json_decref(body);
	return 0;
}

json_t *og_ollama_whole(const struct og_ollama_answer *a, int64_t now_ms, const char *done, size_t len)
{
	json_t *body = parse(done, len), *choice = choice_of(body), *said = said_in(choice);
	json_t *logprobs = json_object_get(json_object_get(choice, "logprobs"), "content");
	json_t *line = NULL, *calls;

	if (json_is_object(choice)) {
		line = line_of(a, now_ms);
		calls = calls_in(said);
		say(a, line, text_in(said), thinking_in(said), a->generate ? NULL : calls);
		if (json_array_size(logprobs))
			json_object_set(line, "logprobs", logprobs);
		add_end(line, body, choice);
		json_decref(calls);
	}
	json_decref(body);
	return line;
}

json_t *og_ollama_loaded(const struct og_ollama_answer *a, int64_t now_ms, bool unload)
{
	json_t *line = line_of(a, now_ms);

	say(a, line, NULL, NULL, NULL);
	json_object_set_new(line, "done", json_true());
	json_object_set_new(line, "done_reason", json_string(unload ? "unload" : "load"));
	return line;
}
