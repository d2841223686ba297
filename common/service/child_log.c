#include "service/child_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

int og_child_log_open(const char *path, int *ret, struct og_error *err)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return og_fail(err, OG_RETRY, "cannot open %s: %s", path, strerror(errno));
	*ret = fd;
	return 0;
}

static bool copy(int from, int to)
{
	ssize_t n;

	while ((n = sendfile(to, from, NULL, 1 << 20)) > 0)
		;
	return n == 0;
}

void og_child_log_rotate(const char *path, long long cap)
{
	og_autofree char *old = og_printf("%s.1", path);
	int from = open(path, O_RDWR | O_CLOEXEC), to = -1;
	struct stat st;

	if (from >= 0 && fstat(from, &st) == 0 && st.st_size > cap) {
		to = open(old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		/* Where the copy cannot be had the disk is full, and the log must not be what keeps it so. */
		if (to < 0 || !copy(from, to))
			unlink(old);
		(void)!ftruncate(from, 0);
	}
	if (to >= 0)
		close(to);
	if (from >= 0)
		close(from);
}
