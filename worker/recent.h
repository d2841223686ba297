/* What is to be known of jobs that are not here: those cancelled before they came, and those that just ended, whose
 * ack may have been lost with a connection. Kept for 60 s, and the oldest go first beyond a bound. Pure. */
#ifndef OG_WORKER_RECENT_H
#define OG_WORKER_RECENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/slab.h"
#include "model/names.h"

#define OG_RECENT_MS  60000
#define OG_RECENT_MAX 4096

enum og_recent_kind {
	OG_RECENT_NOTHING,
	OG_RECENT_CANCELLED, /* not to be run when it comes */
	OG_RECENT_ENDED,     /* its done is confirmed */
};

struct og_recent_entry;

struct og_recent {                              /* zeroed is empty */
	struct og_recent_entry *by_id, *oldest; /* a hash, and a list in the order of time */
	struct og_slab entries;                 /* where they lie: they outlive all that a burst took beside them */
	size_t n;
};

void og_recent_add(struct og_recent *r, const char *id, enum og_recent_kind kind, int64_t attempt, int64_t now_ms);
/* What is known of this id; *ret_attempt is that of what ended. */
enum og_recent_kind og_recent_find(struct og_recent *r, const char *id, int64_t now_ms, int64_t *ret_attempt);
void og_recent_done(struct og_recent *r);

#endif
