#include <criterion/criterion.h>

#include "model/names.h"
#include "plan/retry.h"

#define NOW 1763700000000

static const struct og_retry_facts usual = {
	.error = "engine_cut", .attempt = 1, .max_attempts = 3, .deadline_ms = NOW + 3600000, .now = NOW};
static struct og_retry_verdict v;

Test(retry, an_engine_fault_is_tried_again_later_and_counts)
{
	struct og_retry_facts f = usual;

	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.next, OG_NEXT_AGAIN);
	cr_expect_eq(v.delay_ms, 1000);
	cr_expect(v.failed);
	cr_expect_not(v.suspect);
	f.failed = 1;
	f.random = UINT32_MAX;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.delay_ms, 6250, "the next base, and a quarter at most");
	f.max_attempts = 100;
	f.failed = 9;
	f.random = 0;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.delay_ms, 30000, "the last for all that come after");
}

Test(retry, after_max_attempts_it_is_dead_with_the_last_error)
{
	struct og_retry_facts f = usual;

	f.error = "engine_stalled";
	f.failed = 2;
	f.attempt = 3;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.next, OG_NEXT_DEAD);
	cr_expect_str_eq(v.type, "engine_stalled");
	cr_expect_str_eq(v.words, "3 of 3 attempts failed");
	cr_expect(v.failed);
}

Test(retry, a_lost_worker_makes_a_suspect_at_once_and_counts_for_nothing)
{
	struct og_retry_facts f = usual;

	f.error = "worker_lost";
	f.failed = 2;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.next, OG_NEXT_AGAIN);
	cr_expect_eq(v.delay_ms, 0);
	cr_expect(v.suspect);
	cr_expect_not(v.failed);
	cr_expect_eq(v.deaths, 0);
	f.suspect = true;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.deaths, 0, "it had not begun to run alone");
}

Test(retry, a_death_while_it_runs_alone_counts_until_it_is_poison)
{
	struct og_retry_facts f = usual;

	f.error = "worker_lost";
	f.suspect = f.alone = true;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.next, OG_NEXT_AGAIN);
	cr_expect_eq(v.deaths, 1);
	cr_expect(v.failed);
	f.deaths = 2;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.next, OG_NEXT_DEAD);
	cr_expect_str_eq(v.type, "poison");
	cr_expect_eq(v.deaths, 3);
}

Test(retry, what_still_runs_is_waited_for)
{
	struct og_retry_facts f = usual;

	f.error = "worker_lost";
	f.runs = f.suspect = f.alone = true;
	f.deaths = 5;
	f.attempt = 100;
	f.deadline_ms = NOW - 1;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.next, OG_NEXT_WAIT);
	cr_expect_eq(v.deaths, 5);
	f.error = "engine_cut";
	f.deadline_ms = 0;
	f.attempt = 1;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.next, OG_NEXT_AGAIN, "who hands it back for a fault does not run it");
}

Test(retry, draining_is_nobodys_fault)
{
	struct og_retry_facts f = usual;

	f.error = "draining";
	f.failed = 2;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.next, OG_NEXT_AGAIN);
	cr_expect_eq(v.delay_ms, 0);
	cr_expect_not(v.failed);
	cr_expect_not(v.suspect);
	f.suspect = true;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect(v.suspect, "a suspect stays one");
}

Test(retry, the_deadline_and_the_hard_bound)
{
	struct og_retry_facts f = usual;

	f.deadline_ms = NOW + 1000;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.next, OG_NEXT_EXPIRED);
	cr_expect_str_eq(v.type, "expired");
	f.deadline_ms = NOW + 1001;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.next, OG_NEXT_AGAIN);
	f.deadline_ms = 0;
	f.error = "worker_lost";
	f.attempt = OG_ATTEMPTS_MAX - 1;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.next, OG_NEXT_AGAIN);
	f.attempt = OG_ATTEMPTS_MAX;
	cr_assert(og_retry_decide(&f, &v));
	cr_expect_eq(v.next, OG_NEXT_DEAD);
	cr_expect_str_eq(v.type, "worker_lost");
	f.error = "cancelled";
	cr_expect_not(og_retry_decide(&f, &v), "no reason to hand anything back");
}

Test(retry, lists_and_delays)
{
	cr_expect_eq(og_retry_count(NULL), 0);
	cr_expect_eq(og_retry_count(""), 0);
	cr_expect_eq(og_retry_count("a"), 1);
	cr_expect_eq(og_retry_count("a,a,b"), 3);
	cr_expect_str_eq(og_delays[og_retry_delay(400)].name, "1s");
	cr_expect_str_eq(og_delays[og_retry_delay(4999)].name, "1s");
	cr_expect_str_eq(og_delays[og_retry_delay(5000)].name, "5s");
	cr_expect_str_eq(og_delays[og_retry_delay(600000)].name, "30s");
}

Test(retry, a_requeue_has_attempts_of_its_own)
{
	struct og_retry_facts again = {.error = "draining", .attempt = 21, .max_attempts = 3, .now = 1};

	cr_expect_eq(og_retry_anew(0), 1);
	cr_expect_eq(og_retry_anew(1), 21);
	cr_expect_eq(og_retry_anew(OG_ATTEMPTS_MAX), 21);
	cr_expect_eq(og_retry_anew(21), 41);
	cr_assert(og_retry_decide(&again, &v));
	cr_expect_eq(v.next, OG_NEXT_AGAIN);
	again.attempt = 39;
	cr_assert(og_retry_decide(&again, &v));
	cr_expect_eq(v.next, OG_NEXT_AGAIN);
	again.attempt = 40;
	cr_assert(og_retry_decide(&again, &v));
	cr_expect_eq(v.next, OG_NEXT_DEAD);
}
