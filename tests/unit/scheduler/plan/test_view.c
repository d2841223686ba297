#include "plan/view.h"

#include "scheduler/plan/fixture.h"

TestSuite(view, .timeout = 60, .init = setup, .fini = teardown);

static struct og_queue_view queue(void)
{
	struct og_queue_view v;

	og_view_queue(&plan, SMALL, now, WALL + now, &v);
	return v;
}

Test(view, a_queue_in_numbers)
{
	cr_expect_eq(queue().oldest_ms, 0);
	add_as(1, SMALL, OG_CLASS_BATCH, "a", OG_WHERE_LANE);
	now += 500;
	add_as(2, SMALL, OG_CLASS_HIGH, "b", OG_WHERE_DOOR);
	add(3, SMALL, OG_WHERE_TIER);
	add(4, LARGE, OG_WHERE_LANE);
	now += 100;
	cr_expect_eq(queue().waiting[OG_CLASS_HIGH], 1);
	cr_expect_eq(queue().waiting[OG_CLASS_NORMAL], 0);
	cr_expect_eq(queue().waiting[OG_CLASS_BATCH], 1);
	cr_expect_eq(queue().waiting_bytes, 200);
	cr_expect_eq(queue().oldest_ms, 600);
	og_index_move(plan.index, og_index_find(plan.index, id_of(1)), OG_WHERE_TO_TIER);
	cr_expect_eq(queue().waiting_bytes, 100);
	cr_expect_eq(queue().oldest_ms, 100);
}

Test(view, how_many_end_a_minute)
{
	struct og_entry *e = add(1, SMALL, OG_WHERE_TIER);

	cr_expect_eq(queue().per_min, 0);
	now += OG_RATE_WINDOW_MS;
	for (int i = 0; i < 10; i++)
		og_plan_ended(&plan, e, 0, 0, now);
	cr_expect_float_eq(queue().per_min, 60, 0.1, "ten in a window of 10 s");
	now += OG_RATE_WINDOW_MS / 2;
	cr_expect_float_eq(queue().per_min, 60, 0.1);
	now += 2 * OG_RATE_WINDOW_MS;
	cr_expect_eq(queue().per_min, 0);
}

/* The first digits of the ids that fit, newest first. */
static size_t jobs(struct og_filter f, unsigned *ret)
{
	const struct og_entry *found[3];
	size_t n = og_view_jobs(&plan, &f, found, 3);

	for (size_t i = 0; i < n; i++)
		ret[i] = (unsigned)strtoul(found[i]->id, NULL, 16);
	return n;
}

Test(view, jobs_newest_first_and_only_those_that_fit)
{
	const struct og_filter all = {.tier = -1, .class = -1, .state = -1};
	struct og_filter f = all;
	unsigned ids[3];

	for (unsigned i = 1; i <= 6; i++, now++)
		add_as(i, i == 5 ? LARGE : SMALL, i % 2 ? OG_CLASS_HIGH : OG_CLASS_BATCH, i == 4 ? "b" : "a",
			i == 2 ? OG_WHERE_RUN : OG_WHERE_LANE);
	cr_assert_eq(jobs(all, ids), 3);
	cr_expect(ids[0] == 6 && ids[1] == 5 && ids[2] == 4);
	f.state = OG_STATE_RUNNING;
	cr_assert_eq(jobs(f, ids), 1);
	cr_expect_eq(ids[0], 2);
	f = all;
	f.tier = SMALL;
	f.class = OG_CLASS_HIGH;
	cr_assert_eq(jobs(f, ids), 2);
	cr_expect(ids[0] == 3 && ids[1] == 1);
	f = all;
	f.tenant = "b";
	cr_assert_eq(jobs(f, ids), 1);
	f.since_ms = WALL + now;
	cr_expect_eq(jobs(f, ids), 0);
}

/* The two pages of five that came one after another. */
static void expect_two_pages(void)
{
	struct og_filter f = {.tier = -1, .class = -1, .state = -1};
	unsigned ids[3];

	cr_assert_eq(jobs(f, ids), 3);
	cr_expect(ids[0] == 5 && ids[1] == 4 && ids[2] == 3);
	f.before_ms = og_index_find(plan.index, id_of(3))->accepted_ms;
	f.before_id = id_of(3);
	cr_assert_eq(jobs(f, ids), 2);
	cr_expect(ids[0] == 2 && ids[1] == 1);
}

Test(view, pages_lose_none_of_those_that_came_within_a_millisecond)
{
	for (unsigned i = 5; i >= 1; i--)
		add(i, SMALL, OG_WHERE_LANE);
	expect_two_pages();
}

Test(view, pages_lose_none_of_what_was_placed_in_another_order_than_it_came)
{
	for (unsigned i = 1; i <= 5; i++, now++)
		add(i, SMALL, OG_WHERE_LANE);
	for (unsigned i = 5; i >= 1; i--)
		og_index_move(plan.index, og_index_find(plan.index, id_of(i)), OG_WHERE_TO_TIER);
	expect_two_pages();
}

Test(view, pages_lose_none_behind_what_waits_again)
{
	for (unsigned i = 1; i <= 5; i++, now++)
		add(i, SMALL, OG_WHERE_LANE);
	for (unsigned i = 1; i <= 3; i++) {
		struct og_entry *e = og_index_find(plan.index, id_of(i));

		og_index_move(plan.index, e, OG_WHERE_RETRY);
		e->attempt = 2;
		og_index_move(plan.index, e, OG_WHERE_TO_LANE);
	}
	expect_two_pages();
}
