/* A binary heap of entries by due_ms; an entry knows its place, so that any of them can be taken out. */
#ifndef OG_SCHEDULER_HEAP_H
#define OG_SCHEDULER_HEAP_H

#include "plan/index.h"

void og_heap_put(struct og_index *ix, struct og_entry *e);  /* in, or to where its changed due_ms belongs */
void og_heap_take(struct og_index *ix, struct og_entry *e); /* no-op where it is not in */

#endif
