#include "base/ini_edit.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "leaks.h"
#include "scratch.h"

TestSuite(ini_edit, .init = scratch_init, .fini = scratch_fini, .timeout = 60);

static void expect(const char *before, const char *after)
{
	char *text = og_ini_set(before, "broker", "endpoints", "b:1"), *again;

	cr_expect_str_eq(text, after);
	again = og_ini_set(text, "broker", "endpoints", "b:1");
	cr_expect_str_eq(again, after, "it is not idempotent");
	free(text);
	free(again);
}

Test(ini_edit, makes_the_file_and_the_section)
{
	expect("", "[broker]\nendpoints = b:1\n");
	expect("[node]\nname = a\n", "[node]\nname = a\n\n[broker]\nendpoints = b:1\n");
	expect("[node]\nname = a", "[node]\nname = a\n\n[broker]\nendpoints = b:1\n");
}

Test(ini_edit, replaces_the_value_where_it_stands)
{
	expect("# mine\n[broker]\n; why\n  endpoints=old ; said so\ntls = no\n\n[node]\nendpoints = other\n",
		"# mine\n[broker]\n; why\nendpoints = b:1\ntls = no\n\n[node]\nendpoints = other\n");
	expect("[broker]\nendpoints = old", "[broker]\nendpoints = b:1\n");
}

Test(ini_edit, adds_at_the_end_of_the_section)
{
	expect("[broker]\ntls = no\n; a word\n\n\n[node]\nname = a\n",
		"[broker]\ntls = no\n; a word\nendpoints = b:1\n\n\n[node]\nname = a\n");
	expect("[broker]\n", "[broker]\nendpoints = b:1\n");
	expect("[broker]", "[broker]\nendpoints = b:1\n");
	expect("[broker]\ntls = no", "[broker]\ntls = no\nendpoints = b:1\n");
}

Test(ini_edit, leaves_comments_and_keys_of_similar_names_alone)
{
	expect("[broker]\n; endpoints = a\n#endpoints = b\nendpoints_too = c\n",
		"[broker]\n; endpoints = a\n#endpoints = b\nendpoints_too = c\nendpoints = b:1\n");
	expect("[brokers]\nendpoints = a\n[ broker ] ; here\nx = 1\n",
		"[brokers]\nendpoints = a\n[ broker ] ; here\nx = 1\nendpoints = b:1\n");
}

Test(ini_edit, sets_the_last_of_two_because_that_one_counts)
{
	expect("[broker]\nendpoints = a\nendpoints = c\n", "[broker]\nendpoints = a\nendpoints = b:1\n");
}

Test(ini_edit, a_file_keeps_its_other_lines_and_is_private)
{
	og_autofree char *path = og_path_join(scratch, "config.ini");
	og_autofree char *text = NULL;
	struct og_error err = {0};
	struct stat st;

	cr_assert_eq(og_ini_set_file(path, "engine", "kind", "echo", &err), 0, "%s", err.message);
	cr_assert_eq(og_ini_set_file(path, "broker", "endpoints", "b:1", &err), 0, "%s", err.message);
	cr_assert_eq(og_ini_set_file(path, "engine", "kind", "openai", &err), 0, "%s", err.message);
	cr_assert_eq(og_file_read(path, 4096, &text, NULL, &err), 0, "%s", err.message);
	cr_expect_str_eq(text, "[engine]\nkind = openai\n\n[broker]\nendpoints = b:1\n");
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
}

Test(ini_edit, a_file_that_cannot_be_written_says_so)
{
	struct og_error err = {0};

	cr_expect_eq(og_ini_set_file("/proc/nowhere/config.ini", "a", "b", "c", &err), -1);
	cr_expect(strstr(err.message, "/proc/nowhere/config.ini"), "%s", err.message);
}

Test(ini_edit, a_file_that_says_it_already_is_not_written)
{
	struct stat before, after;

	scratch_write("config.ini", "[broker]\nendpoints = b:1\n");
	cr_assert_eq(stat(scratch_path("config.ini"), &before), 0);
	cr_assert_eq(og_ini_set_file(scratch_path("config.ini"), "broker", "endpoints", "b:1", NULL), 0);
	cr_assert_eq(stat(scratch_path("config.ini"), &after), 0);
	cr_expect_eq(before.st_ino, after.st_ino);
	cr_assert_eq(og_ini_set_file(scratch_path("config.ini"), "broker", "endpoints", "b:2", NULL), 0);
	cr_assert_eq(stat(scratch_path("config.ini"), &after), 0);
	cr_expect_neq(before.st_ino, after.st_ino);
}
