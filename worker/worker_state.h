/* What the parts of the worker share: worker.c (its life and connections), control.c (what it consumes), report.c
 * (what it says of itself). */
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

struct og_worker {
	struct og_worker_config config;
	struct og_service *service;
	struct og_identity who;
	int64_t started_ms; /* wall clock */

	struct og_amqp *in, *out; /* NULL: not open */
	bool in_up, out_up, joined;
	char in_trouble[512], out_trouble[512]; /* the last one logged; "": none since it was up */
	char control[OG_KEY_MAX];               /* this epoch's control queue */
	unsigned consumer;                      /* of the tier's queue; 0: nothing is consumed */
	size_t slots;

	struct og_http *http; /* these two NULL where it does not serve */
	struct og_engine *engine;
	struct og_serving serving;
	struct og_jobs jobs;
	struct og_publisher publisher;
	struct og_pulse pulse;
	struct og_peers peers;

	bool draining, leaving;
};

/* worker.c. All that stands on the two connections and calls no engine: a test brings connections of its own. */
void og_worker_begin(struct og_worker *w, uv_loop_t *loop);

/* control.c. The recipe of `in`: its control queue, and the tier's queue where it wants work. */
void og_worker_write_recipe(struct og_worker *w);
void og_worker_bind_tier(struct og_worker *w); /* once there is a tier */
void og_worker_consume_or_not(struct og_worker *w);

/* report.c */
void og_worker_fill_presence(void *ctx, struct og_presence *p);

#endif
