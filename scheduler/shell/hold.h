/* og.hold: submits whose id was chosen by their client, and cannot be looked up while Redis is away. They move there from
 * the intake, so that others go on, and are judged from there when Redis is back, with what was known of them: whose they
 * are (schedulers alone write there), and their deadline. */
#ifndef OG_SCHEDULER_HOLD_H
#define OG_SCHEDULER_HOLD_H

#include "shell/intake.h"

#define OG_HOLD_PREFETCH 64

/* Takes p. Where og.hold is full it is busy. */
void og_hold_put(struct og_scheduler *s, struct og_parked *p);
void og_hold_take(void *ctx, const struct og_message *m, uint64_t epoch); /* a delivery; ctx: the scheduler */
void og_hold_tick(struct og_scheduler *s);                                /* what waits here, where Redis is back */
void og_hold_drop(struct og_scheduler *s);        /* the broker has it again, or the term ends */
bool og_hold_is_from(const struct og_message *m); /* the message comes from there */

#endif
