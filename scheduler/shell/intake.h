/* The intake: every submit is judged here, in the order of its coming, and moves on, waits, or is refused.
 *
 *   delivered ─▶ decode ─▶ whose? ─▶ seen before? ─▶ its tier ─▶ (explicit id: Redis) ─▶ room? ─▶ tier's queue
 *                  │         │           │              │                │                 ├───▶ lane
 *                  └─────────┴─▶ dead    └▶ its answer  └▶ failed        └▶ its answer     └───▶ busy, no_capacity
 *
 * A submit that cannot go on at once keeps its place: *parked* while there is no room to publish (then those behind
 * it park too, and the prefetch stops the broker), *deferred* while the fleet has not been heard yet. One whose id Redis
 * must be asked about while it is away moves to og.hold. */
#ifndef OG_SCHEDULER_INTAKE_H
#define OG_SCHEDULER_INTAKE_H

#include "shell/scheduler.h"

void og_intake_take(void *ctx, const struct og_message *m, uint64_t epoch); /* a delivery; ctx: the scheduler */
/* A delivery that is too large to be read: `m` has no body. */
void og_intake_oversized(struct og_scheduler *s, const struct og_message *m, uint64_t epoch);
void og_intake_kick(struct og_scheduler *s);                          /* parked ones go on */
void og_intake_retry(struct og_scheduler *s);                         /* deferred ones are judged again */
void og_intake_lost(struct og_scheduler *s, struct og_connection *c); /* what was held is the broker's again */
void og_intake_drop(struct og_scheduler *s);                          /* the term ends */

/* --- between intake.c and again.c --- */

/* A submit that is kept. */
struct og_parked {
	struct og_parked *prev, *next;
	struct og_scheduler *s;
	struct og_message *m;
	const char *id; /* in m; NULL: it has none */
	struct og_source source;
	bool checked;  /* Redis has been asked about its id: its entry is at CHECK */
	bool lived;    /* its job was in the index when Redis was asked */
	bool orphaned; /* the broker has it again, and Redis's answer is still to come */
};

/* One submit, decoded, while it is judged. */
struct og_submit {
	const struct og_message *m;
	struct og_envelope e;
	struct og_source source;
	const char *tenant;
	bool checked;
};

enum og_judged {
	OG_JUDGED_TAKEN,     /* somebody will ack it */
	OG_JUDGED_NO_ROOM,   /* park it */
	OG_JUDGED_LATER,     /* defer it, for a moment: the prefetch bounds how many */
	OG_JUDGED_UNCHECKED, /* Redis is away, who knows how long: to og.hold with it (hold.h), so that others go on */
};
enum og_judged og_intake_judge(
	struct og_scheduler *s, const struct og_message *m, const struct og_source *source, bool checked);
/* Keeps p as the verdict says, or frees it. */
void og_intake_keep(struct og_scheduler *s, struct og_parked *p, enum og_judged judged);
struct og_parked *og_parked_new(
	struct og_scheduler *s, const struct og_message *m, const struct og_source *source, bool checked);
void og_parked_free(struct og_parked *p);

/* Its id is known already: `e` is the live entry, NULL where it ended lately. */
enum og_judged og_intake_again(struct og_scheduler *s, const struct og_submit *x, struct og_entry *e);
/* Asks Redis about an explicit id; the answer judges it again. */
enum og_judged og_intake_check(struct og_scheduler *s, const struct og_submit *x);

#endif
