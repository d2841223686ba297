#include "plan/stamp.h"

#include <criterion/criterion.h>

Test(stamp, one_refused_and_one_accepted_in_one_millisecond_differ)
{
	for (int64_t wall = 1763700000000; wall < 1763700000004; wall++) {
		struct og_stamps s = {0};
		int64_t first = og_stamp_accepted(&s, wall), refused = og_stamp_refused(&s, wall);
		int64_t second = og_stamp_accepted(&s, wall);

		cr_expect_neq(first, refused);
		cr_expect_gt(second, refused, "what comes after a refusal is later");
		cr_expect_leq(second, wall + 2);
		cr_expect_eq(og_stamp_refused(&s, wall), refused, "a storm of both does not run ahead of the clock");
		cr_expect_eq(og_stamp_accepted(&s, wall), second);
	}
}

Test(stamp, a_clock_that_is_set_back_is_followed)
{
	struct og_stamps s = {0};

	og_stamp_refused(&s, 1763700000000);
	cr_expect_eq(og_stamp_accepted(&s, 1763600000000), 1763600000000);
}
