/* A folder for one test, made before it and removed with all that is in it after it:
 * TestSuite(file, .init = scratch_init, .fini = scratch_fini, .timeout = 60). */
#ifndef OG_TESTS_SCRATCH_H
#define OG_TESTS_SCRATCH_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch[64];

static void scratch_init(void)
{
	snprintf(scratch, sizeof(scratch), "/tmp/og-test-XXXXXX");
	cr_assert_not_null(mkdtemp(scratch));
}

static int scratch_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void scratch_fini(void)
{
	nftw(scratch, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* The path of `name` in the folder; overwritten by the next call. */
static inline const char *scratch_path(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	return path;
}

static inline void scratch_write(const char *name, const char *text)
{
	FILE *f = fopen(scratch_path(name), "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

#endif
