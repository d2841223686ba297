/* The reply keys of live jobs, each kept once, and whether somebody still reads there. The shell asks each key that
 * somebody waits at by a mandatory message; one that no queue took comes back, and tells that its owner has gone. A job
 * whose submitter, and everybody else who wanted its answer, has been gone for the grace is an orphan. Times are
 * monotonic. */
#ifndef OG_SCHEDULER_REPLIES_H
#define OG_SCHEDULER_REPLIES_H

#include "plan/index.h"

#define OG_PING_PERIOD_MS 5000

struct og_reply {
	UT_hash_handle hh;     /* by text */
	struct og_entry *jobs; /* that were submitted with it */
	unsigned refs;         /* jobs, and the watchers of others */
	unsigned waits;        /* of them those at which somebody waits: they live, and are not detached */
	int64_t pinged;        /* or seen first; 0: not yet */
	int64_t gone_since;    /* 0: it is there, as far as we know */
	char text[];           /* "<user>~<32 hex digits>" */
};

struct og_reply *og_reply_take(struct og_index *ix, const char *text);
void og_reply_drop(struct og_index *ix, struct og_reply *r); /* NULL: none */
void og_replies_free(struct og_index *ix);                   /* with the index: those that only watchers still held */
/* Its owner watches somebody's job too, or does so no more. */
void og_reply_waits(struct og_reply *r, const struct og_entry *e, int sign);

/* The next key to be asked, which counts as asked; NULL: none is due. */
struct og_reply *og_replies_next(struct og_index *ix, int64_t now);
/* What became of the question. The key may be gone from the index meanwhile. */
void og_replies_answered(struct og_index *ix, const char *text, bool returned, int64_t now);
bool og_reply_is_gone(const struct og_reply *r, int64_t now, int64_t grace_ms);

/* Up to `max` orphans that nobody stops yet; `saved` says whether one of those who watch a job is there. */
size_t og_replies_orphans(const struct og_index *ix, int64_t now, int64_t grace_ms,
	bool (*saved)(const struct og_entry *e, int64_t now, int64_t grace_ms), struct og_entry **out, size_t max);

#endif
