#include "ini_edit.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(ini_edit, .timeout = 10);

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
