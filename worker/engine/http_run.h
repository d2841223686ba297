/* A run of an engine over HTTP: one POST, whose streamed answer is read by the dialect. */
#ifndef OG_WORKER_HTTP_RUN_H
#define OG_WORKER_HTTP_RUN_H

#include "engine/http_engine.h"
#include "engine/stream.h"

struct og_engine_run {
	struct og_http_engine *engine;
	struct og_http_call *call;
	struct og_engine_stream stream;
	struct og_engine_sink sink;
	struct og_http_limits limits;
	int64_t started_ms, last_byte_ms; /* monotonic; last_byte 0: none yet */
	int status;
	struct og_buf refusal; /* the body of an answer that is no stream */
	bool told;
	struct og_engine_run *next, *prev;
};

#endif
