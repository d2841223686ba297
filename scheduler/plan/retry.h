/* What becomes of a job whose attempt did not end it. Pure: facts and a clock in, a verdict out.
 *
 *   error                              verdict
 *   engine_unavailable, _cut, …        again elsewhere, after a delay that grows; it counts: max_attempts of them, then dead
 *   worker_lost, and it still runs     wait: the broker only thought so (it was restarted, its connection was cut)
 *   worker_lost                        again at once, alone: nobody knows yet whose fault it was
 *   worker_lost, after it ran alone    as above, and a death: max_attempts of them, then dead (poison)
 *   draining                           again at once; nobody's fault
 *
 * A job is never tried more than OG_ATTEMPTS_MAX times, whatever the reasons. One that is requeued begins the next
 * OG_ATTEMPTS_MAX of them: its attempts are higher than those before its death, which are known at workers still. */
#ifndef OG_SCHEDULER_RETRY_PLAN_H
#define OG_SCHEDULER_RETRY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OG_ATTEMPTS_MAX  20
#define OG_RETRY_WAIT_MS 1000 /* then a lost worker that still runs it is looked at again */
#define OG_UNHEARD_MS    3000 /* a worker whose heartbeat is older than this does not prove that it still runs a job */

struct og_retry_facts {
	const char *error;        /* og-error of the hand-back */
	int64_t attempt;          /* the one that has ended */
	int64_t failed;           /* attempts before it that count */
	int64_t deaths;           /* workers that died while they ran it alone, before */
	bool suspect;             /* it was to be run alone */
	bool alone;               /* and had begun to be */
	bool runs;                /* a worker that lives says that it runs this attempt */
	int64_t max_attempts;     /* of the settings */
	int64_t deadline_ms, now; /* wall clock; deadline 0: none */
	uint32_t random;
};

enum og_next {
	OG_NEXT_AGAIN,   /* after delay_ms */
	OG_NEXT_WAIT,    /* look again after delay_ms */
	OG_NEXT_DEAD,    /* type and words say why */
	OG_NEXT_EXPIRED, /* its deadline has passed, or would while it waits: likewise */
};

struct og_retry_verdict {
	enum og_next next;
	int64_t delay_ms;
	bool suspect; /* the next attempt is to be run alone */
	bool failed;  /* this attempt counts: its node is one that tried it */
	int64_t deaths;
	const char *type; /* DEAD, EXPIRED: the error */
	char words[128];
};

/* False: an error that no worker hands a job back for. */
bool og_retry_decide(const struct og_retry_facts *f, struct og_retry_verdict *ret);
bool og_retry_is_engines(const char *error); /* the engine's fault, and not the job's or the worker's */
/* How many ids there are in a list with commas; NULL: none. */
int64_t og_retry_count(const char *list);
int64_t og_retry_anew(int64_t attempt); /* the first attempt of a requeue; `attempt`: the last before it, or 0 */
/* The longest of the delays that is not above `ms` (the shortest where all are): an index of og_delays. */
size_t og_retry_delay(int64_t ms);

#endif
