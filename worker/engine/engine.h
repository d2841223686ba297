/* The engine that answers prompts, and how engines differ: one ops table a kind. Adding a kind is one new file and
 * one row in engine.c (an engine asked over HTTP needs only a dialect: dialect.h).
 *
 *   open ──▶ probe (what does it serve?) ──▶ start a run ──▶ event, event, … ──▶ end
 *                                                 └─ cancel: no callback follows
 *
 * No callback is called from inside the call that begins a thing. From inside a callback any function may be called
 * except close. */
#ifndef OG_WORKER_ENGINE_H
#define OG_WORKER_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "fault.h"
#include "io/http.h"
#include "model/names.h"
#include "request.h"

#define OG_ENGINE_MODELS_MAX 512
#define OG_ENGINE_WORDS_MAX  400 /* bytes of what an engine says went wrong, NUL included */

struct og_engine_config {
	const char *kind, *url;
	const char *key_file;         /* its bearer token; "" or NULL: none */
	struct og_http_limits limits; /* of a run */
};

/* What an engine says of itself. */
struct og_serves {
	bool any; /* whatever it is asked for (echo) */
	char models[OG_ENGINE_MODELS_MAX][OG_NAME_MAX];
	size_t n_models;
	int64_t slots;   /* prompts at a time; 0: it does not say */
	int64_t context; /* tokens of a prompt and its answer together, in each slot; likewise */
};

/* Exactly one of the two is not NULL. err: why it does not serve now. */
typedef void og_engine_probe_cb(void *ctx, const struct og_serves *serves, const struct og_error *err);

struct og_engine_sink {
	/* One event in the form of a chat completion (or completion) chunk. `text` holds its bytes where the engine's
	 * own may be passed on as they are, and is NULL where the chunk would have to be written out. A fault ends
	 * the run: `end` tells it. */
	enum og_fault (*event)(void *ctx, json_t *chunk, const char *text, size_t len);
	/* Of an operation that does not stream: the whole response, in OpenAI's form, once and before `end`. */
	void (*whole)(void *ctx, json_t *response);
	/* Once, last; the run is gone. `words`: what happened, for people; the engine's own where it said something. */
	void (*end)(void *ctx, enum og_fault fault, const char *words);
	void *ctx;
};

struct og_engine;
struct og_engine_run; /* alive until its end was told, or cancel */

struct og_engine_ops {
	const char *kind;
	struct og_engine *(*open)(
		uv_loop_t *loop, struct og_http *http, const struct og_engine_config *config, struct og_error *err);
	/* One at a time: a second probe takes the place of the first, whose callback is not called any more. -1: it
	 * could not even be asked. */
	int (*probe)(struct og_engine *e, og_engine_probe_cb *cb, void *ctx, struct og_error *err);
	/* `model`: the engine's own name for it. NULL: it could not even be asked. */
	struct og_engine_run *(*start)(struct og_engine *e, const struct og_request *q, const char *model,
		const struct og_engine_sink *sink, struct og_error *err);
	void (*cancel)(struct og_engine *e, struct og_engine_run *run);
	void (*close)(struct og_engine *e); /* cancels all; handles end on the loop */
};

struct og_engine {
	const struct og_engine_ops *ops;
};

extern const struct og_engine_ops og_engine_openai, og_engine_ollama, og_engine_echo;

struct og_engine *og_engine_open(
	uv_loop_t *loop, struct og_http *http, const struct og_engine_config *config, struct og_error *err);

#endif
