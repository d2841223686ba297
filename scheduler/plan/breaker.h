/* Breakers: a worker whose engine fails fast, one job after another, eats what waits while others could run it. After
 * OG_BREAKER_FAILURES in a row it is paused; after the pause it is given one job, and by that it is judged.
 *
 *   CLOSED ── failures in a row ──▶ OPEN ── its pause is over ──▶ HALF ── a job ended as it should ──▶ (forgotten)
 *                                    ▲                             │
 *                                    └── a fast failure, a pause ──┘
 *                                        twice as long
 *
 * By the user and the key of the worker, so that a restart changes nothing. Pure: no worker is known here. */
#ifndef OG_SCHEDULER_BREAKER_H
#define OG_SCHEDULER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "model/names.h"

#define OG_BREAKER_FAILURES  3
#define OG_BREAKER_FIRST_MS  5000
#define OG_BREAKER_MOST_MS   300000
#define OG_BREAKER_PROBE_MS  10000  /* beyond its pause it goes on by itself, should no job have come to try it */
#define OG_BREAKER_FORGET_MS 900000 /* without a failure */
#define OG_BREAKERS_MAX      65536
#define OG_FAST_MS           5000
#define OG_CALM_MS           5000

struct og_breaker {
	UT_hash_handle hh; /* by key */
	unsigned failures; /* in a row */
	int64_t pause_ms;  /* the last one; 0: there was none */
	int64_t until;     /* monotonic: OPEN until then, HALF after it; 0: CLOSED */
	int64_t failed_at;
	bool told;  /* the worker knows of the pause, or that it is over */
	bool ended; /* to be forgotten, when that is told */
	char key[OG_KEY_MAX];
};

struct og_breaker *og_breaker_find(struct og_breaker *table, const char *key); /* NULL: CLOSED */
/* A fast failure. `jitter`: 0 to 1023, how much of a quarter is added to the pause, so that a fleet does not come back at
 * once. */
void og_breaker_failed(struct og_breaker **table, const char *key, unsigned jitter, int64_t now);
void og_breaker_ran(struct og_breaker **table, const char *key);
/* What is to be told, once: the key, and for how many ms from now on (0: it goes on). False: nothing. */
bool og_breaker_tell(struct og_breaker **table, int64_t now, char ret_key[static OG_KEY_MAX], int64_t *ret_ms);
void og_breakers_free(struct og_breaker **table);

#endif
