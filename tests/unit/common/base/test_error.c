#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "leaks.h"

TestSuite(error, .timeout = 60);

Test(error, fail_fills_kind_and_message_and_returns_minus_one)
{
	struct og_error err = {0};

	cr_assert_eq(og_fail(&err, OG_BUSY, "%d waiting", 7), -1);
	cr_assert_eq(err.kind, OG_BUSY);
	cr_assert_str_eq(err.message, "7 waiting");
}

Test(error, nobody_has_to_listen)
{
	cr_assert_eq(og_fail(NULL, OG_FATAL, "x"), -1);
	cr_assert_eq(og_fail_in(NULL, "x"), -1);
}

Test(error, a_long_message_is_cut)
{
	struct og_error err = {0};
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	og_fail(&err, OG_INVALID, "%s", text);
	cr_assert_eq(strlen(err.message), sizeof(err.message) - 1);
}

Test(error, a_place_goes_before_the_message_and_the_kind_stays)
{
	struct og_error err = {0};

	og_fail(&err, OG_RETRY, "connection refused");
	cr_assert_eq(og_fail_in(&err, "broker %s", "b1"), -1);
	cr_assert_str_eq(err.message, "broker b1: connection refused");
	cr_assert_eq(err.kind, OG_RETRY);
}

Test(error, a_place_cuts_the_end_of_a_full_message)
{
	struct og_error err = {.kind = OG_INVALID};

	memset(err.message, 'x', sizeof(err.message) - 1);
	og_fail_in(&err, "here");
	cr_assert_eq(strlen(err.message), sizeof(err.message) - 1);
	cr_assert(!strncmp(err.message, "here: xxx", 9));
}

Test(error, kinds_have_names)
{
	cr_expect_str_eq(og_kind_name(OG_INVALID), "invalid");
	cr_expect_str_eq(og_kind_name(OG_RETRY), "retry");
	cr_expect_str_eq(og_kind_name(OG_BUSY), "busy");
	cr_expect_str_eq(og_kind_name(OG_FATAL), "fatal");
	cr_expect_str_eq(og_kind_name(0), "none");
}
