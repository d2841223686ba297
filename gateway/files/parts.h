/* What is written into the folder of files lies there as `*.part` until it is whole. Whoever writes one touches it: one that nobody
 * has touched for long is of a gateway that died. Pure but for the folder; may be called from any thread. */
#ifndef OG_GATEWAY_FILES_PARTS_H
#define OG_GATEWAY_FILES_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OG_PART_OLD_MS (INT64_C(60) * 60 * 1000)

/* Removes those in `folder` that were last touched before `before_ms` (since the Unix epoch). Returns how many; -1 and errno: the
 * folder cannot be read. */
int og_parts_sweep(const char *folder, int64_t before_ms);
/* Whether `name` in the folder `dir` (a descriptor) is a file that was last touched before then. */
bool og_part_is_old(int dir, const char *name, int64_t before_ms);

#endif
