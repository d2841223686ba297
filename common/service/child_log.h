/* The log of a child: it writes straight into the file, so that it goes on writing when we are gone, and needs to know
 * nothing of rotation. So a full one is rotated by copying it to <path>.1 and cutting it to nothing; as it is open for
 * appending, the child's next line is the first. A line written in the instant between the two is lost. */
#ifndef OG_SERVICE_CHILD_LOG_H
#define OG_SERVICE_CHILD_LOG_H

#include "base/error.h"

/* A descriptor to hand to the child and to close then. */
int og_child_log_open(const char *path, int *ret, struct og_error *err);
void og_child_log_rotate(const char *path, long long cap);

#endif
