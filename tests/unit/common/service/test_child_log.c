#include "service/child_log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(child_log, .timeout = 60);

static char dir[] = "/tmp/og-log-XXXXXX", path[64], old[64];

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.log", dir);
	snprintf(old, sizeof(old), "%s/x.log.1", dir);
}

static void teardown(void)
{
	unlink(path);
	unlink(old);
	cr_assert_eq(rmdir(dir), 0);
}

static char *contents(const char *file)
{
	static char text[4096];
	FILE *f = fopen(file, "r");

	cr_assert_not_null(f, "%s", file);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

Test(child_log, goes_on_at_the_start_when_it_was_full, .init = setup, .fini = teardown)
{
	int fd;

	cr_assert_eq(og_child_log_open(path, &fd, NULL), 0);
	cr_assert_eq(write(fd, "0123456789", 10), 10);
	og_child_log_rotate(path, 9);
	cr_assert_eq(write(fd, "new\n", 4), 4);
	cr_assert_str_eq(contents(old), "0123456789");
	cr_assert_str_eq(contents(path), "new\n");
	close(fd);
}

Test(child_log, is_left_alone_below_its_cap, .init = setup, .fini = teardown)
{
	int fd;

	cr_assert_eq(og_child_log_open(path, &fd, NULL), 0);
	cr_assert_eq(write(fd, "0123456789", 10), 10);
	og_child_log_rotate(path, 10);
	cr_assert_str_eq(contents(path), "0123456789");
	cr_assert_eq(access(old, F_OK), -1);
	close(fd);
}

Test(child_log, keeps_one_old_file, .init = setup, .fini = teardown)
{
	int fd;

	cr_assert_eq(og_child_log_open(path, &fd, NULL), 0);
	cr_assert_eq(write(fd, "the first", 9), 9);
	og_child_log_rotate(path, 1);
	cr_assert_eq(write(fd, "second", 6), 6);
	og_child_log_rotate(path, 1);
	cr_assert_str_eq(contents(old), "second");
	close(fd);
}

Test(child_log, is_for_its_user_alone, .init = setup, .fini = teardown)
{
	struct stat st;
	int fd;

	cr_assert_eq(og_child_log_open(path, &fd, NULL), 0);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_mode & 077, 0);
	close(fd);
}

Test(child_log, says_which_file_cannot_be_opened, .init = setup, .fini = teardown)
{
	struct og_error err = {0};
	int fd = -7;

	cr_assert_eq(og_child_log_open("/nowhere/x.log", &fd, &err), -1);
	cr_assert_eq(fd, -7);
	cr_assert_not_null(strstr(err.message, "/nowhere/x.log"), "%s", err.message);
}
