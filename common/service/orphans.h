/* The processes of a supervisor that is no more. A supervisor that is killed takes nothing with it, and a second broker
 * on the folder of a first must never be: so whoever supervises a root next ends them.
 *
 * They are known in two ways, because neither finds all:
 * - by a variable in the environment that they were started with (/proc/<pid>/environ). It passes on to all that they
 *   start, also where that leaves its session. But a program may write over that memory: Redis puts its title there.
 * - by their session, whose leader's pid and start time stand in <root>/run/<name>.pid while it runs. */
#ifndef OG_SERVICE_ORPHANS_H
#define OG_SERVICE_ORPHANS_H

#include <stdint.h>
#include <sys/types.h>

#define OG_ORPHAN_VARIABLE "OG_SUPERVISED_ROOT" /* its value: the root's real path */

/* Writes and removes the record of a session. Best effort: without it there is still the variable. */
void og_orphans_note(const char *root, const char *name, pid_t leader);
void og_orphans_clear(const char *root, const char *name);

/* SIGTERM to each, after `ms` SIGKILL to those that are left; blocks until all have gone, and removes the records. Returns
 * how many there were. */
unsigned og_orphans_end(const char *root, int64_t ms);

#endif
