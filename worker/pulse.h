/* Presence: what this worker says of itself, every 2 s and when something changes. */
#ifndef OG_WORKER_PULSE_H
#define OG_WORKER_PULSE_H

#include <uv.h>

#include "io/amqp.h"
#include "model/presence.h"

/* A change of what it serves is told within 100 ms. Which jobs run is told within 500 ms: the scheduler placed them and
 * sees their ends, so that hundreds of short jobs a second need not be hundreds of heartbeats. */
#define OG_PULSE_CHANGE_MS 100
#define OG_PULSE_RUNS_MS   500

struct og_pulse {
	struct og_amqp *out;
	void (*fill)(void *ctx, struct og_presence *p); /* p->running is freed afterwards */
	void *ctx;

	/* its own */
	uv_timer_t timer;
	int64_t last_ms, due_ms; /* monotonic */
	bool blocked;
	bool on_its_way; /* a beat is published and not confirmed yet */
	bool late;       /* one was left out because of it */
};

/* The fields above "its own" are the caller's to set. */
void og_pulse_init(struct og_pulse *p, uv_loop_t *loop);
void og_pulse_beat(struct og_pulse *p); /* now; the first one begins the rhythm */
/* Beats once so much time has passed since the last beat; nothing before the first. */
void og_pulse_change(struct og_pulse *p, int64_t within_ms);
void og_pulse_blocked(struct og_pulse *p, bool blocked); /* as the broker says of `out` */
/* With a last beat, whatever else is on its way. */
void og_pulse_stop(struct og_pulse *p);

#endif
