/* A run of an engine over HTTP: one POST, whose streamed answer is read by the dialect; or, of an operation that does not
 * stream, several (http_talk.h). */
#ifndef OG_WORKER_HTTP_RUN_H
#define OG_WORKER_HTTP_RUN_H

#include "engine/http_engine.h"
#include "engine/http_talk.h"
#include "engine/stream.h"

struct og_engine_run {
	struct og_http_engine *engine;
	struct og_http_call *call;
	struct og_engine_stream stream; /* its fault and words are the run's, streamed or not */
	struct og_http_talk *talk;      /* NULL: it streams */
	struct og_engine_sink sink;
	struct og_http_limits limits;
	int64_t started_ms, asked_ms,
		last_byte_ms; /* monotonic; the latter two of the last POST; last_byte 0: none yet */
	int status;
	struct og_buf refusal; /* the body of an answer that is no stream */
	char *trace[2];        /* headers: traceparent and what goes with it; NULL: none */
	bool told;
	struct og_engine_run *next, *prev;
};

/* Asks; what follows is the run's. */
int og_http_run_post(struct og_engine_run *r, const char *url, const char *body, struct og_error *err);

#endif
