#include <criterion/criterion.h>
#include <time.h>

#include "base/clock.h"
#include "leaks.h"

TestSuite(clock, .timeout = 60);

Test(clock, monotonic_does_not_go_back)
{
	int64_t us = og_clock_mono_us(), ms = og_clock_mono_ms();

	cr_assert_geq(ms, us / 1000);
	cr_assert_geq(og_clock_mono_us(), us);
}

Test(clock, wall_is_the_time_of_day)
{
	int64_t before = time(NULL), ms = og_clock_wall_ms(), after = time(NULL);

	cr_assert_geq(ms / 1000, before);
	cr_assert_leq(ms / 1000, after);
}

Test(clock, formats_as_rfc_3339)
{
	char out[25];

	og_clock_format(0, out);
	cr_expect_str_eq(out, "1970-01-01T00:00:00.000Z");
	og_clock_format(1795242680123, out);
	cr_expect_str_eq(out, "2026-11-21T06:31:20.123Z");
	og_clock_format(253402300799999, out);
	cr_expect_str_eq(out, "9999-12-31T23:59:59.999Z");
}
