#include "files/parts.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_part(const char *name)
{
	static const char end[] = ".part";
	size_t len = strlen(name);

	return len > strlen(end) && !strcmp(name + len - strlen(end), end);
}

bool og_part_is_old(int dir, const char *name, int64_t before_ms)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 < before_ms;
}

int og_parts_sweep(const char *folder, int64_t before_ms)
{
	DIR *dir = opendir(folder);
	const struct dirent *at;
	int n = 0;

	if (!dir)
		return -1;
	while ((at = readdir(dir)))
		if (is_part(at->d_name) && og_part_is_old(dirfd(dir), at->d_name, before_ms))
			n += unlinkat(dirfd(dir), at->d_name, 0) == 0;
	closedir(dir);
	return n;
}
