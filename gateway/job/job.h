/* One job as the gateway sees it: submitted here or attached to, followed to its end, or left.
 *
 *   submit ──▶ sends ── confirmed ──▶ follows ── its end is told ──▶ over
 *                │                       │ ▲                          ▲
 *                └── leave ──▶ leaves ◀──┤ │── the cluster knows ──────┘
 *   attach ──────────────────────────────┘ └ the connection was lost: asks for it under the new reply key
 *
 * What the broker confirmed is kept by the cluster: a gateway that dies loses no job. Who else waits for a job, at this
 * gateway or another, the scheduler knows: one that is left is cancelled where nobody does. */
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
	/* It was placed, or waits: of one whose envelope has `progress`. May be NULL. */
	void (*progress)(void *ctx, const struct og_envelope *e);
	/* Once, last; the job is gone then. */
	void (*end)(void *ctx, const struct og_job_end *end);
	/* In place of `end`: the line is closed, and nobody will say it. May be NULL. */
	void (*dropped)(void *ctx);
	void *ctx;
};

struct og_job;

/* `e`: reply_to is set here; with e->stream chunks come. BUSY: so much is on its way that the broker does not take more now;
 * RETRY: the line is down; INVALID: too large, or with a text that no header may hold. */
struct og_job *og_job_submit(struct og_link *l, const struct og_envelope *e, const void *body, size_t len,
	const struct og_job_sink *sink, struct og_error *err);
/* Of one that is there already. `tenant`: whose it must be (NULL: anybody's). `from`: the first chunk that is wanted (NULL:
 * no chunks at all). A job that is unknown, or another's, ends with the type not_found. */
struct og_job *og_job_attach(struct og_link *l, const char *id, const char *tenant, const struct og_chunk_at *from,
	const struct og_job_sink *sink, struct og_error *err);
/* Nobody listens any more: the sink is not called again, the pointer is dead. The job is cancelled where it is not detached
 * and nobody else waits for it, after `grace_ms` (0: now), in which somebody may come back for it. */
void og_job_leave(struct og_job *j, int64_t grace_ms);
/* `never_ran`: the cluster has said that it only waited, and waits no more. False: it runs, ran or goes on, or nobody has said. */
typedef void og_job_left_cb(void *ctx, bool never_ran);
/* As leave, now; `told` is called once, within 10 s or when the connection has been away for 30 s or is closed. */
void og_job_leave_told(struct og_job *j, og_job_left_cb *told, void *ctx);
/* As leave, now, but its end is still told to the sink: nobody waits for it here, and it is followed all the same. */
void og_job_yield(struct og_job *j);
/* As leave, and the cluster is told nothing: the job goes on. */
void og_job_forget(struct og_job *j);

const char *og_job_id(const struct og_job *j);

#endif
