#include "scheduler/plan/fixture.h"

#include <malloc.h>

TestSuite(index, .timeout = 60, .init = setup, .fini = teardown);

Test(index, counts_by_where_an_entry_is)
{
	struct og_index *ix = plan.index;
	struct og_entry *e = add(1, SMALL, OG_WHERE_CHECK);
	struct og_tier_index *t = &ix->tiers[SMALL];

	cr_expect_eq(ix->waiting + ix->placed, 0);
	og_index_move(ix, e, OG_WHERE_TO_LANE);
	cr_expect_eq(ix->waiting, 1);
	cr_expect_eq(t->waiting[OG_CLASS_NORMAL], 1);
	cr_expect_eq(ix->waiting_bytes, 100);
	og_index_move(ix, e, OG_WHERE_LANE);
	cr_expect_eq(ix->waiting, 1);
	og_index_move(ix, e, OG_WHERE_TO_TIER);
	cr_expect_eq(ix->waiting + ix->waiting_bytes + t->waiting[OG_CLASS_NORMAL], 0);
	cr_expect_eq(t->placed, 1);
	og_index_move(ix, e, OG_WHERE_TIER);
	og_index_move(ix, e, OG_WHERE_RUN);
	cr_expect_eq(t->placed, 1);
	og_index_set_astray(ix, e, true);
	og_index_set_astray(ix, e, true);
	cr_expect_eq(t->placed, 0);
	cr_expect_eq(ix->placed, 0);
	og_index_set_astray(ix, e, false);
	cr_expect_eq(t->placed, 1);
	og_index_set_astray(ix, e, true);
	og_index_remove(ix, e);
	cr_expect_eq(t->placed + ix->placed, 0);
	cr_expect_null(og_index_find(ix, id_of(1)));
}

Test(index, a_lane_keeps_its_order)
{
	struct og_entry *e;
	unsigned i = 0;

	for (unsigned n = 0; n < 5; n++)
		add(n, SMALL, OG_WHERE_TO_LANE);
	og_index_remove(plan.index, og_index_find(plan.index, id_of(2)));
	og_index_move(plan.index, og_index_find(plan.index, id_of(0)), OG_WHERE_LANE);
	for (e = og_index_lane(plan.index, SMALL, OG_CLASS_NORMAL, lane_of("a"))->list; e; e = e->next) {
		i += i == 2;
		cr_expect_str_eq(e->id, id_of(i++));
	}
	cr_expect_eq(i, 5);
}

Test(index, holds_as_many_bodies_as_a_lane_sends)
{
	struct og_entry *e[OG_LANE_HEADS + 1];
	struct og_lane *lane = og_index_lane(plan.index, SMALL, OG_CLASS_NORMAL, lane_of("a"));

	for (unsigned i = 0; i <= OG_LANE_HEADS; i++)
		e[i] = add(i, SMALL, OG_WHERE_LANE);
	for (unsigned i = 0; i < OG_LANE_HEADS; i++)
		cr_expect_eq(og_index_hold(plan.index, e[i], (struct og_held *)e[i]), 0);
	cr_expect_eq(og_index_hold(plan.index, e[OG_LANE_HEADS], (struct og_held *)e), -1);
	cr_expect_eq(og_index_unhold(plan.index, e[1]), (struct og_held *)e[1]);
	cr_expect_null(og_index_unhold(plan.index, e[1]));
	cr_expect_eq(lane->n_heads, OG_LANE_HEADS - 1);
	cr_expect_eq(lane->heads[0], e[0]);
	cr_expect_eq(lane->heads[1], e[2]);
	og_index_remove(plan.index, e[0]);
	cr_expect_eq(lane->heads[0], e[2]);
}

Test(index, what_was_refused_is_where_it_was)
{
	struct og_entry *e[3];
	struct og_lane *lane = og_index_lane(plan.index, SMALL, OG_CLASS_NORMAL, lane_of("a"));

	hear(1, SMALL, 2, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		e[i] = add_head(i, SMALL, OG_CLASS_NORMAL, "a");
	for (unsigned i = 0; i < 2; i++) {
		og_index_unhold(plan.index, e[i]);
		og_index_move(plan.index, e[i], OG_WHERE_TO_TIER);
	}
	for (unsigned i = 0; i < 2; i++) {
		og_index_put_back(plan.index, e[i]);
		cr_expect_eq(og_index_hold(plan.index, e[i], (struct og_held *)e[i]), 0);
	}
	cr_expect_eq(lane->waiting, 3);
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_eq(lane->heads[i], e[i]);
		cr_expect_eq(og_plan_ahead(&plan, e[i]), i);
	}
	cr_expect_eq(lane->list, e[0]);
	cr_expect_eq(lane->list->next, e[1]);
	cr_expect_eq(og_plan_next(&plan, SMALL, now), e[0]);
}

Test(index, a_body_counts_for_as_long_as_it_lies_there)
{
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);

	cr_expect_eq(plan.index->waiting_bytes, 100);
	og_index_move(plan.index, e, OG_WHERE_ENDED);
	cr_expect_eq(plan.index->waiting, 0);
	cr_expect_eq(plan.index->waiting_bytes, 100);
	og_index_remove(plan.index, e);
	cr_expect_eq(plan.index->waiting_bytes, 0);
}

Test(index, names_the_due_in_order)
{
	unsigned seed = 42, left = 0;
	int64_t last = 0;
	struct og_entry *e;

	for (unsigned i = 0; i < 1000; i++) {
		e = add(i, i % 2, OG_WHERE_LANE);
		seed = seed * 1103515245 + 12345;
		og_index_postpone(plan.index, e, WALL + (seed >> 8) % 5000);
		if (i % 3 == 0)
			og_index_remove(plan.index, og_index_find(plan.index, id_of(i / 2)));
		left = HASH_COUNT(plan.index->by_id);
	}
	cr_assert_gt(left, 500);
	cr_expect_null(og_index_due(plan.index, WALL - 1));
	for (; (e = og_index_due(plan.index, WALL + 5000)); left--) {
		cr_assert_geq(e->due_ms, last);
		cr_assert_eq(e->due_ms, og_index_next_due(plan.index));
		last = e->due_ms;
		og_index_remove(plan.index, e);
	}
	cr_expect_eq(left, 0);
	cr_expect_eq(og_index_next_due(plan.index), INT64_MAX);
}

Test(index, what_ended_or_is_looked_up_is_never_due)
{
	og_index_move(plan.index, add(1, SMALL, OG_WHERE_LANE), OG_WHERE_ENDED);
	add(2, SMALL, OG_WHERE_CHECK);
	cr_expect_null(og_index_due(plan.index, INT64_MAX));
}

Test(index, fills_in_what_a_heartbeat_did_not_say)
{
	struct og_entry *e;
	char reply[OG_KEY_MAX];
	struct og_facts facts = {.id = id_of(7),
		.tenant = "b",
		.reply = "producer-b~0123456789abcdef0123456789abcdef",
		.tier = SMALL,
		.class = OG_CLASS_HIGH,
		.deadline_ms = WALL + 5};

	hear(1, SMALL, 2, 7, 1);
	e = og_index_find(plan.index, id_of(7));
	cr_assert_not_null(e);
	og_entry_reply(e, reply);
	cr_expect_str_empty(reply);
	og_index_fill(plan.index, e, &facts);
	og_entry_reply(e, reply);
	cr_expect_str_eq(reply, facts.reply);
	cr_expect_str_eq(e->tenant->text, "b");
	cr_expect_eq(plan.index->tiers[SMALL].placed, 1);
	cr_expect_eq(og_index_due(plan.index, WALL + 5), e);
}

Test(index, a_waiting_job_costs_at_most_400_bytes)
{
#if !defined(__SANITIZE_ADDRESS__)
	const unsigned n = 100000;
	size_t before = mallinfo2().uordblks;
	char tenant[16];

	for (unsigned i = 0; i < n; i++) {
		snprintf(tenant, sizeof(tenant), "t%u", i % 50);
		add_as(i, SMALL, OG_CLASS_BATCH, tenant, OG_WHERE_LANE);
	}
	cr_expect_leq((mallinfo2().uordblks - before) / n, 400, "%zu", (mallinfo2().uordblks - before) / n);
#endif
	cr_expect_leq(sizeof(struct og_entry), 320, "%zu", sizeof(struct og_entry));
}
