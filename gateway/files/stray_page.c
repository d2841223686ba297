#include "files/stray_page.h"

#include <string.h>
#include <unistd.h>

#include "files/parts.h"

static bool is_file_id(const char *name)
{
	static const char begin[] = "file-";

	return strlen(name) == OG_FILE_ID_SIZE - 1 && !strncmp(name, begin, strlen(begin)) &&
	       strspn(name + strlen(begin), "0123456789abcdef") == OG_FILE_ID_SIZE - 1 - strlen(begin);
}

void og_stray_page_read(DIR *dir, int64_t before_ms, struct og_stray_page *ret)
{
	const struct dirent *at;

	ret->n = 0;
	while (ret->n < OG_STRAY_PAGE && (at = readdir(dir)))
		if (is_file_id(at->d_name) && og_part_is_old(dirfd(dir), at->d_name, before_ms))
			strcpy(ret->ids[ret->n++], at->d_name);
}

size_t og_stray_page_remove(DIR *dir, int64_t before_ms, const struct og_stray_page *page)
{
	size_t n = 0;

	for (size_t i = 0; i < page->n; i++)
		if (!page->known[i] && og_part_is_old(dirfd(dir), page->ids[i], before_ms))
			n += unlinkat(dirfd(dir), page->ids[i], 0) == 0;
	return n;
}
