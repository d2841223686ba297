#include "store/limits.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(limits, .timeout = 60);

Test(limits, are_read_one_by_one)
{
	json_t *object = json_pack("{s:i, s:s, s:i}", "running", 3, "budget_per", "month", "other", 9);
	struct og_limits l = {.requests_per_minute = 5, .running = 1};
	unsigned named = 0;

	cr_assert_eq(og_limits_read(object, &l, &named, NULL), 0);
	cr_expect_eq(l.requests_per_minute, 5);
	cr_expect_eq(l.running, 3);
	cr_expect_eq(l.budget_per, OG_BUDGET_MONTH);
	cr_expect_eq(named, 1u << 2 | 1u << 4);
	json_decref(object);
}

Test(limits, are_written_as_they_are_read)
{
	struct og_limits l = {1, 2, 3, 4, OG_BUDGET_DAY}, again = {0};
	json_t *object = json_object();

	og_limits_write(object, &l);
	cr_assert_eq(json_object_size(object), OG_LIMITS_N);
	cr_assert_eq(og_limits_read(object, &again, NULL, NULL), 0);
	for (size_t i = 0; i < OG_LIMITS_N - 1; i++)
		cr_assert_eq(*og_limits_number(&again, i), *og_limits_number(&l, i), "%s", og_limits_names[i]);
	cr_assert_eq(again.budget_per, l.budget_per);
	json_object_clear(object);
	og_limits_write(object, &(struct og_limits){.budget_per = OG_BUDGET_DAY});
	cr_assert_eq(json_object_size(object), 0, "what is not limited is not named");
	json_decref(object);
}

Test(limits, wrong_ones_are_named_and_change_nothing)
{
	static const struct {
		const char *json, *words;
	} cases[] = {
		{"{\"running\":-1}", "running"},
		{"{\"running\":1.5}", "running"},
		{"{\"tokens_per_minute\":\"many\"}", "tokens_per_minute"},
		{"{\"budget\":1000000000001}", "budget"},
		{"{\"running\":2,\"budget_per\":\"year\"}", "'year' is none of total, day, month"},
		{"{\"budget_per\":7}", "budget_per"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *object = json_loads(cases[i].json, 0, NULL);
		struct og_limits l = {.running = 1};
		struct og_error err = {0};

		cr_expect_eq(og_limits_read(object, &l, NULL, &err), -1);
		cr_expect_eq(err.kind, OG_INVALID);
		cr_expect_not_null(strstr(err.message, cases[i].words), "%s", err.message);
		cr_expect_eq(l.running, 1);
		json_decref(object);
	}
}
