/* Files: whole or not at all. */
#ifndef OG_BASE_FILE_H
#define OG_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* Reads at most cap bytes; a longer file is an error. *ret is NUL-terminated and the caller's to free. Missing:
 * OG_INVALID. */
int og_file_read(const char *path, size_t cap, char **ret, size_t *ret_len, struct og_error *err);

/* Writes beside the target, fsyncs, then renames: readers see the old file or the new one. A full disk leaves the old. */
int og_file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct og_error *err);

/* All of it, however often it takes. -1: errno says why, and some may have been written. */
int og_write_all(int fd, const void *data, size_t len);

int og_mkdir_p(const char *path, mode_t mode, struct og_error *err);
char *og_path_join(const char *a, const char *b); /* "a/b"; caller frees */

#endif
