#include "webhook/schedule.h"

#include <criterion/criterion.h>

#define SECOND 1000
#define HOUR   (INT64_C(3600) * SECOND)

TestSuite(schedule, .timeout = 30);

Test(schedule, a_delay_grows_fourfold_to_its_most)
{
	const uint32_t middle = UINT32_MAX / 2;
	const int64_t want[] = {5, 20, 80, 320, 1280, 5120, 20480, 28800, 28800, 28800};

	for (int64_t n = 1; n <= 10; n++) {
		int64_t ms = og_webhook_delay_ms(5 * SECOND, n, middle), about = want[n - 1] * SECOND;

		cr_expect(ms >= about - 1 && ms <= about + 1, "after %lld: %lld ms", (long long)n, (long long)ms);
	}
	cr_expect_leq(og_webhook_delay_ms(INT64_MAX, 1, UINT32_MAX), OG_WEBHOOK_DELAY_MAX_MS / 4 * 5);
	cr_expect_leq(og_webhook_delay_ms(10, 1000, UINT32_MAX), OG_WEBHOOK_DELAY_MAX_MS / 4 * 5);
}

Test(schedule, chance_is_a_quarter_either_way)
{
	cr_expect_eq(og_webhook_delay_ms(1000, 1, 0), 750);
	cr_expect_eq(og_webhook_delay_ms(1000, 1, UINT32_MAX), 1250);
	cr_expect_eq(og_webhook_delay_ms(10, 1, 0), 8);
}

Test(schedule, ten_attempts_take_about_a_day)
{
	int64_t least = 0, most = 0;

	for (int64_t n = 1; n < 10; n++) {
		least += og_webhook_delay_ms(5 * SECOND, n, 0);
		most += og_webhook_delay_ms(5 * SECOND, n, UINT32_MAX);
	}
	cr_expect(least > 17 * HOUR && most < 30 * HOUR, "%lld to %lld h", (long long)(least / HOUR),
		(long long)(most / HOUR));
}

Test(schedule, a_watch_is_looked_at_soon_and_then_every_minute)
{
	cr_expect_eq(og_watch_delay_ms(0), 5 * SECOND);
	cr_expect_eq(og_watch_delay_ms(-1000), 5 * SECOND); /* another machine's clock */
	cr_expect_eq(og_watch_delay_ms(80 * SECOND), 10 * SECOND);
	cr_expect_eq(og_watch_delay_ms(24 * HOUR), 60 * SECOND);
}

Test(schedule, what_is_unknown_is_lost_when_it_stays_so)
{
	cr_expect_not(og_watch_is_lost(1, 24 * HOUR)); /* the scheduler was away for a day */
	cr_expect_not(og_watch_is_lost(4, 24 * HOUR));
	cr_expect_not(og_watch_is_lost(100, 59 * SECOND));
	cr_expect(og_watch_is_lost(5, 60 * SECOND));
}
