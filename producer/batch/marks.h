/* What of a batch has been seen: custom ids and line numbers, of which there may be millions, as hashes of 62 bits with
 * two flags. A million takes 16 MiB. That two of a million are taken for one has a chance of one in nine million. */
#ifndef OG_BATCH_MARKS_H
#define OG_BATCH_MARKS_H

#include <stddef.h>
#include <stdint.h>

enum {
	OG_MARK_ANSWERED = 1, /* its answer, or its error, is in a file */
	OG_MARK_SEEN = 2,     /* it stands in the input, further up */
};

struct og_marks;

struct og_marks *og_marks_new(void);
void og_marks_free(struct og_marks *m);

uint64_t og_mark_of_id(const char *custom_id);
uint64_t og_mark_of_line(int64_t number); /* for a line that has no custom id of its own */

unsigned og_marks_get(const struct og_marks *m, uint64_t mark); /* its flags; 0: it was not seen */
void og_marks_add(struct og_marks *m, uint64_t mark, unsigned flags);

#endif
