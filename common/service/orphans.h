/* The processes of a supervisor that is no more. A supervisor that is killed takes nothing with it, and a second
 * broker on the folder of a first must never be: so whoever supervises a root next ends them.
 *
 * They are known by a variable in their environment, as it was when they were started (/proc/<pid>/environ): it passes
 * on to all that they start, holds where a parent has gone or a child has left its group, and needs no records that
 * could be out of date. */
#ifndef OG_SERVICE_ORPHANS_H
#define OG_SERVICE_ORPHANS_H

#include <stdint.h>

#define OG_ORPHAN_VARIABLE "OG_SUPERVISED_ROOT" /* its value: the root's real path */

/* SIGTERM to each, after `ms` SIGKILL to those that are left; blocks until all have gone. Returns how many there
 * were. */
unsigned og_orphans_end(const char *root, int64_t ms);

#endif
