/* Heartbeats in, membership out. */
#ifndef OG_SCHEDULER_PRESENCE_H
#define OG_SCHEDULER_PRESENCE_H

#include "shell/scheduler.h"

int og_presence_open(struct og_scheduler *s, struct og_error *err); /* the presence connection: a standby has it too */
void og_presence_tick(struct og_scheduler *s, int64_t now);         /* who is gone; membership, when it changed */

#endif
