/* One job as the gateway sees it: submitted here or attached to, followed to its end, or left.
 *
 *   submit ──▶ sends ── confirmed ──▶ follows ── its end is told ──▶ over
 *                │                       │ ▲                          ▲
 *                └── leave ──▶ cancels ──┼─┼── cancelled ─────────────┘
 *   attach ──────────────────────────────┘ └ the connection was lost: asks for it under the new reply key
 *
 * What the broker confirmed is kept by the cluster: a gateway that dies loses no job. */
#ifndef OG_GATEWAY_JOB_H
#define OG_GATEWAY_JOB_H

#include "job/link.h"

/* How it ended. Strings live during the call. */
struct og_job_end {
	enum og_state state;
	/* Of one that is not `done`: the cluster's word for what went wrong, or "unavailable": nobody could say how it ended. */
	const char *error_type, *message;
	const char *body; /* the done body (docs/PROTOCOL.md); NULL where there is none */
	size_t len;
	const struct og_envelope *e; /* NULL where the end was asked for */
	/* Of one whose chunks were wanted: some may not have come. The whole answer is in the body. */
	bool gap;
};

/* Names one chunk, in all the cluster: the event's number that a client goes on from. */
struct og_chunk_at {
	int64_t attempt, run, seq;
};

struct og_job_sink {
	/* One engine event. Those of a run come without a gap; a new attempt or run begins with seq 0 again. */
	void (*chunk)(void *ctx, const struct og_chunk_at *at, const char *data, size_t len);
	/* Another attempt or run begins its answer anew: the chunks that came are void. False: the job was left in here. May be
	 * NULL: then the new chunks just follow. */
	bool (*restarts)(void *ctx);
	/* The broker has the request: from here on it is kept. May be NULL. */
	void (*accepted)(void *ctx);
	/* Once, last; the job is gone then. */
	void (*end)(void *ctx, const struct og_job_end *end);
	/* In place of `end`: the line is closed, and nobody will say it. May be NULL. */
	void (*dropped)(void *ctx);
	void *ctx;
};

struct og_job;

/* `e`: reply_to is set here; with e->stream chunks come. BUSY: so much is on its way that the broker does not take more now;
 * RETRY: the line is down; INVALID: too large. */
struct og_job *og_job_submit(struct og_link *l, const struct og_envelope *e, const void *body, size_t len,
	const struct og_job_sink *sink, struct og_error *err);
/* Of one that is there already. `from`: the first chunk that is wanted (NULL: no chunks at all). An unknown job ends with
 * the type not_found. */
struct og_job *og_job_attach(struct og_link *l, const char *id, const struct og_chunk_at *from,
	const struct og_job_sink *sink, struct og_error *err);
/* Nobody listens any more: the sink is not called again, the pointer is dead. `cancel`: nor is its answer wanted. */
void og_job_leave(struct og_job *j, bool cancel);

const char *og_job_id(const struct og_job *j);

#endif
