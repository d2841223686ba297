/* What the parts of the worker share: worker.c (its life and connections), control.c (what it consumes), orders.c (what
 * it is told), leave.c (its end), report.c (what it says of itself). */
#ifndef OG_WORKER_STATE_H
#define OG_WORKER_STATE_H

#include "engine/engine.h"
#include "io/amqp.h"
#include "io/http.h"
#include "jobs.h"
#include "peers.h"
#include "pulse.h"
#include "service/service.h"
#include "serving.h"
#include "worker.h"

#define QUOTED_MAX 600 /* bytes of a value in a log line */

/* How a queue that brings work is read. */
struct og_reading {
	unsigned consumer; /* 0: it is not */
	bool stopping;     /* what the broker had sent already may still come */
};

struct og_worker {
	struct og_worker_config config;
	struct og_service *service;
	struct og_identity who;
	int64_t started_ms; /* wall clock */

	struct og_amqp *in, *out; /* NULL: not open */
	bool in_up, out_up, joined;
	char in_trouble[512], out_trouble[512]; /* the last one logged; "": none since it was up */
	char control[OG_KEY_MAX];               /* this epoch's control queue */
	struct og_reading tier, own;            /* the tier's queue, and this worker's own */
	int priority;                           /* of the tier's consumer */
	int64_t consuming_since_ms;             /* likewise; monotonic */
	size_t slots;

	/* What it was told. An order that is taken back is in force until work is taken again. */
	bool paused, drained, own_queue; /* own_queue: it is there, on this connection */
	bool pause_shows, drain_shows;   /* what of it is in force */
	int64_t paused_until_ms;         /* wall clock; 0: until it is told */
	uv_timer_t pause_over, leave_by, idle;

	struct og_http *http; /* these two NULL where it does not serve */
	struct og_engine *engine;
	struct og_serving serving;
	struct og_jobs jobs;
	struct og_publisher publisher;
	struct og_pulse pulse;
	struct og_peers peers;

	bool draining, leaving, parted; /* parted: its connections are being closed */
};

/* worker.c. All that stands on the two connections and calls no engine: a test brings connections of its own. */
void og_worker_begin(struct og_worker *w, uv_loop_t *loop);
struct og_amqp_events og_worker_in_events(struct og_worker *w);
struct og_amqp_events og_worker_out_events(struct og_worker *w);
void og_worker_close_engine(struct og_worker *w);

/* control.c. The recipe of `in`: its control queue, and the tier's queue where it wants work. */
void og_worker_write_recipe(struct og_worker *w);
void og_worker_bind_tier(struct og_worker *w); /* once there is a tier */
void og_worker_consume_or_not(struct og_worker *w);
void og_worker_rank(struct og_worker *w); /* when it has been idle for a while */

/* orders.c. What the scheduler says, on the control queue. */
void og_worker_on_control(void *ctx, const struct og_message *m, uint64_t epoch);

/* leave.c */
void og_worker_end_if_drained(struct og_worker *w);
void og_worker_leave_if_done(struct og_worker *w); /* when it is leaving and a job has come to its end */

/* report.c */
void og_worker_fill_presence(void *ctx, struct og_presence *p);

#endif
