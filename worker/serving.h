/* Whether this worker serves now, and what: asks the engine until it really has the model, and again whenever there
 * is doubt.
 *
 *   ASKING ──the engine has a tier's model──▶ READY
 *     ▲ ▲                                      │ │  idle for 10 s: is it still there?
 *     │ └── no: again, with backoff            │ │
 *     └────────────────────────────────────────┴─┴── no, or a run found it at fault
 *
 * The tier, once chosen, stays: it is part of the worker's name. */
#ifndef OG_WORKER_SERVING_H
#define OG_WORKER_SERVING_H

#include <uv.h>

#include "base/backoff.h"
#include "engine/engine.h"
#include "tier_choice.h"

struct og_serving {
	struct og_engine *engine;
	const struct og_catalogue *catalogue;
	const struct og_profile *profile;
	struct og_tier_wish wish;
	bool (*is_busy)(void *ctx);   /* while it is, and the engine is not doubted, it is left alone */
	void (*on_change)(void *ctx); /* of the fields below */
	void *ctx;

	bool ready;
	struct og_tier_choice choice; /* tier NULL: none chosen yet */
	int64_t slots, context;       /* what the engine says; 0: nothing */
	char why[512];                /* while it is not ready */

	/* its own */
	uv_timer_t timer;
	struct og_backoff backoff;
	char tier_id[OG_NAME_MAX]; /* what wish.tier points at, once it is chosen */
	unsigned failures;         /* runs that it failed since the last one that went well */
};

/* The fields above `ready` are the caller's to set before. */
void og_serving_start(struct og_serving *s, uv_loop_t *loop);
void og_serving_stop(struct og_serving *s);

/* A run found the engine at fault: it is asked at once. After several in a row nothing more is taken for a while,
 * whatever it answers: a worker that fails fast would otherwise draw all work to itself. */
#define OG_SERVING_FAILURES_MAX 3
void og_serving_doubt(struct og_serving *s);
void og_serving_trust(struct og_serving *s); /* a run went well: the next failure is the first again */

#endif
