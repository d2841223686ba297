#include "files/parts.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/og-parts-XXXXXX";

static void make(const char *name, time_t at_s)
{
	const struct timespec times[2] = {{.tv_sec = at_s}, {.tv_sec = at_s}};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(futimens(fd, times), 0);
	close(fd);
}

/* Whether it is there; it is not, after. */
static int take(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return unlink(path) == 0;
}

Test(parts, only_old_ones_go)
{
	cr_assert(mkdtemp(folder));
	make("a.part", 1000);
	make("b.part", 3000);
	make("file-1", 1000);
	make(".part", 1000);
	cr_expect_eq(og_parts_sweep(folder, 2000 * 1000), 1);
	cr_expect_not(take("a.part"));
	cr_expect(take("b.part") && take("file-1") && take(".part"));
	rmdir(folder);
}

Test(parts, a_folder_that_is_not_there_is_said)
{
	cr_expect_eq(og_parts_sweep("/nowhere/at/all", 1), -1);
}
