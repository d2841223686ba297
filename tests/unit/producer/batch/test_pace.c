#include "batch/pace.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "leaks.h"

TestSuite(pace, .timeout = 60);

Test(pace, the_time_that_the_cluster_says_is_waited)
{
	struct og_pace p;

	og_pace_init(&p);
	og_pace_busy(&p, 1000, "busy: 12 waiting, try in 7 s", 0);
	cr_assert_eq(p.until_ms, 8000);
	og_pace_busy(&p, 1001, "12 waiting, try in 50 s", 0);
	cr_assert_eq(p.until_ms, 8000, "what was sent before the first says nothing new");
	og_pace_busy(&p, 8000, "12 waiting, try in 86400 s", 0);
	cr_assert_eq(p.until_ms, 8000 + OG_PACE_MAX_MS);
}

Test(pace, without_a_time_each_in_a_row_waits_longer)
{
	static const char *const words[] = {NULL, "the tenant's limit", "try in a while", "try in 3 days"};
	int64_t first = 0, last = 0;
	struct og_pace p;

	og_pace_init(&p);
	for (int i = 0; i < 12; i++) {
		int64_t now = p.until_ms;

		og_pace_busy(&p, now, words[i % 4], UINT32_MAX);
		last = p.until_ms - now;
		first = first ? first : last;
	}
	cr_assert(first > 0 && first <= 1000, "%ld", (long)first);
	cr_assert(last > 10 * first && last <= 30000, "%ld", (long)last);
	og_pace_well(&p);
	og_pace_busy(&p, p.until_ms, NULL, UINT32_MAX);
	cr_assert(first > 0 && first <= 1000);
}

static void expect(const struct og_progress *p, int64_t now, const char *words)
{
	char *said = og_progress_words(p, now, *words == '[');

	cr_expect_str_eq(said, words);
	free(said);
}

Test(pace, progress_in_words)
{
	struct og_progress p = {.began_ms = 1000,
		.lines = 250000,
		.bytes = 25 << 20,
		.size = 100 << 20,
		.done = 200000,
		.done_here = 100000,
		.failed = 3,
		.flying = 64};

	expect(&p, 101000, "20%: 200,000 of about 1,000,000, 1000.0/s, 13m 20s left, 3 failed, 64 in flight");
	expect(&p, 101000,
		"[####----------------] 20%: 200,000 of about 1,000,000, 1000.0/s, 13m 20s left, 3 failed, 64 in "
		"flight");
	p.bytes = p.size;
	p.failed = 0;
	expect(&p, 101000, "80%: 200,000 of 250,000, 1000.0/s, 50.0s left, 64 in flight");
	p.size = 0;
	expect(&p, 101000, "200,000, 1000.0/s, 64 in flight");
	expect(&(struct og_progress){.began_ms = 5, .size = 100}, 5, "0, 0.0/s, 0 in flight");
}
