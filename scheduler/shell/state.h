/* Results: what workers (and we ourselves) say that ended. The slot is free when a `done` is first seen; its message
 * is acked when Redis has stored it, or when it was moved to og.state.later because Redis is away. */
#ifndef OG_SCHEDULER_STATE_H
#define OG_SCHEDULER_STATE_H

#include "shell/scheduler.h"

void og_state_take(void *ctx, const struct og_message *m, uint64_t epoch);       /* from og.state; ctx: the scheduler */
void og_state_take_later(void *ctx, const struct og_message *m, uint64_t epoch); /* from og.state.later */
void og_state_retry(struct og_scheduler *s);                                     /* Redis may be back */
void og_state_drop(struct og_scheduler *s); /* what was held is the broker's again */

#endif
