#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* The first row of a factor is how it is written; a number without a unit is seconds, or bytes. */
static const struct unit duration_units[] = {
	{"ms", 1},
	{"s", 1000},
	{"", 1000},
	{"m", 60 * 1000},
	{"h", 3600 * 1000},
	{"d", 24 * 3600 * 1000},
	{NULL, 0},
};
static const struct unit byte_units[] = {
	{"", 1},
	{"B", 1},
	{"KiB", INT64_C(1) << 10},
	{"K", INT64_C(1) << 10},
	{"MiB", INT64_C(1) << 20},
	{"M", INT64_C(1) << 20},
	{"GiB", INT64_C(1) << 30},
	{"G", INT64_C(1) << 30},
	{"TiB", INT64_C(1) << 40},
	{"T", INT64_C(1) << 40},
	{NULL, 0},
};

/* The digits at the start of `s`. strtoll alone would also take blanks before them. */
static int whole_number(const char *s, int64_t *ret_value, const char **ret_rest)
{
	char *end;
	long long value;

	if (!isdigit((unsigned char)*s) && !(*s == '-' && isdigit((unsigned char)s[1])))
		return -1;
	errno = 0;
	value = strtoll(s, &end, 10);
	if (errno)
		return -1;
	*ret_value = value;
	*ret_rest = end;
	return 0;
}

int og_parse_int(const char *s, int64_t min, int64_t max, int64_t *ret, struct og_error *err)
{
	const char *rest;
	int64_t value;

	if (whole_number(s, &value, &rest) || *rest || value < min || value > max)
		return og_fail(
			err, OG_INVALID, "'%.64s' is not a whole number from %" PRId64 " to %" PRId64, s, min, max);
	*ret = value;
	return 0;
}

int og_parse_double(const char *s, double min, double max, double *ret, struct og_error *err)
{
	/* strtod alone would also take blanks, "nan", "inf" and hexadecimal. */
	bool plain = *s && strspn(s, "+-.0123456789eE") == strlen(s);
	char *end = NULL;
	double value = plain ? strtod(s, &end) : 0;

	if (!plain || end == s || *end || !isfinite(value) || value < min || value > max)
		return og_fail(err, OG_INVALID, "'%.64s' is not a number from %g to %g", s, min, max);
	*ret = value;
	return 0;
}

int og_parse_bool(const char *s, bool *ret, struct og_error *err)
{
	static const char *const words[][2] = {{"0", "1"}, {"no", "yes"}, {"false", "true"}, {"off", "on"}};

	for (size_t i = 0; i < OG_COUNT(words); i++)
		for (int value = 0; value < 2; value++)
			if (!strcasecmp(s, words[i][value])) {
				*ret = value;
				return 0;
			}
	return og_fail(err, OG_INVALID, "'%.64s' is neither yes nor no (1/0, yes/no, true/false, on/off)", s);
}

static int parse_with_unit(const char *s, const struct unit *units, int64_t *ret)
{
	const char *rest;
	int64_t value;

	if (whole_number(s, &value, &rest))
		return -1;
	rest += strspn(rest, " ");
	for (; units->name; units++)
		if (!strcasecmp(rest, units->name))
			return __builtin_mul_overflow(value, units->factor, ret) ? -1 : 0;
	return -1;
}

/* With the largest unit that leaves a whole number; the first unit of a name is the one that is written. */
static const char *format_with_unit(int64_t value, const struct unit *units, char *out, size_t size)
{
	const struct unit *best = units;

	for (const struct unit *u = units; u->name && value; u++)
		if (value % u->factor == 0 && u->factor > best->factor)
			best = u;
	snprintf(out, size, "%" PRId64 "%s", value / best->factor, best->name);
	return out;
}

const char *og_format_duration_ms(int64_t ms, char *out, size_t size)
{
	return format_with_unit(ms, duration_units, out, size);
}

const char *og_format_bytes(int64_t bytes, char *out, size_t size)
{
	return format_with_unit(bytes, byte_units, out, size);
}

int og_parse_duration_ms(const char *s, int64_t min, int64_t max, int64_t *ret, struct og_error *err)
{
	char low[32], high[32];
	int64_t value;

	if (parse_with_unit(s, duration_units, &value) || value < min || value > max)
		return og_fail(err, OG_INVALID, "'%.64s' is not a duration from %s to %s (250ms, 30s, 5m, 2h, 1d)", s,
			og_format_duration_ms(min, low, sizeof(low)), og_format_duration_ms(max, high, sizeof(high)));
	*ret = value;
	return 0;
}

int og_parse_bytes(const char *s, int64_t min, int64_t max, int64_t *ret, struct og_error *err)
{
	char low[32], high[32];
	int64_t value;

	if (parse_with_unit(s, byte_units, &value) || value < min || value > max)
		return og_fail(err, OG_INVALID, "'%.64s' is not a size from %s to %s (512, 64KiB, 8MiB, 2GiB)", s,
			og_format_bytes(min, low, sizeof(low)), og_format_bytes(max, high, sizeof(high)));
	*ret = value;
	return 0;
}

/* How many continuation bytes follow `lead`, and between which bounds the first of them lies: the narrower bounds keep
 * overlong forms, surrogates and what lies beyond U+10FFFF out (RFC 3629, section 4). -1: no lead byte. */
static int utf8_follow(unsigned char lead, unsigned char *ret_low, unsigned char *ret_high)
{
	*ret_low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	*ret_high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 1;
	if (lead >= 0xe0 && lead <= 0xef)
		return 2;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 3;
	return -1;
}

bool og_utf8_valid(const char *s, size_t len, size_t *ret_offset)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned char low, high;

	for (size_t i = 0; i < len;) {
		int follow;
		bool good;

		if (p[i] < 0x80) {
			i++;
			continue;
		}
		follow = utf8_follow(p[i], &low, &high);
		good = follow >= 0 && (size_t)follow < len - i;

		for (int k = 1; good && k <= follow; k++) {
			good = p[i + k] >= low && p[i + k] <= high;
			low = 0x80;
			high = 0xbf;
		}
		if (!good) {
			if (ret_offset)
				*ret_offset = i;
			return false;
		}
		i += 1 + (size_t)follow;
	}
	return true;
}

bool og_uuid_valid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i = 0;

	for (; form[i]; i++)
		if (form[i] == 'x' ? !s[i] || !strchr("0123456789abcdef", s[i]) : s[i] != '-')
			return false;
	return !s[i];
}

size_t og_edit_distance(const char *a, const char *b)
{
	size_t n = strlen(b);
	og_autofree size_t *row = og_alloc((n + 1) * sizeof(*row));

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0]; /* row[j] before this line, one to the left */

		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			bool same = tolower((unsigned char)a[i]) == tolower((unsigned char)b[j]);
			size_t best = diagonal + !same;

			diagonal = row[j + 1];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (diagonal + 1 < best)
				best = diagonal + 1;
			row[j + 1] = best;
		}
	}
	return row[n];
}
