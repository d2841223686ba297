/* Redis is a view: when it has forgotten what lives (FLUSHALL, a restart without its file, a failover that lost the last
 * writes), the leader writes that again from its index, so many at a time. Its loss shows in the epoch that is gone, and
 * in fewer open jobs there than here, when Redis comes back or has refused writes (it was out of memory). */
#ifndef OG_SCHEDULER_REWRITE_H
#define OG_SCHEDULER_REWRITE_H

#include "shell/scheduler.h"

/* Redis has been claimed, and had so many open jobs: where that is too few, the rewriting begins. */
void og_rewrite_begin(struct og_scheduler *s, int64_t open);
void og_rewrite_go_on(struct og_scheduler *s); /* at every tick */
/* Now and then: has Redis forgotten all, or refused writes? */
void og_rewrite_check(struct og_scheduler *s, int64_t now);

#endif
