/* How many lines a file has, a piece of it at a time: a line may be without an end, and is never read whole for this. Pure. */
#ifndef OG_GATEWAY_BATCH_COUNT_H
#define OG_GATEWAY_BATCH_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OG_BATCH_LINE_MAX (8u * 1024 * 1024) /* bytes */

/* Zeroed at first. */
struct og_batch_count {
	int64_t lines; /* that say something, and have ended */
	size_t length; /* of the one that has not */
	bool says;
};

/* -1: a line is above OG_BATCH_LINE_MAX. */
int og_batch_count_piece(struct og_batch_count *c, const char *piece, size_t len);
int64_t og_batch_count_end(const struct og_batch_count *c); /* the last line needs no newline */

#endif
