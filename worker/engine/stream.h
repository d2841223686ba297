/* One streamed answer, from bytes to events: framing, the dialect's reading of an event, and when the answer is
 * whole. Pure: no connection, no clock, so that tests and the fuzzer can be the engine.
 *
 *   open ──▶ (event …) ──▶ ended: the engine said so ([DONE], "done":true)
 *     │                └──▶ ended: the bytes ended, and a finish_reason had come
 *     └──▶ faulted: garbage, the engine's error, a fault of the sink's, cut */
#ifndef OG_WORKER_STREAM_H
#define OG_WORKER_STREAM_H

#include "engine/dialect.h"

#define OG_STREAM_LINE_MAX (1024u * 1024) /* bytes of one event of an engine's */

struct og_engine_stream {
	const struct og_dialect *dialect;
	struct og_dialect_run run;
	struct og_sse sse;
	enum og_fault (*event)(void *ctx, json_t *chunk, const char *text, size_t len); /* as of og_engine_sink */
	void *ctx;
	bool ended;    /* the answer is whole */
	bool finished; /* a finish_reason came */
	enum og_fault fault;
	char words[OG_ENGINE_WORDS_MAX];
};

void og_engine_stream_init(struct og_engine_stream *s, const struct og_dialect *dialect,
	const struct og_dialect_run *run,
	enum og_fault (*event)(void *ctx, json_t *chunk, const char *text, size_t len), void *ctx);
void og_engine_stream_done(struct og_engine_stream *s);

/* -1: it has ended or faulted; push no more. */
int og_engine_stream_push(struct og_engine_stream *s, const char *bytes, size_t len);
/* The bytes ended as they should: `ended` or `fault` is set after. */
void og_engine_stream_close(struct og_engine_stream *s);
/* Sets the fault where there is none yet. */
void og_engine_stream_fault(struct og_engine_stream *s, enum og_fault fault, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
