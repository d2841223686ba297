#include "options.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static char words[256]; /* what a parsed command points into */

static int parse(const char *line, struct og_gauge_command *ret)
{
	char *argv[16], *rest = NULL;
	int argc = 0;

	strcpy(words, line);
	for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	argv[argc] = NULL;
	return og_gauge_command_parse(argc, argv, ret, NULL);
}

TestSuite(options, .timeout = 60);

Test(options, without_any_it_writes_and_shows_the_machine)
{
	struct og_gauge_command c;

	cr_assert_eq(parse("og-gauge", &c), 0);
	cr_expect_not(c.json || c.print_only || c.eligible || c.bench || c.sample || c.help);
	cr_expect_null(c.root);
	cr_expect_null(c.catalogue);
}

Test(options, all_of_them)
{
	struct og_gauge_command c;

	cr_assert_eq(
		parse("og-gauge --json --print --eligible --bench --sample --root=/r --catalogue c.ini --help", &c), 0);
	cr_expect(c.json && c.print_only && c.eligible && c.bench && c.sample && c.help);
	cr_expect_str_eq(c.root, "/r");
	cr_expect_str_eq(c.catalogue, "c.ini");
}

Test(options, unknown_incomplete_or_unwanted_ones_are_refused)
{
	static const char *const bad[] = {"og-gauge --nonsense", "og-gauge -x", "og-gauge --root", "og-gauge --json=1",
		"og-gauge argument", "og-gauge --json -- --print"};
	struct og_gauge_command c;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(parse(bad[i], &c), -1, "%s", bad[i]);
}

Test(options, help_names_every_option_and_exit_status)
{
	static const char *const wanted[] = {"--print", "--eligible", "--bench", "--json", "--root", "--catalogue",
		"--sample", "--help", "\n  0 ", "\n  1 ", "\n  2 ", "\n  3 ", "\n  4 "};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	og_gauge_command_help(out);
	fclose(out);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		cr_expect(strstr(text, wanted[i]), "%s", wanted[i]);
	free(text);
}
