/* The files of a batch: answers go to one, errors to the other, a line each, and what they hold when the batch begins is what
 * need not be asked again. They are all that there is to a checkpoint. */
#ifndef OG_BATCH_FILES_H
#define OG_BATCH_FILES_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "batch/marks.h"

#define OG_BATCH_DOUBLED "duplicate_custom_id" /* the error of a line whose custom id stands further up */

struct og_batch_files {
	int output, errors;       /* may be the same: stdout */
	int64_t answered, failed; /* lines that were in them, and that were added */
};

/* Opens both, makes them where they are missing, and marks what they hold; NULL for either: stdout, which holds nothing. A
 * last line that was torn is cut off. INVALID: one cannot be opened, is the input (`input` may be NULL), is in another
 * batch's hands, or holds what no batch wrote: then it is left as it is. */
int og_batch_files_open(struct og_batch_files *f, const char *output, const char *errors, const struct stat *input,
	struct og_marks *marks, struct og_error *err);
void og_batch_files_close(struct og_batch_files *f);

/* One line, which ends with a newline, in one write. FATAL: it cannot be written. */
int og_batch_files_answer(struct og_batch_files *f, const char *line, struct og_error *err);
int og_batch_files_error(struct og_batch_files *f, const char *line, struct og_error *err);

#endif
