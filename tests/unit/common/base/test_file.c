#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "leaks.h"
#include "scratch.h"

TestSuite(file, .init = scratch_init, .fini = scratch_fini, .timeout = 60);

static int count_files(void)
{
	og_autofree char *command = og_printf("ls -A %s | wc -l", scratch);
	FILE *p = popen(command, "r");
	int n = -1;

	cr_assert_eq(fscanf(p, "%d", &n), 1);
	pclose(p);
	return n;
}

Test(file, what_is_written_is_read)
{
	og_autofree char *path = og_strdup(scratch_path("f"));
	og_autofree char *text = NULL;
	struct og_error err = {0};
	struct stat st;
	size_t len = 0;

	cr_assert_eq(og_file_write_atomic(path, "a\0bc", 4, 0640, &err), 0, "%s", err.message);
	cr_assert_eq(og_file_read(path, 4, &text, &len, &err), 0, "%s", err.message);
	cr_assert_eq(len, 4);
	cr_assert_eq(memcmp(text, "a\0bc", 5), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0640);
	cr_assert_eq(count_files(), 1);
}

Test(file, a_second_write_replaces_the_whole)
{
	og_autofree char *path = og_strdup(scratch_path("f"));
	og_autofree char *text = NULL;

	cr_assert_eq(og_file_write_atomic(path, "long text", 9, 0600, NULL), 0);
	cr_assert_eq(og_file_write_atomic(path, "new", 3, 0600, NULL), 0);
	cr_assert_eq(og_file_read(path, 100, &text, NULL, NULL), 0);
	cr_assert_str_eq(text, "new");
}

Test(file, empty_and_large_files)
{
	og_autofree char *path = og_strdup(scratch_path("f"));
	og_autofree char *large = og_alloc(1000000);
	og_autofree char *empty_text = NULL;
	og_autofree char *large_text = NULL;
	size_t len = 99;

	cr_assert_eq(og_file_write_atomic(path, "", 0, 0600, NULL), 0);
	cr_assert_eq(og_file_read(path, 0, &empty_text, &len, NULL), 0);
	cr_assert_eq(len, 0);
	cr_assert_str_eq(empty_text, "");
	memset(large, 'x', 1000000);
	cr_assert_eq(og_file_write_atomic(path, large, 1000000, 0600, NULL), 0);
	cr_assert_eq(og_file_read(path, 1000000, &large_text, &len, NULL), 0);
	cr_assert_eq(len, 1000000);
	cr_assert_eq(memcmp(large, large_text, len), 0);
}

Test(file, errors_say_what_and_leave_the_output)
{
	struct og_error err = {0};
	char *text = NULL;

	cr_assert_eq(og_file_read(scratch_path("none"), 10, &text, NULL, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert_not_null(strstr(err.message, "/none: No such file"));
	scratch_write("long", "12345678901");
	cr_assert_eq(og_file_read(scratch_path("long"), 10, &text, NULL, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert_not_null(strstr(err.message, "is longer than 10 bytes"));
	cr_assert_eq(og_file_read(scratch, 10, &text, NULL, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert_null(text);
	cr_assert_eq(og_file_write_atomic(scratch_path("no/f"), "x", 1, 0600, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
}

/* A limit on the size of files stands for the disk that is full in the middle of a write. */
Test(file, a_write_that_fails_leaves_the_old_file)
{
	og_autofree char *path = og_strdup(scratch_path("f"));
	og_autofree char *large = og_alloc(100000);
	og_autofree char *text = NULL;
	struct rlimit limit = {4096, 4096};
	struct og_error err = {0};

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(og_file_write_atomic(path, "old", 3, 0600, NULL), 0);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(og_file_write_atomic(path, large, 100000, 0600, &err), -1);
	cr_assert_not_null(strstr(err.message, "File too large"));
	cr_assert_eq(og_file_read(path, 100, &text, NULL, NULL), 0);
	cr_assert_str_eq(text, "old");
	cr_assert_eq(count_files(), 1);
}

Test(file, folders_with_their_parents)
{
	og_autofree char *deep = og_strdup(scratch_path("a/b/c"));
	struct og_error err = {0};
	struct stat st;

	cr_assert_eq(og_mkdir_p(deep, 0700, &err), 0, "%s", err.message);
	cr_assert_eq(stat(deep, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0700);
	cr_assert_eq(og_mkdir_p(deep, 0700, &err), 0, "%s", err.message);
	cr_assert_eq(og_mkdir_p(scratch_path("a//d/"), 0700, &err), 0, "%s", err.message);
	cr_assert_eq(stat(scratch_path("a/d"), &st), 0);
}

Test(file, a_file_in_the_way_of_a_folder)
{
	struct og_error err = {0};

	scratch_write("f", "");
	cr_assert_eq(og_mkdir_p(scratch_path("f"), 0700, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert_not_null(strstr(err.message, "in the way"));
	cr_assert_eq(og_mkdir_p(scratch_path("f/g"), 0700, &err), -1);
}

Test(file, paths_join_with_one_slash)
{
	og_autofree char *plain = og_path_join("a", "b");
	og_autofree char *slashed = og_path_join("a/", "b");
	og_autofree char *root = og_path_join("/", "b");

	cr_expect_str_eq(plain, "a/b");
	cr_expect_str_eq(slashed, "a/b");
	cr_expect_str_eq(root, "/b");
}
