/* Answers with the prompt, or with vectors made of its bytes, or with how many words it has: for tests of everything around the engine, and for benches. It is an engine only where
 * engine.kind = echo says so.
 *
 * Prompts are answered in the loop's next round, all that have come by then together. */
#include <math.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/embeddings.h"
#include "engine/engine.h"
#include "engine/token_count.h"

#define DIMENSIONS     8 /* of a vector, where the request does not say */
#define DIMENSIONS_MAX 65536

struct echo {
	struct og_engine base;
	uv_idle_t idle; /* active while there are runs or a probe */
	struct og_engine_run *runs;
	og_engine_probe_cb *probe_cb;
	void *probe_ctx;
};

struct og_engine_run {
	struct og_engine_sink sink;
	bool chat;
	char *text, *id, *model;
	json_t *whole; /* the response of an operation that does not stream; NULL: it is `text` */
	struct og_engine_run *next, *prev;
};

static void run_free(struct echo *e, struct og_engine_run *r)
{
	DL_DELETE(e->runs, r);
	free(r->text);
	free(r->id);
	free(r->model);
	json_decref(r->whole);
	free(r);
}

static json_int_t count_words(const char *text)
{
	json_int_t n = 0;
	bool inside = false;

	for (; *text; text++) {
		bool space = *text == ' ' || *text == '\n' || *text == '\t';

		n += !space && !inside;
		inside = !space;
	}
	return n;
}

/* The whole answer is one chunk: what is measured with this engine is the way to it and back. */
static json_t *answer(const struct og_engine_run *r)
{
	json_int_t words = count_words(r->text);
	json_t *choice = json_pack("{s:i, s:s}", "index", 0, "finish_reason", "stop");

	if (r->chat)
		json_object_set_new(choice, "delta", json_pack("{s:s, s:s}", "role", "assistant", "content", r->text));
	else
		json_object_set_new(choice, "text", json_string(r->text));
	return json_pack("{s:s, s:s, s:I, s:s, s:[o], s:{s:I, s:I, s:I}}", "id", r->id, "object",
		r->chat ? "chat.completion.chunk" : "text_completion", "created",
		(json_int_t)(og_clock_wall_ms() / 1000), "model", r->model, "choices", choice, "usage", "prompt_tokens",
		words, "completion_tokens", words, "total_tokens", 2 * words);
}

static enum og_fault tell(struct og_engine_run *r)
{
	json_t *chunk;
	enum og_fault fault;

	if (r->whole) {
		r->sink.whole(r->sink.ctx, r->whole);
		return OG_FAULT_NONE;
	}
	chunk = answer(r);
	fault = r->sink.event(r->sink.ctx, chunk, NULL, 0);
	json_decref(chunk);
	return fault;
}

/* The same for the same text, of length 1, and another for nearly every other text: FNV-1a, a number a step. */
static json_t *vector_of(const json_t *text, size_t dimensions)
{
	og_autofree char *bytes = json_dumps(text, JSON_COMPACT | JSON_ENCODE_ANY);
	uint32_t hash = 2166136261u;
	json_t *vector = json_array();

	for (const char *p = bytes; p && *p; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	for (size_t i = 0; i < dimensions; i++) {
		hash = (hash ^ (uint32_t)i) * 16777619u;
		json_array_append_new(vector, json_real((hash >> 31 ? -1 : 1) / sqrt((double)dimensions)));
	}
	return vector;
}

static json_int_t count_all(const json_t *texts)
{
	const json_t *text;
	json_int_t words = 0;
	size_t i;

	json_array_foreach(texts, i, text)
	{
		words += json_is_string(text) ? count_words(json_string_value(text)) : 1;
	}
	return words;
}

static json_t *embed(const struct og_request *q, const char *model)
{
	json_int_t wanted = json_integer_value(json_object_get(q->body, "dimensions"));
	size_t dimensions = wanted > 0 && wanted <= DIMENSIONS_MAX ? (size_t)wanted : DIMENSIONS;
	json_t *texts = og_token_texts(q->body), *vectors = json_array(), *text, *list;
	size_t i;

	json_array_foreach(texts, i, text)
	{
		json_array_append_new(vectors, vector_of(text, dimensions));
	}
	list = og_embeddings_of(vectors, model, count_all(texts));
	og_embeddings_finish(list, q->body, NULL);
	json_decref(vectors);
	json_decref(texts);
	return list;
}

static json_t *count(const struct og_request *q)
{
	json_t *texts = og_token_texts(q->body);
	const json_t *message;
	json_int_t words = count_all(texts);
	size_t i;

	json_decref(texts);
	json_array_foreach(json_object_get(q->body, "messages"), i, message)
	{
		og_autofree char *text = og_request_content_text(json_object_get(message, "content"));

		words += count_words(text);
	}
	return og_token_response(words, false);
}

static void on_idle(uv_idle_t *idle)
{
	struct echo *e = idle->data;
	og_engine_probe_cb *probe_cb = e->probe_cb;
	struct og_engine_run *r;
	size_t n;

	if (probe_cb) {
		struct og_serves *serves = og_new(struct og_serves);

		serves->any = true;
		e->probe_cb = NULL;
		probe_cb(e->probe_ctx, serves, NULL);
		free(serves);
	}
	/* A callback may begin a run, which is then for the next round, or cancel one: the head is looked at anew
	 * each time. */
	DL_COUNT(e->runs, r, n);
	for (; n && e->runs; n--) {
		struct og_engine_sink sink = e->runs->sink;
		enum og_fault fault = tell(e->runs);

		run_free(e, e->runs);
		sink.end(sink.ctx, fault, fault ? OG_ANSWER_TOO_LARGE : "");
	}
	if (!e->runs && !e->probe_cb)
		uv_idle_stop(&e->idle);
}

static struct og_engine *open_echo(
	uv_loop_t *loop, struct og_http *http, const struct og_engine_config *config, struct og_error *err)
{
	struct echo *e = og_new(struct echo);

	(void)http;
	(void)config;
	(void)err;
	e->base.ops = &og_engine_echo;
	uv_idle_init(loop, &e->idle);
	e->idle.data = e;
	return &e->base;
}

static int probe(struct og_engine *engine, og_engine_probe_cb *cb, void *ctx, struct og_error *err)
{
	struct echo *e = (struct echo *)engine;

	(void)err;
	e->probe_cb = cb;
	e->probe_ctx = ctx;
	uv_idle_start(&e->idle, on_idle);
	return 0;
}

/* What it answers: the last message, or the prompt. */
static char *prompt_of(const struct og_request *q)
{
	const json_t *messages = json_object_get(q->body, "messages");

	if (!q->chat)
		return og_request_content_text(json_object_get(q->body, "prompt"));
	return og_request_content_text(
		json_object_get(json_array_get(messages, json_array_size(messages) - 1), "content"));
}

static struct og_engine_run *start(struct og_engine *engine, const struct og_request *q, const char *model,
	const struct og_engine_sink *sink, struct og_error *err)
{
	struct echo *e = (struct echo *)engine;
	struct og_engine_run *r = og_new(struct og_engine_run);

	(void)err;
	r->sink = *sink;
	r->chat = q->chat;
	if (q->operation == OG_OPERATION_GENERATE)
		r->text = prompt_of(q);
	else
		r->whole = q->operation == OG_OPERATION_EMBED ? embed(q, model) : count(q);
	r->id = og_strdup(q->id);
	r->model = og_strdup(model);
	DL_APPEND(e->runs, r);
	uv_idle_start(&e->idle, on_idle);
	return r;
}

static void cancel(struct og_engine *engine, struct og_engine_run *run)
{
	run_free((struct echo *)engine, run);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void close_echo(struct og_engine *engine)
{
	struct echo *e = (struct echo *)engine;

	while (e->runs)
		run_free(e, e->runs);
	uv_close((uv_handle_t *)&e->idle, on_closed);
}

const struct og_engine_ops og_engine_echo = {
	.kind = "echo",
	.open = open_echo,
	.probe = probe,
	.start = start,
	.cancel = cancel,
	.close = close_echo,
};
