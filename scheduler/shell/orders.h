/* What operators have ordered, and what stays so until they order otherwise: tiers that are paused, nodes that are
 * drained. Kept in Redis (`orders`: tier:<id>, node:<id>) for the next leader, and in memory for the term: what was
 * ordered while Redis was away is written when it is back, and what was there before is read then. */
#ifndef OG_SCHEDULER_ORDERS_H
#define OG_SCHEDULER_ORDERS_H

#include "shell/scheduler.h"

void og_orders_load(struct og_scheduler *s); /* Redis is there: both sides learn what they do not know */
void og_orders_drop(struct og_scheduler *s); /* the term ends */

void og_order_pause(struct og_scheduler *s, unsigned tier, bool paused);
void og_order_drain(struct og_scheduler *s, const char *node_id, const char *name, bool drained);
/* A drained node that is not there now is found by its id or name; NULL: none. */
const char *og_orders_find_node(const struct og_scheduler *s, const char *id_or_name, const char **ret_name);
/* A heartbeat came: a worker of a drained node that does not drain (it has just appeared) is told to. */
void og_orders_heard(struct og_scheduler *s, const struct og_worker *w, int64_t now);

#endif
