/* Submitters that vanished: each reply key at which somebody waits is asked now and then (<reply>.ping, mandatory); the
 * jobs of one that is gone for scheduler.orphan_grace are cancelled, unless somebody else wants their answer. */
#ifndef OG_SCHEDULER_ORPHANS_H
#define OG_SCHEDULER_ORPHANS_H

#include "shell/scheduler.h"

void og_orphans_ping(struct og_scheduler *s, int64_t now); /* at every tick */
void og_orphans_end(struct og_scheduler *s, int64_t now);  /* now and then */

#endif
