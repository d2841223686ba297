/* The chunks of runs that are on their way, so that one who comes late can have them too. Bounded for each run and in
 * all, and the oldest go first: who asks for what is gone sees a gap in the numbers, and has the whole from `done`.
 * Pure. */
#ifndef OG_WORKER_KEPT_CHUNKS_H
#define OG_WORKER_KEPT_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

#define OG_KEPT_RUN_MAX (1024u * 1024) /* bytes, what it takes to hold them included */
#define OG_KEPT_ALL_MAX (16u * 1024 * 1024)

struct og_kept;

struct og_kept_chunk {
	int64_t seq;
	size_t len;
	struct og_kept *of;
	struct og_kept_chunk *after;       /* the same run's next one */
	struct og_kept_chunk *next, *prev; /* of all, in the order of their coming */
	char text[];
};

struct og_kept_pool { /* zeroed is empty; outlives its runs' */
	struct og_kept_chunk *oldest;
	size_t bytes;
};

struct og_kept { /* of one run; zeroed is empty; stays where it is */
	struct og_kept_pool *pool;
	struct og_kept_chunk *first, *last;
	size_t bytes;
};

/* `seq` is one above that of the last. A chunk that is larger than all of a run's may be is not kept, nor what was
 * before it: what is kept has no holes. */
void og_kept_add(struct og_kept_pool *pool, struct og_kept *k, int64_t seq, const char *text, size_t len);
void og_kept_drop(struct og_kept *k);
const struct og_kept_chunk *og_kept_from(
	const struct og_kept *k, int64_t seq); /* the first from there on; NULL: none */

#endif
