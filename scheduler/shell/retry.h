/* og.retry: what workers hand back, and what comes back from the delays.
 *
 *   hand-back ─▶ its lease? ─▶ whose job? ─▶ plan/retry.h ─┬─ again ─▶ (og.delay.<n> ─▶ og.retry) ─▶ its tier or lane
 *                  │              │                        ├─ wait ──▶ looked at again in a second
 *                  └▶ forged      └▶ ended, stale: acked   └─ dead ──▶ og.dead.intake
 *
 * The message itself carries all that is needed, so a new leader goes on where the old one was: og-attempt is the one
 * that has ended, with its lease; og-tried, og-deaths and og-suspect are what the next is to know; og-not-before is when.
 * Each is kept here, unacked, until its move is confirmed; those that have a second to wait or less wait here too. */
#ifndef OG_SCHEDULER_RETRY_H
#define OG_SCHEDULER_RETRY_H

#include "shell/answer.h"

#define OG_RETRY_PREFETCH 256
#define OG_RETRY_HELD     128 /* that wait here, at most, and the bytes of their bodies */
#define OG_RETRY_LOOKS    20  /* for a worker, before it goes to its lane */
#define OG_RETRY_BYTES    (16u * 1024 * 1024)

void og_retry_take(void *ctx, const struct og_message *m, uint64_t epoch); /* a delivery; ctx: the scheduler */
void og_retry_tick(struct og_scheduler *s, int64_t now);                   /* what is due goes on */
void og_retry_lost(struct og_scheduler *s); /* the connection it is read by: what was held is the broker's again */
void og_retry_drop(struct og_scheduler *s); /* the term ends */
void og_retry_reclaim(struct og_scheduler *s, const struct og_message *m,
	uint64_t epoch); /* from the queue of a worker that is gone */
/* A move of one could not be made: it is tried again in a second. Takes held. */
void og_retry_put_back(struct og_scheduler *s, struct og_entry *e, struct og_held *held);

/* --- between retry.c and handback.c --- */

enum og_stage {
	OG_STAGE_JUDGE, /* what is to become of it is not decided */
	OG_STAGE_PLACE, /* another attempt, when it is due */
	OG_STAGE_DIE,   /* to og.dead.intake */
};

struct og_retry {
	struct og_retry *prev, *next;
	struct og_scheduler *s;
	uint64_t term;
	struct og_held *held;   /* NULL: somebody took it */
	size_t bytes;           /* of its body */
	char id[OG_ID_LEN + 1]; /* "": it has none */
	int64_t attempt;        /* that has ended */
	int64_t due;            /* monotonic: when it is looked at next */
	enum og_stage stage;
	unsigned looks;  /* for a worker that has a slot for it */
	bool looked;     /* Redis has been asked about it, */
	bool asked;      /* and its answer is still to come */
	bool publishing; /* the confirm is still to come */
	bool orphaned;   /* the term is over */
};

void og_retry_judge(struct og_retry *x); /* it is due: all that can be done now is done */
/* For when it is due in so many ms: kept here, or in a delay. */
void og_retry_postpone(struct og_retry *x, int64_t ms);
void og_retry_die(struct og_retry *x); /* published to og.dead.intake, then acked */
void og_retry_ack(struct og_retry *x); /* it is settled; frees it */
void og_retry_free(struct og_retry *x);
/* Another one of the same attempt that we hold; NULL: none. */
struct og_retry *og_retry_other(const struct og_retry *x);
/* Its message is written anew, with these headers. What `e` points to in the old one is gone. */
void og_retry_rewrite(struct og_retry *x, const struct og_envelope *e);

#endif
