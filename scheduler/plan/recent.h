/* The ids of the jobs that ended last, and when: bounded, oldest forgotten first. It tells a message that comes a
 * second time (a submit repeated by a producer that lost its connection, a body redelivered, a heartbeat that lags)
 * from a new one. */
#ifndef OG_SCHEDULER_RECENT_H
#define OG_SCHEDULER_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct og_recent;

struct og_recent *og_recent_new(size_t cap);
void og_recent_free(struct og_recent *r);

void og_recent_add(struct og_recent *r, const char *id, int64_t now); /* an id that is there keeps its first time */
bool og_recent_find(const struct og_recent *r, const char *id, int64_t *ret_when); /* ret_when may be NULL */
size_t og_recent_count(const struct og_recent *r);

#endif
