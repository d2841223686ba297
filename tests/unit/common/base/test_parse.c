#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "leaks.h"

TestSuite(parse, .timeout = 60);

Test(parse, whole_numbers)
{
	static const struct {
		const char *text;
		int rc;
		int64_t value;
	} rows[] = {{"0", 0, 0}, {"42", 0, 42}, {"-7", 0, -7}, {"007", 0, 7}, {"9223372036854775807", 0, INT64_MAX},
		{"-9223372036854775808", 0, INT64_MIN}, {"9223372036854775808", -1, 0}, {"", -1, 0}, {" 1", -1, 0},
		{"1 ", -1, 0}, {"+1", -1, 0}, {"-", -1, 0}, {"--1", -1, 0}, {"0x10", -1, 0}, {"1.0", -1, 0},
		{"one", -1, 0}};

	for (size_t i = 0; i < OG_COUNT(rows); i++) {
		int64_t value = 99;

		cr_expect_eq(og_parse_int(rows[i].text, INT64_MIN, INT64_MAX, &value, NULL), rows[i].rc, "'%s'",
			rows[i].text);
		cr_expect_eq(value, rows[i].rc ? 99 : rows[i].value, "'%s'", rows[i].text);
	}
}

Test(parse, bounds_are_inclusive_and_named)
{
	struct og_error err = {0};
	int64_t value;

	cr_assert_eq(og_parse_int("1", 1, 10, &value, &err), 0);
	cr_assert_eq(og_parse_int("10", 1, 10, &value, &err), 0);
	cr_assert_eq(og_parse_int("11", 1, 10, &value, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert_str_eq(err.message, "'11' is not a whole number from 1 to 10");
	cr_assert_eq(og_parse_int("0", 1, 10, &value, &err), -1);
}

Test(parse, real_numbers)
{
	static const char *const bad[] = {
		"", "nan", "inf", "-inf", "0x1p3", "1e999", "1,5", " 1", "1 ", "e", ".", "1.2.3", "2.01", "-0.01"};
	double value = 99;

	for (size_t i = 0; i < OG_COUNT(bad); i++)
		cr_expect_eq(og_parse_double(bad[i], 0, 2, &value, NULL), -1, "'%s'", bad[i]);
	cr_expect_eq(value, 99);
	cr_expect_eq(og_parse_double("0.7", 0, 2, &value, NULL), 0);
	cr_expect_float_eq(value, 0.7, 1e-12);
	cr_expect_eq(og_parse_double("2e0", 0, 2, &value, NULL), 0);
	cr_expect_eq(value, 2);
}

Test(parse, yes_and_no)
{
	static const char *const yes[] = {"1", "yes", "true", "on", "YES", "True"};
	static const char *const no[] = {"0", "no", "false", "off", "Off"};
	struct og_error err = {0};
	bool value;

	for (size_t i = 0; i < OG_COUNT(yes); i++) {
		value = false;
		cr_expect(!og_parse_bool(yes[i], &value, NULL) && value, "'%s'", yes[i]);
	}
	for (size_t i = 0; i < OG_COUNT(no); i++) {
		value = true;
		cr_expect(!og_parse_bool(no[i], &value, NULL) && !value, "'%s'", no[i]);
	}
	cr_expect_eq(og_parse_bool("maybe", &value, &err), -1);
	cr_expect_not_null(strstr(err.message, "yes/no"));
	cr_expect_eq(og_parse_bool("", &value, NULL), -1);
	cr_expect_eq(og_parse_bool("2", &value, NULL), -1);
}

Test(parse, durations)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} rows[] = {{"250ms", 250}, {"30s", 30000}, {"30", 30000}, {"5m", 300000}, {"2h", 7200000}, {"1d", 86400000},
		{"0", 0}, {"1 s", 1000}, {"2H", 7200000}, {"", -1}, {"s", -1}, {"-1s", -1}, {"1w", -1}, {"1.5h", -1},
		{"1s2", -1}, {"1h30m", -1}, {"9223372036854775807d", -1}, {"366d", -1}};

	for (size_t i = 0; i < OG_COUNT(rows); i++) {
		int64_t ms = -1;
		int rc = og_parse_duration_ms(rows[i].text, 0, INT64_C(365) * 86400000, &ms, NULL);

		cr_expect_eq(ms, rows[i].ms, "'%s'", rows[i].text);
		cr_expect_eq(rc, rows[i].ms < 0 ? -1 : 0, "'%s'", rows[i].text);
	}
}

Test(parse, sizes)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} rows[] = {{"512", 512}, {"512B", 512}, {"64KiB", 65536}, {"64k", 65536}, {"8MiB", 8 << 20}, {"8 M", 8 << 20},
		{"2GiB", INT64_C(2) << 30}, {"1T", INT64_C(1) << 40}, {"0", 0}, {"", -1}, {"MiB", -1}, {"8MB", -1},
		{"8MiBs", -1}, {"-1", -1}, {"8388608T", -1}, {"2T", -1}};

	for (size_t i = 0; i < OG_COUNT(rows); i++) {
		int64_t bytes = -1;
		int rc = og_parse_bytes(rows[i].text, 0, INT64_C(1) << 40, &bytes, NULL);

		cr_expect_eq(bytes, rows[i].bytes, "'%s'", rows[i].text);
		cr_expect_eq(rc, rows[i].bytes < 0 ? -1 : 0, "'%s'", rows[i].text);
	}
}

Test(parse, bounds_with_units_read_like_the_input)
{
	struct og_error err = {0};
	int64_t value;

	og_parse_duration_ms("2h", 1000, 90000, &value, &err);
	cr_expect_str_eq(err.message, "'2h' is not a duration from 1s to 90s (250ms, 30s, 5m, 2h, 1d)");
	og_parse_bytes("1", 1 << 20, INT64_C(1) << 30, &value, &err);
	cr_expect_str_eq(err.message, "'1' is not a size from 1MiB to 1GiB (512, 64KiB, 8MiB, 2GiB)");
}

Test(parse, what_is_formatted_parses_back)
{
	static const int64_t values[] = {0, 1, 999, 1000, 1500, 60000, 90000, 3600000, 86400000, 86400001, 1 << 20,
		(1 << 20) + 1, INT64_C(3) << 30, INT64_MAX};
	char out[32];
	int64_t back;

	for (size_t i = 0; i < OG_COUNT(values); i++) {
		og_format_duration_ms(values[i], out, sizeof(out));
		cr_expect_eq(og_parse_duration_ms(out, 0, INT64_MAX, &back, NULL), 0, "%s", out);
		cr_expect_eq(back, values[i], "%s", out);
		og_format_bytes(values[i], out, sizeof(out));
		cr_expect_eq(og_parse_bytes(out, 0, INT64_MAX, &back, NULL), 0, "%s", out);
		cr_expect_eq(back, values[i], "%s", out);
	}
	cr_expect_str_eq(og_format_duration_ms(5400000, out, sizeof(out)), "90m");
	cr_expect_str_eq(og_format_bytes(8 << 20, out, sizeof(out)), "8MiB");
}

Test(parse, a_long_wrong_value_is_cut_in_the_message)
{
	struct og_error err = {0};
	char text[5000];
	int64_t value;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	og_parse_int(text, 0, 1, &value, &err);
	cr_assert_not_null(strstr(err.message, "from 0 to 1"));
}

Test(parse, utf8)
{
	static const struct {
		const char *text;
		int bad_at; /* -1: valid */
	} rows[] = {{"", -1}, {"plain", -1}, {"\xc2\x80", -1}, {"\xdf\xbf", -1}, {"\xe0\xa0\x80", -1},
		{"\xed\x9f\xbf", -1}, {"\xee\x80\x80", -1}, {"\xef\xbf\xbf", -1}, {"\xf0\x90\x80\x80", -1},
		{"\xf4\x8f\xbf\xbf", -1}, {"g\xc3\xbc", -1}, {"\x80", 0}, {"a\xbf", 1}, {"\xc0\x80", 0},
		{"\xc1\xbf", 0}, {"\xe0\x9f\xbf", 0}, {"\xed\xa0\x80", 0}, {"\xed\xbf\xbf", 0}, {"\xf0\x8f\xbf\xbf", 0},
		{"\xf4\x90\x80\x80", 0}, {"\xf5\x80\x80\x80", 0}, {"\xff", 0}, {"ab\xc3", 2}, {"ab\xe2\x82", 2},
		{"ab\xf0\x9f\x98", 2}, {"a\xc3(b", 1}, {"\xe2\x82z", 0}, {"\xf0\x90\x80z", 0}};

	for (size_t i = 0; i < OG_COUNT(rows); i++) {
		size_t offset = 777;
		bool valid = og_utf8_valid(rows[i].text, strlen(rows[i].text), &offset);

		cr_expect_eq(valid, rows[i].bad_at < 0, "row %zu", i);
		cr_expect_eq(offset, rows[i].bad_at < 0 ? 777 : (size_t)rows[i].bad_at, "row %zu", i);
	}
	cr_expect(og_utf8_valid("a\0b", 3, NULL));
	/* The length is the bound, not what lies behind it. */
	cr_expect_not(og_utf8_valid("\xc3\xbc", 1, NULL));
}

/* Against the definition, for every code point there is. */
Test(parse, utf8_takes_each_code_point_but_surrogates)
{
	for (unsigned u = 0x80; u <= 0x110fff; u++) {
		char s[4];
		size_t n = u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;

		for (size_t i = n; i-- > 0;) {
			unsigned six = (u >> (6 * (n - 1 - i))) & 0x3f;

			s[i] = (char)(0x80 | six);
		}
		s[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | (u >> (6 * (n - 1))));
		cr_assert_eq(og_utf8_valid(s, n, NULL), u <= 0x10ffff && (u < 0xd800 || u > 0xdfff), "U+%04X", u);
	}
}

Test(parse, edit_distance)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} rows[] = {{"", "", 0}, {"abc", "abc", 0}, {"ABC", "abc", 0}, {"", "abc", 3}, {"abc", "", 3},
		{"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"llama", "Llama-3.2-3B", 7}, {"ab", "ba", 2}};

	for (size_t i = 0; i < OG_COUNT(rows); i++) {
		cr_expect_eq(og_edit_distance(rows[i].a, rows[i].b), rows[i].distance, "%s %s", rows[i].a, rows[i].b);
		cr_expect_eq(og_edit_distance(rows[i].b, rows[i].a), rows[i].distance, "%s %s", rows[i].b, rows[i].a);
	}
}

Test(parse, a_uuid_has_one_form)
{
	static const char *const bad[] = {"", "6ba7b810-9dad-11d1-80b4-00c04fd430c",
		"6ba7b810-9dad-11d1-80b4-00c04fd430c8 ", "6ba7b8109dad11d180b400c04fd430c8",
		"6ba7b810-9dad-11d1-80b4-00c04fd430cg", "6ba7b810.9dad-11d1-80b4-00c04fd430c8",
		"{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"};

	cr_expect(og_uuid_valid("6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
	cr_expect(og_uuid_valid("00000000-0000-0000-0000-000000000000"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(og_uuid_valid(bad[i]), "%s", bad[i]);
}
