#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "leaks.h"

TestSuite(backoff, .timeout = 60);

Test(backoff, the_bounds_double_up_to_the_cap)
{
	static const int64_t highest[] = {100, 200, 400, 800, 1000, 1000};
	struct og_backoff low = {.base_ms = 100, .cap_ms = 1000}, high = low;

	for (size_t i = 0; i < OG_COUNT(highest); i++) {
		cr_expect_eq(og_backoff_next(&low, 0), 50, "try %zu", i);
		cr_expect_eq(og_backoff_next(&high, UINT32_MAX), highest[i], "try %zu", i);
	}
	cr_expect_eq(high.tries, OG_COUNT(highest));
	og_backoff_reset(&high);
	cr_expect_eq(og_backoff_next(&high, UINT32_MAX), 100);
}

Test(backoff, a_million_tries_stay_within_the_cap)
{
	struct og_backoff b = {.base_ms = 500, .cap_ms = 30000};

	for (int i = 0; i < 1000000; i++) {
		int64_t ms = og_backoff_next(&b, (uint32_t)i * 2654435761u);

		cr_assert(ms >= 250 && ms <= 30000);
	}
}

Test(backoff, a_cap_below_the_base_is_a_cap)
{
	struct og_backoff b = {.base_ms = 1000, .cap_ms = 100};

	cr_assert_eq(og_backoff_next(&b, 0), 100);
	cr_assert_eq(og_backoff_next(&b, UINT32_MAX), 100);
}

Test(backoff, the_delay_is_spread_evenly)
{
	struct og_backoff b = {.base_ms = 100, .cap_ms = 100};

	cr_assert_eq(og_backoff_next(&b, UINT32_MAX / 2), 75);
}

Test(backoff, hex_is_hex_and_new_each_time)
{
	char a[33], b[33], odd[4] = "zzz";

	og_random_hex(a, 32);
	og_random_hex(b, 32);
	cr_assert_eq(strlen(a), 32);
	cr_assert_eq(strspn(a, "0123456789abcdef"), 32);
	cr_assert_str_neq(a, b);
	og_random_hex(odd, 3);
	cr_assert_eq(strlen(odd), 3);
	cr_assert_eq(strspn(odd, "0123456789abcdef"), 3);
}
