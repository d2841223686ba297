#include "store/limits.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"

enum { N_NUMBERS = OG_LIMITS_N - 1, PER = N_NUMBERS };

const char *const og_limits_names[OG_LIMITS_N] = {
	"requests_per_minute", "tokens_per_minute", "running", "budget", "budget_per"};

static const size_t offsets[N_NUMBERS] = {
	offsetof(struct og_limits, requests_per_minute),
	offsetof(struct og_limits, tokens_per_minute),
	offsetof(struct og_limits, running),
	offsetof(struct og_limits, budget),
};

static const char *const pers[] = {[OG_BUDGET_TOTAL] = "total", [OG_BUDGET_DAY] = "day", [OG_BUDGET_MONTH] = "month"};

int64_t *og_limits_number(struct og_limits *l, size_t i)
{
	return (int64_t *)((char *)l + offsets[i]);
}

bool og_limits_any(const struct og_limits *l)
{
	return l->requests_per_minute || l->tokens_per_minute || l->running || l->budget;
}

const char *og_budget_per_name(enum og_budget_per per)
{
	return pers[per];
}

int og_budget_per_parse(const char *name, enum og_budget_per *ret, struct og_error *err)
{
	for (size_t i = 0; i < OG_COUNT(pers); i++) {
		if (!strcmp(name, pers[i])) {
			*ret = (enum og_budget_per)i;
			return 0;
		}
	}
	return og_fail(err, OG_INVALID, "budget_per '%s' is none of total, day, month", name);
}

static int read_number(const json_t *value, const char *name, int64_t *ret, struct og_error *err)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > OG_LIMIT_MAX)
		return og_fail(
			err, OG_INVALID, "%s: a whole number from 0 (any number) to %" PRId64, name, OG_LIMIT_MAX);
	*ret = json_integer_value(value);
	return 0;
}

int og_limits_read(const json_t *object, struct og_limits *l, unsigned *ret_named, struct og_error *err)
{
	struct og_limits out = *l;
	unsigned named = 0;

	for (size_t i = 0; i < OG_LIMITS_N; i++) {
		const json_t *value = json_object_get(object, og_limits_names[i]);

		if (!value)
			continue;
		named |= 1u << i;
		if (i < N_NUMBERS && read_number(value, og_limits_names[i], og_limits_number(&out, i), err) != 0)
			return -1;
		if (i == PER && og_budget_per_parse(json_is_string(value) ? json_string_value(value) : "",
					&out.budget_per, err) != 0)
			return -1;
	}
	*l = out;
	if (ret_named)
		*ret_named = named;
	return 0;
}

void og_limits_write(json_t *object, const struct og_limits *l)
{
	for (size_t i = 0; i < N_NUMBERS; i++) {
		int64_t value = *og_limits_number((struct og_limits *)l, i);

		if (value)
			json_object_set_new(object, og_limits_names[i], json_integer(value));
	}
	if (l->budget)
		json_object_set_new(object, og_limits_names[PER], json_string(pers[l->budget_per]));
}
