#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static void close_at(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* A missing file is the caller's mistake; a full disk may have room later; anything else is for a person to mend. */
static enum og_kind kind_of(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
	case ENAMETOOLONG:
		return OG_INVALID;
	case ENOSPC:
	case EDQUOT:
	case EINTR:
	case EMFILE:
	case ENFILE:
		return OG_RETRY;
	}
	return OG_FATAL;
}

static int fail_errno(struct og_error *err, const char *verb, const char *path)
{
	return og_fail(err, kind_of(errno), "cannot %s %s: %s", verb, path, strerror(errno));
}

int og_file_read(const char *path, size_t cap, char **ret, size_t *ret_len, struct og_error *err)
{
	OG_CLEANUP(close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	og_autofree char *data = NULL;
	size_t len = 0, room = 0;

	if (fd < 0)
		return fail_errno(err, "open", path);
	for (;;) {
		ssize_t n;

		if (len == room) {
			room = room ? 2 * room : 4096;
			data = og_realloc(data, room + 1);
		}
		n = read(fd, data + len, room - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(err, "read", path);
		if (!n)
			break;
		len += (size_t)n;
		if (len > cap)
			return og_fail(err, OG_INVALID, "%s is longer than %zu bytes", path, cap);
	}
	data[len] = '\0';
	*ret = OG_TAKE(data);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int og_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The rename itself reaches the disk with the folder. */
static int sync_folder_of(const char *path)
{
	og_autofree char *copy = og_strdup(path);
	OG_CLEANUP(close_at) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -1 : fsync(fd);
}

int og_file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct og_error *err)
{
	og_autofree char *temporary = og_printf("%s.XXXXXX", path);
	OG_CLEANUP(close_at) int fd = mkostemp(temporary, O_CLOEXEC);

	if (fd < 0)
		return fail_errno(err, "write", path);
	if (og_write_all(fd, data, len) || fchmod(fd, mode) || fsync(fd) || rename(temporary, path)) {
		fail_errno(err, "write", path);
		unlink(temporary);
		return -1;
	}
	return sync_folder_of(path) ? fail_errno(err, "write", path) : 0;
}

int og_mkdir_p(const char *path, mode_t mode, struct og_error *err)
{
	og_autofree char *copy = og_strdup(path);
	struct stat st;

	for (char *p = copy; *p; p++) {
		if (*p != '/' || p == copy)
			continue;
		*p = '\0';
		if (mkdir(copy, mode) && errno != EEXIST)
			return fail_errno(err, "make folder", copy);
		*p = '/';
	}
	if (mkdir(copy, mode) && errno != EEXIST)
		return fail_errno(err, "make folder", path);
	if (stat(path, &st))
		return fail_errno(err, "make folder", path);
	if (!S_ISDIR(st.st_mode))
		return og_fail(err, OG_INVALID, "cannot make folder %s: a file of that name is in the way", path);
	return 0;
}

char *og_path_join(const char *a, const char *b)
{
	size_t n = strlen(a);

	return og_printf("%s%s%s", a, n && a[n - 1] == '/' ? "" : "/", b);
}
