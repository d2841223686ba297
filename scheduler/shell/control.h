/* Words to workers over og.control that have to arrive: kept until the broker has them (letter.h). */
#ifndef OG_SCHEDULER_CONTROL_H
#define OG_SCHEDULER_CONTROL_H

#include "shell/scheduler.h"

/* To `node.<id>`: drain or undrain. */
void og_control_node(struct og_scheduler *s, const char *type, const char *node_id);
/* To `worker.<key>`; `about` has the type and what belongs to it. Nothing where the worker has no key. */
void og_control_worker(struct og_scheduler *s, const struct og_worker *worker, const struct og_envelope *about);

#endif
