/* The life of the jobs that a worker holds: a delivery comes in, the engine runs it, its chunks and its `done` go
 * out, and only when the broker has confirmed the `done` is the delivery acked. A job that another try may help goes
 * back whole instead. What each step decides stands in runs.h. */
#ifndef OG_WORKER_JOBS_H
#define OG_WORKER_JOBS_H

#include <uv.h>

#include "engine/engine.h"
#include "io/amqp.h"
#include "model/presence.h"
#include "publish.h"
#include "recent.h"
#include "runs.h"

struct og_jobs_counts {
	uint64_t done, failed, cancelled, expired, handed_back, redelivered;
};

struct og_jobs {
	struct og_amqp *in; /* where deliveries come from: acks go there */
	struct og_publisher *out;
	struct og_engine *engine;
	const struct og_identity *who;
	size_t slots;
	bool draining; /* what still comes is handed back */
	/* Each may be NULL: the set of jobs has changed; the engine has ended a run, in this way. */
	void (*on_change)(void *ctx);
	void (*on_ran)(void *ctx, enum og_fault fault);
	void *ctx;

	/* its own */
	struct og_runs runs;
	struct og_recent recent;
	struct og_kept_pool kept;
	uv_idle_t turn;          /* the end of this turn of the loop, when chunks go out, and then ends */
	struct og_run *bundling; /* those that have chunks */
	struct og_run *ending;   /* those that have ended */
	uv_timer_t again;        /* for what the broker refused */
	uv_timer_t due;          /* for the deadline that comes next */
	int64_t due_ms;          /* which is it, by the wall clock; 0: there is none */
	bool announcing;         /* an `alone` is on its way */
	struct og_jobs_counts counts;
	double tokens_per_s; /* moving average of what one slot gives; 0: not known */
};

/* The fields above "its own" are the caller's to set, before or, as they become known, after; `in` and `engine`
 * before the first delivery. */
void og_jobs_init(struct og_jobs *j, uv_loop_t *loop);
/* The end, in two steps, without a word about what still runs: the broker gives it to others. First nothing is begun
 * or published any more, and the engine is let go of; then, when neither `in` nor `out` calls back any more, all is
 * freed. Between the two `out` is closed first: what it still confirms is acked on `in`. */
void og_jobs_abort(struct og_jobs *j);
void og_jobs_done(struct og_jobs *j);

void og_jobs_take(struct og_jobs *j, const struct og_message *m, uint64_t epoch, enum og_source source);
void og_jobs_cancel(struct og_jobs *j, const char *id);
/* The chunks of this job, from number `from` on as far as they are kept, and all that follow, go to `reply` too. */
void og_jobs_attach(struct og_jobs *j, const char *id, const char *reply, int64_t from);
/* What has not begun, or all, is handed back as `draining`. It is held until that is confirmed. */
void og_jobs_give_back_waiting(struct og_jobs *j);
void og_jobs_give_back_all(struct og_jobs *j);
size_t og_jobs_count(const struct og_jobs *j); /* held, in whatever phase */
/* Those that wait or run, at most OG_SLOTS_MAX; the caller frees. */
struct og_presence_run *og_jobs_list(const struct og_jobs *j, size_t *ret_n);

#endif
