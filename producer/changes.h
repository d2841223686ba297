/* What has changed between two lists of jobs: for who watches them in a pipe. Pure. */
#ifndef OG_CHANGES_H
#define OG_CHANGES_H

#include <jansson.h>

struct og_changes;

struct og_changes *og_changes_new(void);
void og_changes_free(struct og_changes *c);

/* Of `jobs` (an array, the newest first, as the RPC `jobs` answers) those that are new, or in another state, attempt or
 * node than in the list before; the oldest first. The caller's to json_decref. Jobs that are not listed any more are
 * forgotten. */
json_t *og_changes_of(struct og_changes *c, const json_t *jobs);

/* "<time> <id> <state> <tier> [attempt N] [node]", the time being that of the last thing known. The caller frees. */
char *og_change_line(const json_t *job);

#endif
