/* Leading: the lock, the term, the epoch.
 *
 *   try for the lock ──got it──▶ term begins ─▶ claim the epoch ─▶ load the index ─▶ open the consuming connections
 *        ▲   (BUSY: stand by)                   (Redis away: the clock is the epoch, and the lanes fill the index)
 *        └──────────── the connection that holds the lock is lost, or Redis knows a later leader: the term ends */
#ifndef OG_SCHEDULER_LEADER_H
#define OG_SCHEDULER_LEADER_H

#include "shell/scheduler.h"

int og_leader_open(struct og_scheduler *s, struct og_error *err); /* begins to try for the lock */
void og_leader_resign(
	struct og_scheduler *s, const char *why); /* gives the lock back; tries again after others could */
void og_leader_close(struct og_scheduler *s);     /* the same, for good */
void og_leader_tick(struct og_scheduler *s, int64_t now);
void og_leader_open_queues(struct og_scheduler *s); /* the index is loaded as far as it can be: begin */
/* An epoch was seen in a message that proved to be a scheduler's. */
void og_leader_saw_epoch(struct og_scheduler *s, int64_t epoch);
void og_leader_redis_up(struct og_scheduler *s);

/* loader.c: fills the index from the records of what is open, page by page, then opens the queues. */
void og_loader_begin(struct og_scheduler *s);

#endif
