/* og.dead.intake: what has died, whoever says so: this scheduler (attempts that are spent, what is no request), a worker
 * that cannot read its work, the broker (a queue's delivery limit, a reject, a client's own TTL). Its submitter is told,
 * once, where it is certain whose it was; then it is kept in og.dead, for people.
 *
 *   delivered ─▶ whose, and why? ─▶ told (confirmed) ─▶ og.dead (confirmed) ─▶ acked
 *                                                          └─ full: it stays here, and is tried again every second
 *
 * Of what finds og.dead full only the first keeps its body here: when that one is in, the others are read again. */
#ifndef OG_SCHEDULER_DYING_H
#define OG_SCHEDULER_DYING_H

#include "shell/scheduler.h"

#define OG_DYING_PREFETCH 500

void og_dying_take(void *ctx, const struct og_message *m, uint64_t epoch); /* a delivery; ctx: the scheduler */
void og_dying_tick(struct og_scheduler *s, int64_t now);
void og_dying_lost(struct og_scheduler *s);              /* the connection it is read by */
void og_dying_drop(struct og_scheduler *s);              /* the term ends */
unsigned og_dying_waiting(const struct og_scheduler *s); /* that og.dead is too full for */

/* The nodes of a list with commas, as [{"id", "name"}]; the name is "" where nobody knows it any more. */
json_t *og_dying_tried(const struct og_scheduler *s, const char *tried);

#endif
