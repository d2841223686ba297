#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "base/config.h"
#include "leaks.h"
#include "scratch.h"

struct sample {
	char *name;
	int64_t count;
	bool on;
	int64_t wait_ms;
	int64_t room;
};

static const struct og_config_row rows[] = {
	{"main", "name", OG_CONFIG_STRING, offsetof(struct sample, name), "nobody", 0, 10, "OG_TEST_NAME", "Who."},
	{"main", "count", OG_CONFIG_INT, offsetof(struct sample, count), "3", 1, 9, NULL, "How many."},
	{"main", "on", OG_CONFIG_BOOL, offsetof(struct sample, on), "no", 0, 0, "OG_TEST_ON", "Whether."},
	{"limits", "wait", OG_CONFIG_DURATION, offsetof(struct sample, wait_ms), "5s", 100, 60000, "OG_TEST_WAIT",
		"How long."},
	{"limits", "room", OG_CONFIG_BYTES, offsetof(struct sample, room), "8MiB", 1024, INT64_C(1) << 30, NULL,
		"How much."},
};
#define ROWS rows, OG_COUNT(rows)

static struct sample s;

static void init(void)
{
	scratch_init();
	og_config_defaults(ROWS, &s);
}

static void fini(void)
{
	og_config_done(ROWS, &s);
	scratch_fini();
}

TestSuite(config, .init = init, .fini = fini, .timeout = 60);

static int read_text(const char *text, struct og_error *err)
{
	scratch_write("c.ini", text);
	return og_config_read_file(ROWS, &s, scratch_path("c.ini"), err);
}

/* The message without the folder's name, which differs from run to run. */
static const char *after_folder(const struct og_error *err)
{
	cr_assert(!strncmp(err->message, scratch, strlen(scratch)), "%s", err->message);
	return err->message + strlen(scratch) + 1;
}

Test(config, defaults)
{
	cr_expect_str_eq(s.name, "nobody");
	cr_expect_eq(s.count, 3);
	cr_expect_not(s.on);
	cr_expect_eq(s.wait_ms, 5000);
	cr_expect_eq(s.room, 8 << 20);
}

Test(config, a_wrong_default_aborts, .signal = SIGABRT)
{
	static const struct og_config_row wrong = {.section = "s", .key = "k", .type = OG_CONFIG_INT, .fallback = "x"};

	og_config_defaults(&wrong, 1, &(struct sample){0});
}

Test(config, a_file_overrides_defaults_and_the_last_of_a_key_counts)
{
	struct og_error err = {0};

	cr_assert_eq(read_text("; ours\n[main]\nname = gate way ; who\ncount = 4\ncount = 5\non = yes\n[limits]\n"
			       "wait = 250ms\nroom = 64KiB\n",
			     &err),
		0, "%s", err.message);
	cr_expect_str_eq(s.name, "gate way");
	cr_expect_eq(s.count, 5);
	cr_expect(s.on);
	cr_expect_eq(s.wait_ms, 250);
	cr_expect_eq(s.room, 65536);
}

Test(config, a_missing_file_is_none)
{
	cr_assert_eq(og_config_read_file(ROWS, &s, scratch_path("none"), NULL), 0);
}

Test(config, a_folder_is_an_error)
{
	struct og_error err = {0};

	cr_assert_eq(og_config_read_file(ROWS, &s, scratch, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
}

Test(config, mistakes_name_file_line_key_and_what_is_allowed)
{
	static const struct {
		const char *text, *message;
	} mistakes[] = {
		{"[main]\nname = 12345678901\n", "c.ini:2: main.name: 11 bytes long, at most 10 are allowed"},
		{"\n[main]\ncount = ten\n", "c.ini:3: main.count: 'ten' is not a whole number from 1 to 9"},
		{"[main]\ncount = 10\n", "c.ini:2: main.count: '10' is not a whole number from 1 to 9"},
		{"[main]\ncount =\n", "c.ini:2: main.count: '' is not a whole number from 1 to 9"},
		{"[main]\non = perhaps\n",
			"c.ini:2: main.on: 'perhaps' is neither yes nor no (1/0, yes/no, true/false, on/off)"},
		{"[limits]\nwait = 2m\n",
			"c.ini:2: limits.wait: '2m' is not a duration from 100ms to 1m (250ms, 30s, 5m, 2h, 1d)"},
		{"[limits]\nroom = 1\n",
			"c.ini:2: limits.room: '1' is not a size from 1KiB to 1GiB (512, 64KiB, 8MiB, 2GiB)"},
		{"[main]\nnmae = x\n", "c.ini:2: unknown key main.nmae; the nearest is main.name"},
		{"[limit]\nroom = 1\n", "c.ini:2: unknown key limit.room; the nearest is limits.room"},
		{"room = 1\n", "c.ini:1: unknown key .room; the nearest is limits.room"},
		{"[main]\nname\n", "c.ini:2: neither [section] nor key = value"},
	};

	for (size_t i = 0; i < OG_COUNT(mistakes); i++) {
		struct og_error err = {0};

		cr_expect_eq(read_text(mistakes[i].text, &err), -1, "%s", mistakes[i].text);
		cr_expect_eq(err.kind, OG_INVALID);
		cr_expect_str_eq(after_folder(&err), mistakes[i].message);
	}
	cr_expect_str_eq(s.name, "nobody");
	cr_expect_eq(s.count, 3);
}

Test(config, the_environment_overrides_and_empty_is_unset)
{
	struct og_error err = {0};

	setenv("OG_TEST_NAME", "env", 1);
	setenv("OG_TEST_ON", "1", 1);
	setenv("OG_TEST_WAIT", "", 1);
	cr_assert_eq(og_config_read_env(ROWS, &s, &err), 0, "%s", err.message);
	cr_expect_str_eq(s.name, "env");
	cr_expect(s.on);
	cr_expect_eq(s.wait_ms, 5000);
	setenv("OG_TEST_WAIT", "soon", 1);
	cr_assert_eq(og_config_read_env(ROWS, &s, &err), -1);
	cr_expect(
		!strncmp(err.message, "environment variable OG_TEST_WAIT: limits.wait: 'soon'", 54), "%s", err.message);
	setenv("OG_TEST_WAIT", "", 1);
	setenv("OG_TEST_NAME", "a\nb", 1);
	cr_expect_eq(og_config_read_env(ROWS, &s, &err), -1);
	setenv("OG_TEST_NAME", "a\xff", 1);
	cr_expect_eq(og_config_read_env(ROWS, &s, &err), -1);
	cr_expect_str_eq(s.name, "env");
}

Test(config, one_assignment)
{
	struct og_error err = {0};

	cr_assert_eq(og_config_set(ROWS, &s, "main.name=a=b.c", &err), 0, "%s", err.message);
	cr_expect_str_eq(s.name, "a=b.c");
	cr_assert_eq(og_config_set(ROWS, &s, "main.name=", &err), 0, "%s", err.message);
	cr_expect_str_eq(s.name, "");
	cr_expect_eq(og_config_set(ROWS, &s, "main.count=0", &err), -1);
	cr_expect_eq(og_config_set(ROWS, &s, "main.cuont=1", &err), -1);
	cr_expect_str_eq(err.message, "unknown key main.cuont; the nearest is main.count");
	cr_expect_eq(og_config_set(ROWS, &s, "main.count", &err), -1);
	cr_expect_str_eq(err.message, "'main.count' is not section.key=value");
	cr_expect_eq(og_config_set(ROWS, &s, "count=1.5", &err), -1);
	cr_expect_eq(og_config_set(ROWS, &s, "", &err), -1);
	cr_expect_eq(s.count, 3);
}

static char *printed(void (*print)(const struct og_config_row *, size_t, FILE *))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	print(ROWS, f);
	fclose(f);
	return text;
}

Test(config, the_sample_is_a_file_that_changes_nothing)
{
	og_autofree char *text = printed(og_config_print_sample);
	struct og_error err = {0};

	cr_assert_eq(read_text(text, &err), 0, "%s", err.message);
	cr_expect_str_eq(s.name, "nobody");
	cr_expect_not_null(strstr(text, "[limits]\n; How long. (100ms to 1m; OG_TEST_WAIT)\n;wait = 5s\n"));
}

Test(config, the_sample_is_a_file_that_works_when_uncommented)
{
	og_autofree char *text = printed(og_config_print_sample);
	struct og_error err = {0};

	for (char *p = text; (p = strstr(p, "\n;")); p++)
		if (p[2] != ' ')
			p[1] = ' ';
	s.count = 7;
	cr_assert_eq(read_text(text, &err), 0, "%s", err.message);
	cr_expect_eq(s.count, 3);
}

Test(config, the_page_has_a_row_a_key)
{
	og_autofree char *text = printed(og_config_print_markdown);

	cr_expect_not_null(strstr(text, "## [limits]\n\n| Key | Default | Allowed | Environment | Meaning |\n"));
	cr_expect_not_null(strstr(text, "| `wait` | `5s` | 100ms to 1m | `OG_TEST_WAIT` | How long. |\n"));
	cr_expect_not_null(strstr(text, "| `count` | `3` | 1 to 9 |  | How many. |\n"));
}
