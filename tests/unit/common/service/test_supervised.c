#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service/supervisor.h"

TestSuite(supervised, .timeout = 60);

static char dir[] = "/tmp/og-supervised-XXXXXX";

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
}

static void teardown(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	cr_assert_eq(system(command), 0);
}

static int parse(const char *file, const char *text, struct og_supervised *ret, struct og_error *err)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	return og_supervised_parse(path, ret, err);
}

Test(supervised, reads_all_there_is, .init = setup, .fini = teardown)
{
	struct og_supervised s;
	struct og_error err = {0};

	cr_assert_eq(parse("20-og-worker-NodeA.ini",
			     "[service]\n"
			     "command = /usr/bin/env \"a b\" c\\ d e\"f g\"h \"\" \\\"x ; said so\n"
			     "env.OG_A = 1\nenv.B = two words\nready = tcp:127.0.0.1:5672\nstop_ms = 250\n",
			     &s, &err),
		0, "%s", err.message);
	cr_assert_str_eq(s.name, "og-worker-NodeA");
	cr_assert_str_eq(s.args[0], "/usr/bin/env");
	cr_assert_str_eq(s.args[1], "a b");
	cr_assert_str_eq(s.args[2], "c d");
	cr_assert_str_eq(s.args[3], "ef gh");
	cr_assert_str_eq(s.args[4], "");
	cr_assert_str_eq(s.args[5], "\"x");
	cr_assert_null(s.args[6]);
	cr_assert_str_eq(s.env[0], "OG_A=1");
	cr_assert_str_eq(s.env[1], "B=two words");
	cr_assert_null(s.env[2]);
	cr_assert_str_eq(s.ready, "tcp:127.0.0.1:5672");
	cr_assert_eq(s.stop_ms, 250);
	og_supervised_done(&s);
}

Test(supervised, has_defaults, .init = setup, .fini = teardown)
{
	struct og_supervised s;

	cr_assert_eq(parse("1-x.ini", "[service]\ncommand = true\nready = none\n", &s, NULL), 0);
	cr_assert_str_eq(s.ready, "");
	cr_assert_eq(s.stop_ms, 10000);
	cr_assert_null(s.env[0]);
	og_supervised_done(&s);
}

Test(supervised, says_what_is_wrong_and_where, .init = setup, .fini = teardown)
{
	static const struct {
		const char *file, *text, *expected;
	} cases[] = {
		{"1-x.ini", "[service]\n", "no command"},
		{"1-x.ini", "[service]\ncommand =\n", "1-x.ini:2: command is empty"},
		{"1-x.ini", "[service]\ncommand = \"a\n", "not closed"},
		{"1-x.ini", "[service]\ncommand = a\ncommand = b\n", "1-x.ini:3: command is there twice"},
		{"1-x.ini", "[service]\ncommand = a\nready = http://x\n", "1-x.ini:3: ready is"},
		{"1-x.ini", "[service]\ncommand = a\nready = tcp:5672\n", "ready is"},
		{"1-x.ini", "[service]\ncommand = a\nstop_ms = soon\n", "stop_ms"},
		{"1-x.ini", "[service]\ncommand = a\nrestart = yes\n", "unknown key 'restart'"},
		{"1-x.ini", "[unit]\ncommand = a\n", "[service]"},
		{"x.ini", "[service]\ncommand = a\n", "<nn>-<name>.ini"},
		{"1-.ini", "[service]\ncommand = a\n", "<nn>-<name>.ini"},
		{"1-a b.ini", "[service]\ncommand = a\n", "letters, digits"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct og_supervised s = {.stop_ms = 77};
		struct og_error err = {0};

		cr_expect_eq(parse(cases[i].file, cases[i].text, &s, &err), -1, "%s", cases[i].text);
		cr_expect_eq(err.kind, OG_INVALID, "%s", cases[i].text);
		cr_expect_not_null(strstr(err.message, cases[i].expected), "'%s' does not say '%s'", err.message,
			cases[i].expected);
		cr_expect_eq(s.stop_ms, 77, "the output was touched");
	}
}

Test(supervised, refuses_more_words_than_there_is_room_for, .init = setup, .fini = teardown)
{
	char text[256] = "[service]\ncommand =";
	struct og_supervised s;
	struct og_error err = {0};

	for (int i = 0; i <= OG_SUPERVISED_ARGS; i++)
		strcat(text, " w");
	strcat(text, "\n");
	cr_assert_eq(parse("1-x.ini", text, &s, &err), -1);
	cr_assert_not_null(strstr(err.message, "more than 32 words"), "%s", err.message);
}
