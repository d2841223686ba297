#include "options.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(options, .timeout = 60);

static int parse(struct og_worker_options *o, struct og_error *err, int argc, const char *const *argv)
{
	static char *words[16];

	memcpy(words, argv, (size_t)argc * sizeof(*argv));
	return og_worker_options_parse(argc, words, o, err);
}
#define PARSE(...)                                                                                                     \
	parse(&o, &err, (int)OG_COUNT(((const char *const[]){"og-worker", __VA_ARGS__})),                              \
		(const char *const[]){"og-worker", __VA_ARGS__})

static struct og_worker_options o;
static struct og_error err;

Test(options, become_settings)
{
	cr_assert_eq(PARSE("--tier", "X", "--slots=4", "--no-serve", "--set", "log.level=debug", "--instance", "2"), 0);
	cr_assert_eq(o.sets.n, 4);
	cr_assert_str_eq(o.sets.items[0], "log.level=debug");
	cr_assert_str_eq(o.sets.items[1], "worker.tier=X");
	cr_assert_str_eq(o.sets.items[2], "worker.slots=4");
	cr_assert_str_eq(o.sets.items[3], "node.serve=no");
	cr_assert_null(o.sets.items[4]);
	cr_assert_eq(o.instance, 2);
	og_worker_options_done(&o);
}

Test(options, none_at_all)
{
	cr_assert_eq(parse(&o, &err, 1, (const char *const[]){"og-worker"}), 0);
	cr_assert_eq(o.instance, 1);
	cr_assert_eq(o.sets.n, 0);
	cr_assert_null(o.config);
}

Test(options, the_config_file_help_and_version)
{
	cr_assert_eq(PARSE("--config", "/a/b"), 0);
	cr_assert_str_eq(o.config, "/a/b");
	cr_assert_eq(PARSE("--help"), 0);
	cr_assert(o.help);
	cr_assert_eq(PARSE("--version"), 0);
	cr_assert(o.version);
}

Test(options, wrong_usage_says_what)
{
	cr_assert_eq(PARSE("--teir", "X"), -1);
	cr_assert(strstr(err.message, "--teir"), "%s", err.message);
	cr_assert_eq(PARSE("--tier"), -1);
	cr_assert(strstr(err.message, "--tier wants a value"), "%s", err.message);
	cr_assert_eq(PARSE("--instance", "0"), -1);
	cr_assert(strstr(err.message, "--instance"), "%s", err.message);
	cr_assert_eq(PARSE("--tier", "X", "serve"), -1);
	cr_assert(strstr(err.message, "'serve'"), "%s", err.message);
}
