/* What jobs do, on its way to Redis: moves of a few milliseconds go in one call of og_script_move. Nobody waits for them
 * but the broker, for the ack of a result; and whoever reads what they wrote reads it behind them, as whatever else is
 * asked of Redis sends them first (args.c). */
#ifndef OG_SCHEDULER_WRITES_H
#define OG_SCHEDULER_WRITES_H

#include "shell/args.h"

void og_writes_open(struct og_scheduler *s);
void og_writes_close(struct og_scheduler *s); /* once the term and Redis are gone */

/* A move: its name and its arguments (scripts.h). The callback gets its own answer; or -1, of all, where another leader
 * came after us. -1: RETRY or BUSY, and it is not called. */
int og_writes_add(struct og_scheduler *s, const struct og_args *move, og_redis_cb *cb, void *ctx);
/* Sends what has come together now; -1: Redis takes nothing, and it goes on waiting. */
int og_writes_send(struct og_scheduler *s);
/* What is not sent is lost: the term is over. */
void og_writes_drop(struct og_scheduler *s);
bool og_writes_waiting(const struct og_scheduler *s);

#endif
