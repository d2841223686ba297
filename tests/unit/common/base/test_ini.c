#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/ini.h"
#include "leaks.h"

TestSuite(ini, .timeout = 60);

/* Writes the pairs it is given into a buffer, and refuses the key "bad". */
static int record(void *ctx, const char *section, const char *key, const char *value, struct og_error *err)
{
	og_buf_addf(ctx, "[%s]%s=%s;", section, key, value);
	return strcmp(key, "bad") ? 0 : og_fail(err, OG_INVALID, "bad key");
}

/* The pairs of `text`, in one line; the caller frees. */
static char *pairs(const char *text, int want_rc, struct og_error *err)
{
	struct og_buf b;

	og_buf_init(&b, 1 << 20);
	cr_assert_eq(og_ini_parse(text, strlen(text), "t.ini", record, &b, err), want_rc);
	return og_buf_take(&b);
}

Test(ini, pairs_come_in_order_with_their_section)
{
	og_autofree char *got =
		pairs("a = 1\n[s one]\n; comment\n# too\n  b=2 ; why\n\nc : x = y\r\n[t]\nd =\nd = 3", 0, NULL);

	cr_assert_str_eq(got, "[]a=1;[s one]b=2;[s one]c=x = y;[t]d=;[t]d=3;");
}

Test(ini, nothing_is_nothing)
{
	og_autofree char *got = pairs("", 0, NULL);

	cr_assert_str_eq(got, "");
}

Test(ini, a_byte_order_mark_is_skipped)
{
	og_autofree char *got = pairs("\xef\xbb\xbf[s]\na=1", 0, NULL);
	og_autofree char *alone = pairs("\xef\xbb\xbf", 0, NULL);

	cr_assert_str_eq(got, "[s]a=1;");
	cr_assert_str_eq(alone, "");
}

Test(ini, the_first_mistake_ends_it_with_its_line)
{
	struct og_error err = {0};
	og_autofree char *got = pairs("[s]\na=1\n\nbad=2\nbad=3\nno equals\n", -1, &err);

	cr_assert_str_eq(err.message, "t.ini:4: bad key");
	cr_assert_str_eq(got, "[s]a=1;[s]bad=2;");
}

/* The message with which `len` bytes of text are refused. */
static const char *refusal(const char *text, size_t len)
{
	static struct og_error err;
	struct og_buf b;

	og_buf_init(&b, 1 << 20);
	cr_assert_eq(og_ini_parse(text, len, "t.ini", record, &b, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	og_buf_done(&b);
	return err.message;
}
#define REFUSAL(literal) refusal(literal, sizeof(literal) - 1)

Test(ini, a_line_that_is_neither)
{
	static const char neither[] = "t.ini:2: neither [section] nor key = value";

	cr_expect_str_eq(REFUSAL("[s]\nno equals\nbad=1\n"), neither);
	cr_expect_str_eq(REFUSAL("a=1\n[open\n"), neither);
}

Test(ini, long_lines_are_whole_or_refused)
{
	og_autofree char *text = og_alloc(OG_INI_LINE_MAX + 10);
	og_autofree char *whole = NULL;

	memset(text, 'x', OG_INI_LINE_MAX);
	text[1] = '=';
	whole = pairs(text, 0, NULL);
	cr_assert_eq(strlen(whole), OG_INI_LINE_MAX + 3);
	text[OG_INI_LINE_MAX] = 'x';
	cr_assert_str_eq(refusal(text, strlen(text)), "t.ini:1: the line is longer than 4096 bytes");
}

Test(ini, long_section_names_are_whole_or_refused)
{
	og_autofree char *whole = pairs("[0123456789012345678901234567890123456789012345678]\na=1\n", 0, NULL);

	cr_assert_str_eq(whole, "[0123456789012345678901234567890123456789012345678]a=1;");
	cr_assert_str_eq(REFUSAL("\n [01234567890123456789012345678901234567890123456789]\na=1\n"),
		"t.ini:2: the section's name is longer than 49 bytes");
}

Test(ini, an_indented_line_is_a_line_like_any_other)
{
	og_autofree char *got = pairs("[s]\na=1\n  b=2\n", 0, NULL);

	cr_assert_str_eq(got, "[s]a=1;[s]b=2;");
}

Test(ini, bytes_that_are_no_text)
{
	cr_expect_str_eq(REFUSAL("a=1\nb=\xc3(\n"), "t.ini:2: the line is not UTF-8");
	cr_expect_str_eq(REFUSAL("a=1\001\n"), "t.ini:1: the line holds a control character");
	cr_expect_str_eq(REFUSAL("a=1\0b=2"), "t.ini:1: the line holds a control character");
}
