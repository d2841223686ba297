#include "scheduler/plan/fixture.h"

TestSuite(next, .timeout = 60, .init = setup, .fini = teardown);

static struct og_entry *serve(void)
{
	struct og_entry *e = og_plan_next(&plan, SMALL, now);

	cr_assert_not_null(e);
	og_index_unhold(plan.index, e);
	og_index_move(plan.index, e, OG_WHERE_TO_TIER);
	return e;
}

/* The bound: the n-th oldest of those that have aged is placed after 8 × n placements at most. */
Test(next, nothing_starves)
{
	struct og_entry *batch[3];
	unsigned seen = 0, high = 100;

	plan.ageing_ms = 60000;
	hear(1, SMALL, 1000, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		batch[i] = add_head(i, SMALL, OG_CLASS_BATCH, "a");
	for (unsigned i = 0; i < 32; i++) {
		add_head(high++, SMALL, OG_CLASS_HIGH, "b");
		cr_assert_eq(serve()->class, OG_CLASS_HIGH, "it is not old yet");
	}
	now += plan.ageing_ms;
	for (unsigned i = 1; i <= 3 * OG_AGED_EVERY; i++) {
		struct og_entry *e;

		add_head(high++, SMALL, OG_CLASS_HIGH, "b");
		e = serve();
		if (e->class == OG_CLASS_BATCH) {
			cr_assert_eq(e, batch[seen]);
			seen++;
		}
		cr_assert_geq(seen, i / OG_AGED_EVERY);
	}
	cr_expect_eq(seen, 3, "and no more than its share");
}

Test(next, age_is_counted_by_a_clock_that_nobody_sets)
{
	struct og_entry *old = add_head(1, SMALL, OG_CLASS_BATCH, "a"), *e;

	plan.ageing_ms = 1000;
	hear(1, SMALL, 1000, 0, 0);
	old->accepted_ms = WALL + 1000000000; /* the wall clock was set back since */
	now += 1000;
	for (unsigned i = 0; i < OG_AGED_EVERY; i++) {
		add_head(10 + i, SMALL, OG_CLASS_HIGH, "b");
		e = serve();
	}
	cr_expect_eq(e, old);
}

Test(next, who_owes_and_has_aged_is_not_passed_over_for_ever)
{
	struct og_entry *e = add_head(1, SMALL, OG_CLASS_NORMAL, "a");
	bool served = false;

	plan.ageing_ms = 1000;
	hear(1, SMALL, 1000, 0, 0);
	e->flow->start = 1e12;
	now += 1000;
	for (unsigned i = 0; i < OG_AGED_EVERY; i++) {
		add_head(10 + i, SMALL, OG_CLASS_NORMAL, "b");
		served = served || serve() == e;
	}
	cr_expect(served);
}

Test(next, a_refused_placement_was_none)
{
	struct og_entry *a = add_head(1, SMALL, OG_CLASS_NORMAL, "a"), *e;
	double start = a->flow->start;

	hear(1, SMALL, 10, 0, 0);
	e = serve();
	cr_expect_gt(e->flow->start, start);
	og_index_put_back(plan.index, e);
	cr_expect_eq(e->flow->start, start);
	cr_expect_eq(plan.index->tiers[SMALL].placements, 0);

	og_index_move(plan.index, e, OG_WHERE_TO_TIER);
	cr_expect_gt(e->flow->start, start);
	og_flow_refund(plan.index, e);
	og_index_move(plan.index, e, OG_WHERE_RETRY);
	cr_expect_eq(e->flow->start, start, "nor was that of one that is tried again");
	cr_expect_eq(plan.index->tiers[SMALL].placements, 0);

	og_index_move(plan.index, e, OG_WHERE_TO_TIER);
	og_index_move(plan.index, e, OG_WHERE_RETRY);
	cr_expect_gt(e->flow->start, start, "one that was handed back before its confirm was placed");
	cr_expect_eq(plan.index->tiers[SMALL].placements, 1);
}

/* --- what batch leaves --- */

static unsigned served_of_batch(unsigned n)
{
	unsigned served = 0;

	for (unsigned i = 0; i < n; i++)
		add_head(i, SMALL, OG_CLASS_BATCH, "a");
	while (og_plan_next(&plan, SMALL, now)) {
		serve();
		served++;
	}
	return served;
}

Test(next, batch_leaves_a_slot_to_the_others)
{
	struct og_entry *chat;

	plan.batch_leaves = 1;
	hear(1, SMALL, 4, 0, 0);
	cr_expect_eq(served_of_batch(8), 3, "and nothing ahead");
	cr_expect_eq(admit(SMALL, OG_CLASS_BATCH, 1, NULL), OG_VERDICT_WAIT);
	cr_expect_eq(admit(SMALL, OG_CLASS_NORMAL, 1, NULL), OG_VERDICT_PLACE, "whoever is in a hurry finds it");
	chat = add_head(100, SMALL, OG_CLASS_NORMAL, "b");
	cr_expect_eq(serve(), chat);
	cr_expect_null(og_plan_next(&plan, SMALL, now));
	og_index_remove(plan.index, og_index_find(plan.index, id_of(0)));
	cr_expect_eq(serve()->class, OG_CLASS_BATCH, "theirs are theirs, whatever the others have");
	cr_expect_null(og_plan_next(&plan, SMALL, now));
}

Test(next, batch_has_one_slot_always_and_all_where_it_leaves_none)
{
	hear(1, SMALL, 1, 0, 0);
	plan.batch_leaves = 1;
	cr_expect_eq(served_of_batch(3), 1, "a chat waits for one, not for what was placed ahead");
	hear(1, SMALL, 4, 0, 0);
	plan.batch_leaves = 9;
	cr_expect_null(og_plan_next(&plan, SMALL, now));
	plan.batch_leaves = 0;
	cr_expect_eq(served_of_batch(0), 2);
	cr_expect_eq(og_plan_room(&plan, SMALL), 3);
}

/* Its turn by age does not take what it leaves; where it has less than it may, it comes. */
Test(next, what_has_aged_leaves_it_too)
{
	unsigned served = 0;

	plan.batch_leaves = 1;
	plan.ageing_ms = 1000;
	hear(1, SMALL, 100, 0, 0);
	for (unsigned i = 0; i < 99; i++)
		add_as(i, SMALL, OG_CLASS_BATCH, "a", OG_WHERE_TIER);
	add_head(200, SMALL, OG_CLASS_BATCH, "a");
	now += 1000;
	for (unsigned i = 0; i < 2 * OG_AGED_EVERY; i++) {
		add_head(300 + i, SMALL, OG_CLASS_HIGH, "b");
		cr_assert_eq(serve()->class, OG_CLASS_HIGH);
	}
	og_index_remove(plan.index, og_index_find(plan.index, id_of(0)));
	for (unsigned i = 0; i < OG_AGED_EVERY; i++) {
		add_head(400 + i, SMALL, OG_CLASS_HIGH, "b");
		served += serve()->class == OG_CLASS_BATCH;
	}
	cr_expect_eq(served, 1);
}
