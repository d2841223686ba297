#include <criterion/criterion.h>
#include <stdio.h>

#include "plan/recent.h"

TestSuite(recent, .timeout = 60);

static const char *id_of(unsigned i)
{
	static char id[37];

	snprintf(id, sizeof(id), "%08x-0000-4000-8000-%012x", i * 2654435761u, i);
	return id;
}

Test(recent, finds_what_was_added_and_when)
{
	struct og_recent *r = og_recent_new(10);
	int64_t when = 0;

	cr_expect_not(og_recent_find(r, id_of(1), NULL));
	og_recent_add(r, id_of(1), 100);
	og_recent_add(r, id_of(1), 200);
	cr_expect(og_recent_find(r, id_of(1), &when));
	cr_expect_eq(when, 100, "the first time stays");
	cr_expect_eq(og_recent_count(r), 1);
	cr_expect_not(og_recent_find(r, id_of(2), NULL));
	og_recent_free(r);
}

Test(recent, forgets_the_oldest_beyond_its_bound)
{
	const unsigned cap = 1000, n = 5321;
	struct og_recent *r = og_recent_new(cap);

	for (unsigned i = 0; i < n; i++) {
		og_recent_add(r, id_of(i), i);
		if (i >= cap)
			cr_assert_not(og_recent_find(r, id_of(i - cap), NULL));
	}
	cr_expect_eq(og_recent_count(r), cap);
	for (unsigned i = n - cap; i < n; i++)
		cr_assert(og_recent_find(r, id_of(i), NULL), "%u", i);
	og_recent_free(r);
}

Test(recent, one_id_in_either_case_of_letters)
{
	struct og_recent *r = og_recent_new(10);

	og_recent_add(r, "ABCDEF00-0000-4000-8000-000000000001", 1);
	cr_expect(og_recent_find(r, "abcdef00-0000-4000-8000-000000000001", NULL));
	og_recent_add(r, "no uuid", 1);
	cr_expect_eq(og_recent_count(r), 1);
	og_recent_free(r);
}

/* With long chains this takes minutes. */
Test(recent, ids_that_are_counted_up_are_found_as_fast)
{
	struct og_recent *r = og_recent_new(32768);
	char id[37];

	for (unsigned head = 0; head < 2; head++) {
		for (unsigned i = 0; i < 200000; i++) {
			if (head)
				snprintf(id, sizeof(id), "%08x-0000-4000-8000-000000000000", i);
			else
				snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012x", i);
			og_recent_add(r, id, i);
			cr_assert(og_recent_find(r, id, NULL));
		}
	}
	cr_expect_eq(og_recent_count(r), 32768);
	og_recent_free(r);
}
