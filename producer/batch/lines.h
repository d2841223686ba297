/* A file or a pipe as lines, in constant memory: one read at a time, when its owner says so, and never more than one line
 * held. A line above the cap is told as such, and skipped. */
#ifndef OG_BATCH_LINES_H
#define OG_BATCH_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct og_lines {
	int fd;
	struct og_buf held; /* read, and not all handed out */
	size_t at;          /* where the next line begins in it */
	size_t scanned;     /* up to here there is no newline */
	bool end;           /* of the file */
	bool skipping;      /* in a line that is too long */
	int64_t number;     /* of the last line, from 1 */
	int64_t offset;     /* in the file, behind the last line */
};

enum og_line {
	OG_LINE,        /* *ret is it, without its newline, until the next call */
	OG_LINE_LONG,   /* one that was too long, and is skipped */
	OG_LINE_TORN,   /* the last one, which has no newline at its end */
	OG_LINE_WANTED, /* nothing more is held: og_lines_fill, then ask again */
	OG_LINE_END,
};

void og_lines_init(struct og_lines *l, int fd, size_t cap); /* cap: bytes of one line */
void og_lines_done(struct og_lines *l);                     /* `fd` stays open */

enum og_line og_lines_next(struct og_lines *l, const char **ret, size_t *ret_len);
int og_lines_fill(struct og_lines *l, struct og_error *err); /* one read; INVALID where it fails */

#endif
