#include "base/options.h"

#include "leaks.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(options, .timeout = 60);

struct values {
	bool flag;
	const char *text, *id;
	struct og_list list;
	int64_t number, time;
	double real;
};

#define AT(field) offsetof(struct values, field)

static const struct og_option rows[] = {
	{"flag", 'f', NULL, OG_OPTION_FLAG, AT(flag), 0, 0, "a flag"},
	{"text", 't', "TEXT", OG_OPTION_TEXT, AT(text), 0, 0, "a text"},
	{"list", 0, "ITEM", OG_OPTION_LIST, AT(list), 0, 0, "a list"},
	{"number", 'n', "N", OG_OPTION_INT, AT(number), 1, 10, "a number"},
	{"real", 0, "R", OG_OPTION_REAL, AT(real), 0, 2, "a real"},
	{"time", 0, "TIME", OG_OPTION_DURATION, AT(time), 100, 60000, "a time"},
	{"id", 0, "UUID", OG_OPTION_UUID, AT(id), 0, 0, "an id"},
};

#define N (sizeof(rows) / sizeof(rows[0]))

/* Splits `line` at spaces into words and parses them; returns the number of arguments, or -1. */
static int parse(const char *line, struct values *ret, char **ret_args, struct og_error *err)
{
	static char copy[512];
	static char *words[32];
	struct og_options set = {rows, N, ret};
	int argc = 0, n = -1;

	*ret = (struct values){0};
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		words[argc++] = word;
	if (og_options_parse(&set, 1, argc, words, &n, err) < 0)
		return -1;
	for (int i = 0; i < n && ret_args; i++)
		ret_args[i] = words[i];
	return n;
}

Test(options, every_form)
{
	char *args[8];
	struct values v;
	struct og_error err;

	cr_assert_eq(parse("one -f --text hello two --number=7 --list a --list=b --real 0.5 --time 2s three "
			   "--id 6f1c4a52-0000-4000-8000-000000000001",
			     &v, args, &err),
		3, "%s", err.message);
	cr_assert_str_eq(args[0], "one");
	cr_assert_str_eq(args[2], "three");
	cr_assert(v.flag);
	cr_assert_str_eq(v.text, "hello");
	cr_assert_eq(v.number, 7);
	cr_assert_eq(v.list.n, 2);
	cr_assert_str_eq(v.list.items[1], "b");
	cr_assert_null(v.list.items[2]);
	cr_assert_float_eq(v.real, 0.5, 1e-9);
	cr_assert_eq(v.time, 2000);
	cr_assert_str_eq(v.id, "6f1c4a52-0000-4000-8000-000000000001");
}

Test(options, short_forms)
{
	struct values v;

	cr_assert_eq(parse("-n 3 -thello", &v, NULL, NULL), 0);
	cr_assert_eq(v.number, 3);
	cr_assert_str_eq(v.text, "hello");
}

Test(options, dashes)
{
	char *args[8];
	struct values v;

	cr_assert_eq(parse("- --flag -- --flag -x", &v, args, NULL), 3);
	cr_assert(v.flag);
	cr_assert_str_eq(args[0], "-");
	cr_assert_str_eq(args[1], "--flag");
	cr_assert_str_eq(args[2], "-x");
	cr_assert_eq(parse("--text - --text -5", &v, NULL, NULL), 0, "a value may begin with a dash");
	cr_assert_str_eq(v.text, "-5");
}

Test(options, mistakes_are_named)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{"--flog", "did you mean --flag?"},
		{"--wildly-different", "unknown option --wildly-different"},
		{"-x", "unknown option -x"},
		{"-5", "goes after --"},
		{"--number", "--number wants a value: --number N"},
		{"--number 11", "--number: "},
		{"--number 3x", "--number: "},
		{"--real nan", "--real: "},
		{"--time soon", "--time: "},
		{"--id 42", "is no UUID"},
		{"--flag=yes", "--flag takes no value"},
		{"-fx", "--flag takes no value"},
		{"--text=", "--text: is empty"},
	};
	struct values v;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct og_error err = {0};

		cr_assert_eq(parse(cases[i].line, &v, NULL, &err), -1, "%s", cases[i].line);
		cr_assert_eq(err.kind, OG_INVALID);
		cr_assert(strstr(err.message, cases[i].says), "%s: %s", cases[i].line, err.message);
	}
}

Test(options, a_list_has_an_end)
{
	struct values v;
	struct og_error err;
	struct og_options set = {rows, N, &v};
	char *argv[2 * (OG_LIST_MAX + 1)], name[] = "--list", value[] = "x";
	int n;

	v = (struct values){0};
	for (size_t i = 0; i < 2 * (OG_LIST_MAX + 1); i++)
		argv[i] = i % 2 ? value : name;
	cr_assert_eq(og_options_parse(&set, 1, 2 * OG_LIST_MAX, argv, &n, &err), 0);
	v = (struct values){0};
	cr_assert_eq(og_options_parse(&set, 1, 2 * (OG_LIST_MAX + 1), argv, &n, &err), -1);
}

Test(options, help_has_a_line_for_each)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	og_options_print(rows, N, false, out);
	fclose(out);
	cr_assert(strstr(text, "-n, --number N"));
	cr_assert(strstr(text, "    --list ITEM"));
	cr_assert(strstr(text, "a time\n"));
	free(text);
}
