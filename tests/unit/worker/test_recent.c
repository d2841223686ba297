#include "recent.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "leaks.h"

TestSuite(recent, .timeout = 60);

Test(recent, remembers_for_a_minute)
{
	struct og_recent r = {0};
	int64_t attempt = -1;

	og_recent_add(&r, "a", OG_RECENT_CANCELLED, 0, 1000);
	og_recent_add(&r, "b", OG_RECENT_ENDED, 2, 1000);
	cr_assert_eq(og_recent_find(&r, "a", 1000 + OG_RECENT_MS - 1, &attempt), OG_RECENT_CANCELLED);
	cr_assert_eq(og_recent_find(&r, "b", 1001, &attempt), OG_RECENT_ENDED);
	cr_assert_eq(attempt, 2);
	cr_assert_eq(og_recent_find(&r, "a", 1000 + OG_RECENT_MS, &attempt), OG_RECENT_NOTHING);
	cr_assert_eq(og_recent_find(&r, "c", 1000, &attempt), OG_RECENT_NOTHING);
	og_recent_done(&r);
}

Test(recent, the_later_word_counts)
{
	struct og_recent r = {0};
	int64_t attempt;

	og_recent_add(&r, "a", OG_RECENT_CANCELLED, 0, 0);
	og_recent_add(&r, "a", OG_RECENT_ENDED, 1, 500);
	cr_assert_eq(r.n, 1);
	cr_assert_eq(og_recent_find(&r, "a", OG_RECENT_MS + 1, &attempt), OG_RECENT_ENDED);
	og_recent_done(&r);
}

Test(recent, is_bounded_and_the_oldest_go)
{
	struct og_recent r = {0};
	int64_t attempt;
	char id[16];

	for (int i = 0; i < OG_RECENT_MAX + 100; i++) {
		snprintf(id, sizeof(id), "%d", i);
		og_recent_add(&r, id, OG_RECENT_ENDED, 1, 0);
	}
	cr_assert_eq(r.n, OG_RECENT_MAX);
	cr_assert_eq(og_recent_find(&r, "99", 0, &attempt), OG_RECENT_NOTHING);
	cr_assert_eq(og_recent_find(&r, "100", 0, &attempt), OG_RECENT_ENDED);
	og_recent_add(&r, "new", OG_RECENT_ENDED, 1, OG_RECENT_MS);
	cr_assert_eq(r.n, 1, "what is past its time goes as others come");
	og_recent_done(&r);
}
