/* An incremental parser of what engines stream: server-sent events (text/event-stream, as the WHATWG has it) and JSON
 * lines (NDJSON). Pure: bytes are pushed in as they arrive, cut anywhere; each event is given when it is whole.
 *
 * Events: lines end in LF, CR or CRLF; a byte order mark at the start, comments, `retry` and unknown fields are
 * ignored; several `data` lines are joined by \n; an event without data is none.
 * Lines: a line ends in LF (a CR before it is dropped); empty lines are skipped. */
#ifndef OG_IO_SSE_H
#define OG_IO_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

enum og_sse_framing { OG_SSE_EVENTS, OG_SSE_LINES };

/* Lives during the callback. */
struct og_sse_event {
	const char *event; /* "" where the stream names none (the standard reads that as "message") */
	const char *id;    /* the last one given, by this event or one before; "" if never */
	const char *data;  /* len bytes and a NUL */
	size_t len;
};

/* Returns 0, or -1 to stop: then og_sse_push and og_sse_end return -1 at once and do not touch the parser any more, so
 * that the callback may end the parser (og_sse_done), and free what holds it, before it returns -1. */
typedef int og_sse_cb(void *ctx, const struct og_sse_event *event);

struct og_sse {
	enum og_sse_framing framing;
	og_sse_cb *cb;
	void *ctx;
	struct og_buf line, data, event, id;
	bool started;  /* past the place of the byte order mark */
	bool had_data; /* `data` holds the event's lines, each with a \n */
	bool after_cr; /* an LF that comes next belongs to that CR */
};

/* `cap`: bytes of a line, and of the data of an event, at most. */
void og_sse_init(struct og_sse *s, enum og_sse_framing framing, size_t cap, og_sse_cb *cb, void *ctx);
void og_sse_done(struct og_sse *s);

/* -1: the cap was passed (INVALID), or the callback stopped it (INVALID "stopped by the reader"). Push no more then. */
int og_sse_push(struct og_sse *s, const char *bytes, size_t len, struct og_error *err);

/* The stream ended as it should: gives what is still pending, as if its line had been ended and an empty one had
 * followed (some engines leave the last out). Do not call it for a stream that was cut. */
int og_sse_end(struct og_sse *s, struct og_error *err);

#endif
