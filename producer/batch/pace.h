/* How fast a batch goes: when to ask again after "busy", and what the user is told of the speed. Pure. */
#ifndef OG_BATCH_PACE_H
#define OG_BATCH_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backoff.h"

#define OG_PACE_MAX_MS 60000 /* the longest that one "busy" holds it up */

struct og_pace {
	int64_t until_ms; /* nothing is sent before */
	struct og_backoff backoff;
};

void og_pace_init(struct og_pace *p);
/* The cluster was busy, in these words (may be NULL): "…, try in 5 s" is believed, else it waits longer each time in a row. Those
 * that come while it waits already change nothing: they were sent before. */
void og_pace_busy(struct og_pace *p, int64_t now, const char *words, uint32_t random);
void og_pace_well(struct og_pace *p); /* something was answered */

/* The whole of a batch, as far as it can be told. */
struct og_progress {
	int64_t began_ms;       /* when this run began */
	int64_t lines, bytes;   /* of the input that were read */
	int64_t size;           /* of the input; 0: a pipe */
	int64_t done;           /* lines that are through, those of before included */
	int64_t done_here;      /* of them, in this run */
	int64_t failed, flying; /* through with an error; on their way */
};

/* "45%: 450,000 of about 1,000,000, 120.5/s, 1h 12m left, 3 failed, 64 in flight"; with a bar before it, where that is
 * wanted and the whole is known. The caller frees. */
char *og_progress_words(const struct og_progress *p, int64_t now, bool bar);

#endif
