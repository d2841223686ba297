/* A folder that stands for / in the gauge's tests: files of /proc and /sys are put into it. */
#ifndef OG_TEST_GAUGE_TREE_H
#define OG_TEST_GAUGE_TREE_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "io/gauge.h"

static char tree[64];

static inline int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void tree_done(void)
{
	nftw(tree, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes `text` to <tree><path>, which begins with a slash. */
static inline void put(const char *path, const char *text, mode_t mode)
{
	og_autofree char *whole = og_printf("%s%s", tree, path);
	og_autofree char *folder = og_strdup(whole);
	struct og_error err = {0};

	cr_assert_eq(og_mkdir_p(dirname(folder), 0700, &err), 0, "%s", err.message);
	cr_assert_eq(og_file_write_atomic(whole, text, strlen(text), mode, &err), 0, "%s", err.message);
}

static inline void tree_new(void)
{
	strcpy(tree, "/tmp/og-gauge-XXXXXX");
	cr_assert_not_null(mkdtemp(tree));
	put("/proc/meminfo",
		"MemTotal:       16384000 kB\n"
		"MemFree:          100000 kB\n"
		"MemAvailable:    8192000 kB\n"
		"SwapTotal:       1024000 kB\n",
		0600);
	put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\n\nprocessor\t: 1\nmodel name\t: Other\n",
		0600);
}

#define TREE_RAM_TOTAL     (INT64_C(16384000) * 1024)
#define TREE_RAM_AVAILABLE (INT64_C(8192000) * 1024)

static inline struct og_profile gauge_tree(void)
{
	og_autofree char *no_program = og_printf("%s/no-nvidia-smi", tree);
	const struct og_gauge_options options = {.root = tree, .prefix = tree, .nvidia_smi = no_program};
	struct og_profile p;

	og_gauge_read(&options, &p);
	return p;
}

#endif
