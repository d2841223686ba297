/* A page of the folder of files: those that have had their name for so long that they should have their record too. Pure but for
 * the folder; may be called from any thread. */
#ifndef OG_GATEWAY_FILES_STRAY_PAGE_H
#define OG_GATEWAY_FILES_STRAY_PAGE_H

#include <dirent.h>
#include <stdbool.h>

#include "api/files.h"
#include "store/records.h"

#define OG_STRAY_PAGE OG_RECORDS_KNOWN

struct og_stray_page {
	char ids[OG_STRAY_PAGE][OG_FILE_ID_SIZE];
	bool known[OG_STRAY_PAGE]; /* by the store: to be filled by the caller */
	size_t n;
};

/* The next of `dir` that were last written before `before_ms` (since the Unix epoch); n is 0 where there are no more. */
void og_stray_page_read(DIR *dir, int64_t before_ms, struct og_stray_page *ret);
/* Removes those that are not known, but what was written since. Returns how many. */
size_t og_stray_page_remove(DIR *dir, int64_t before_ms, const struct og_stray_page *page);

#endif
