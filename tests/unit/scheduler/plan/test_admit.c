#include "scheduler/plan/fixture.h"

TestSuite(admit, .timeout = 60, .init = setup, .fini = teardown);

static enum og_resolved resolve(const char *tier, const char *model, unsigned *ret, struct og_error *err)
{
	const struct og_ask ask = {.class = OG_CLASS_NORMAL, .tenant = "a", .left_ms = 60000};

	*ret = 99;
	return og_plan_resolve(&plan, tier, model, &ask, now, ret, err);
}

Test(admit, a_tier_goes_before_a_model_and_aliases_count)
{
	struct og_error err;
	unsigned tier;

	cr_expect_eq(resolve("large", "small", &tier, NULL), OG_RESOLVED);
	cr_expect_eq(tier, LARGE);
	cr_expect_eq(resolve("auto", "TINY", &tier, NULL), OG_RESOLVED);
	cr_expect_eq(tier, SMALL);
	cr_expect_eq(resolve(NULL, "smal", &tier, &err), OG_RESOLVE_UNKNOWN);
	cr_expect_not_null(strstr(err.message, "small"), "%s", err.message);
	hear(1, LARGE, 1, 0, 0);
	cr_expect_eq(resolve(NULL, "smal", &tier, &err), OG_RESOLVE_UNKNOWN);
	cr_expect_null(strstr(err.message, "small"), "nobody serves it: %s", err.message);
}

/* 60 s are left, and a job of a tier that has not ended any is taken to run for 10. */
Test(admit, auto_takes_the_best_that_meets_the_deadline_else_what_is_done_first)
{
	struct og_entry *e;
	unsigned tier;

	hear(1, SMALL, 1, 0, 0);
	hear(2, LARGE, 1, 0, 0);
	cr_expect_eq(resolve(NULL, NULL, &tier, NULL), OG_RESOLVED);
	cr_expect_eq(tier, LARGE);
	for (unsigned i = 0; i < 4; i++)
		add(i, LARGE, OG_WHERE_TIER);
	cr_expect_eq(resolve("AUTO", "auto", &tier, NULL), OG_RESOLVED);
	cr_expect_eq(tier, LARGE, "it is busy, and will be done in time");
	for (unsigned i = 10; i < 13; i++)
		add(i, LARGE, OG_WHERE_LANE);
	cr_expect_eq(resolve("auto", NULL, &tier, NULL), OG_RESOLVED);
	cr_expect_eq(tier, SMALL);
	for (unsigned i = 20; i < 40; i++)
		e = add(i, SMALL, OG_WHERE_LANE);
	og_plan_ended(&plan, e, 10000, 0, now);
	cr_expect_eq(resolve("auto", NULL, &tier, NULL), OG_RESOLVED);
	cr_expect_eq(tier, LARGE, "late in both, but here less so");
}

Test(admit, auto_waits_until_the_fleet_was_heard_then_says_that_nobody_serves)
{
	char name[3 * OG_NAME_MAX];
	struct og_error err;
	unsigned tier;
	int lost;

	cr_expect_eq(resolve("auto", NULL, &tier, NULL), OG_RESOLVE_LATER);
	now += OG_GRACE_PERIODS * OG_PRESENCE_PERIOD_MS;
	cr_expect_eq(resolve("auto", NULL, &tier, &err), OG_RESOLVE_NO_CAPACITY);
	hear(1, SMALL, 1, 0, 0);
	now += OG_PRESENCE_LOST_MS + 1;
	cr_expect(og_plan_sweep(&plan, now, name, &lost));
	cr_expect_eq(resolve("auto", NULL, &tier, NULL), OG_RESOLVED);
	cr_expect_eq(tier, SMALL, "the one that was served last");
}

Test(admit, places_while_there_is_room_and_nobody_waits)
{
	hear(1, SMALL, 2, 0, 0);
	cr_expect_eq(og_plan_room(&plan, SMALL), 3, "two slots and half of that ahead");
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_eq(admit(SMALL, OG_CLASS_NORMAL, 1, NULL), OG_VERDICT_PLACE);
		add(i, SMALL, OG_WHERE_TO_TIER);
	}
	cr_expect_eq(og_plan_room(&plan, SMALL), 0);
	cr_expect_eq(admit(SMALL, OG_CLASS_NORMAL, 1, NULL), OG_VERDICT_DOOR);
	cr_expect_eq(
		admit(LARGE, OG_CLASS_NORMAL, 1, NULL), OG_VERDICT_WAIT, "nobody serves it yet, but the leader is new");
}

Test(admit, nobody_overtakes_its_own_class_or_a_better_one)
{
	hear(1, SMALL, 2, 0, 0);
	add_as(1, SMALL, OG_CLASS_NORMAL, "a", OG_WHERE_TO_LANE);
	cr_expect_eq(admit(SMALL, OG_CLASS_NORMAL, 1, NULL), OG_VERDICT_WAIT);
	cr_expect_eq(admit(SMALL, OG_CLASS_BATCH, 1, NULL), OG_VERDICT_WAIT);
	cr_expect_eq(admit(SMALL, OG_CLASS_HIGH, 1, NULL), OG_VERDICT_PLACE);
}

Test(admit, refuses_beyond_the_bytes_that_may_wait)
{
	struct og_error err = {0};

	plan.waiting_max_bytes = 250;
	add(1, SMALL, OG_WHERE_LANE);
	cr_expect_eq(admit(SMALL, OG_CLASS_NORMAL, 150, NULL), OG_VERDICT_WAIT);
	cr_expect_eq(admit(SMALL, OG_CLASS_NORMAL, 151, &err), OG_VERDICT_BUSY);
	cr_expect_eq(err.kind, OG_BUSY);
	cr_expect_str_eq(err.message, "1 waiting, try in 60 s");
}

Test(admit, no_capacity_is_said_after_the_grace_and_when_none_was_seen_for_long)
{
	char name[3 * OG_NAME_MAX];
	int tier;

	cr_expect_eq(admit(LARGE, OG_CLASS_NORMAL, 1, NULL), OG_VERDICT_WAIT);
	now += OG_GRACE_PERIODS * OG_PRESENCE_PERIOD_MS;
	cr_expect_eq(admit(LARGE, OG_CLASS_NORMAL, 1, NULL), OG_VERDICT_NO_CAPACITY);
	hear(1, LARGE, 1, 0, 0);
	now += OG_PRESENCE_LOST_MS + 1;
	cr_expect(og_plan_sweep(&plan, now, name, &tier));
	cr_expect_eq(admit(LARGE, OG_CLASS_NORMAL, 1, NULL), OG_VERDICT_WAIT);
	now += plan.no_capacity_after_ms;
	cr_expect_eq(admit(LARGE, OG_CLASS_NORMAL, 1, NULL), OG_VERDICT_NO_CAPACITY);
}

Test(admit, what_finds_no_room_waits_at_the_door_unless_others_wait_in_lanes)
{
	hear(1, SMALL, 1, 0, 0);
	add(1, SMALL, OG_WHERE_RUN);
	add(2, SMALL, OG_WHERE_RUN);
	for (unsigned i = 0; i < OG_DOOR_MAX; i++) {
		cr_assert_eq(admit(SMALL, OG_CLASS_NORMAL, 100, NULL), OG_VERDICT_DOOR);
		cr_expect_eq(og_plan_ahead(&plan, add(10 + i, SMALL, OG_WHERE_DOOR)), i);
	}
	cr_expect_eq(admit(SMALL, OG_CLASS_NORMAL, 100, NULL), OG_VERDICT_WAIT, "it is full");
	og_index_remove(plan.index, og_index_find(plan.index, id_of(10)));
	cr_expect_eq(admit(SMALL, OG_CLASS_NORMAL, OG_DOOR_BYTES, NULL), OG_VERDICT_BUSY);
	plan.waiting_max_bytes = INT64_MAX;
	cr_expect_eq(admit(SMALL, OG_CLASS_NORMAL, OG_DOOR_BYTES, NULL), OG_VERDICT_WAIT);
	add_as(5, SMALL, OG_CLASS_NORMAL, "a", OG_WHERE_TO_LANE);
	cr_expect_eq(admit(SMALL, OG_CLASS_NORMAL, 100, NULL), OG_VERDICT_WAIT);
	cr_expect_eq(admit(SMALL, OG_CLASS_HIGH, 100, NULL), OG_VERDICT_DOOR);
	cr_expect_eq(admit(LARGE, OG_CLASS_HIGH, 100, NULL), OG_VERDICT_WAIT, "nobody serves it");
}

Test(admit, the_door_is_served_in_turn_and_left_in_time)
{
	struct og_entry *first = add(1, SMALL, OG_WHERE_DOOR), *second, *high;

	now += 10;
	second = add(2, SMALL, OG_WHERE_DOOR);
	high = add_as(3, SMALL, OG_CLASS_HIGH, "a", OG_WHERE_DOOR);
	hear(1, SMALL, 1, 0, 0);
	cr_expect_eq(og_plan_next(&plan, SMALL, now), high);
	og_index_move(plan.index, high, OG_WHERE_TO_TIER);
	cr_expect_eq(og_plan_next(&plan, SMALL, now), first);
	cr_expect_null(og_plan_tired(&plan, SMALL, 1 + OG_DOOR_MS - 1));
	cr_expect_eq(og_plan_tired(&plan, SMALL, 1 + OG_DOOR_MS), first);
	og_index_move(plan.index, first, OG_WHERE_TO_LANE);
	cr_expect_eq(plan.index->at_door, 1);
	cr_expect_eq(plan.index->door_bytes, 100);
	cr_expect_eq(plan.index->waiting, 2);
	cr_expect_eq(og_plan_next(&plan, SMALL, now), second, "the first is on its way to its lane");
	og_index_move(plan.index, first, OG_WHERE_LANE);
	og_index_hold(plan.index, first, (struct og_held *)first);
	cr_expect_eq(og_plan_next(&plan, SMALL, now), first, "it kept its turn");
	cr_expect_eq(og_plan_ahead(&plan, second), 1);
}

Test(admit, the_next_is_of_the_best_class_and_within_it_the_oldest)
{
	struct og_entry *batch = add_head(1, SMALL, OG_CLASS_BATCH, "a");
	struct og_entry *first = add_head(2, SMALL, OG_CLASS_NORMAL, "a");
	struct og_entry *second = add_head(3, SMALL, OG_CLASS_NORMAL, "b");
	struct og_entry *high = add_head(4, SMALL, OG_CLASS_HIGH, "c");
	struct og_entry *expected[] = {high, first, second, batch};

	cr_assert_neq(lane_of("a"), lane_of("b"));
	cr_expect_null(og_plan_next(&plan, SMALL, now), "no room");
	hear(1, SMALL, 4, 0, 0);
	for (size_t i = 0; i < OG_COUNT(expected); i++) {
		struct og_entry *e = og_plan_next(&plan, SMALL, now);

		cr_assert_eq(e, expected[i], "place %zu", i);
		og_index_unhold(plan.index, e);
		og_index_move(plan.index, e, OG_WHERE_TO_TIER);
	}
	cr_expect_null(og_plan_next(&plan, SMALL, now));
	cr_expect_eq(plan.index->tiers[SMALL].placed, 4);
}

Test(admit, the_next_has_its_body_here_and_its_record_known)
{
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);
	struct og_entry *unsure = add_head(2, SMALL, OG_CLASS_NORMAL, "b");

	hear(1, SMALL, 4, 0, 0);
	unsure->unsure = true;
	cr_expect_null(og_plan_next(&plan, SMALL, now));
	unsure->unsure = false;
	cr_expect_eq(og_plan_next(&plan, SMALL, now), unsure);
	og_index_hold(plan.index, e, (struct og_held *)e);
	cr_expect_eq(og_plan_next(&plan, SMALL, now), e);
}

Test(admit, ahead_counts_better_classes_and_fair_shares_of_its_own)
{
	struct og_entry *e[4];

	for (unsigned i = 0; i < 4; i++) {
		e[i] = add_as(i, SMALL, OG_CLASS_NORMAL, i % 2 ? "a" : "b", OG_WHERE_LANE);
		cr_expect_eq(og_plan_ahead(&plan, e[i]), i, "exact for one that has just come");
	}
	add_as(9, SMALL, OG_CLASS_HIGH, "a", OG_WHERE_LANE);
	add_as(10, SMALL, OG_CLASS_BATCH, "a", OG_WHERE_LANE);
	add_as(11, LARGE, OG_CLASS_HIGH, "a", OG_WHERE_LANE);
	cr_expect_eq(og_plan_ahead(&plan, e[3]), 4);
	og_index_move(plan.index, e[0], OG_WHERE_TO_TIER);
	og_index_move(plan.index, e[1], OG_WHERE_ENDED);
	cr_expect_eq(og_plan_ahead(&plan, e[0]), 0);
	cr_expect_eq(og_plan_ahead(&plan, e[2]), 2, "a has had nothing yet");
	cr_expect_eq(og_plan_ahead(&plan, e[3]), 1);
}

Test(admit, says_when_to_come_back_by_the_rate_of_what_ends)
{
	struct og_entry *e = NULL;

	for (unsigned i = 0; i < 40; i++)
		e = add(i, SMALL, OG_WHERE_LANE);
	cr_expect_eq(og_plan_retry_s(&plan, SMALL, now), 60, "nothing has ended yet");
	now = 100000;
	for (unsigned i = 0; i < 100; i++, now += 100)
		og_plan_ended(&plan, e, 0, 0, now);
	cr_expect_eq(og_plan_retry_s(&plan, SMALL, now), 5, "%u", og_plan_retry_s(&plan, SMALL, now));
}

Test(admit, what_waits_for_a_tier_that_is_gone_is_hopeless_in_the_end)
{
	struct og_entry *e = add(1, LARGE, OG_WHERE_LANE);

	e->accepted_ms = WALL; /* by the leader before us */
	now += OG_TIER_GONE_MS - 1;
	cr_expect_null(og_plan_hopeless(&plan, LARGE, now, NULL));
	cr_expect_null(og_plan_hopeless(&plan, SMALL, now + 1, NULL));
	cr_expect_eq(og_plan_hopeless(&plan, LARGE, now + 1, NULL), e);
	hear(1, LARGE, 1, 0, 0);
	cr_expect_null(og_plan_hopeless(&plan, LARGE, now + 1, NULL));
}

Test(admit, what_came_before_the_fleet_was_heard_is_judged_again)
{
	struct og_entry *earlier = add(1, LARGE, OG_WHERE_LANE), *early, *small;

	earlier->accepted_ms = WALL; /* by the leader before us */
	now += 1000;
	early = add(2, LARGE, OG_WHERE_LANE);
	small = add(3, SMALL, OG_WHERE_LANE);
	cr_expect_null(og_plan_hopeless(&plan, LARGE, now, NULL), "who is there is not known yet");
	hear(1, SMALL, 1, 0, 0);
	now = plan.leading_since + plan.no_capacity_after_ms;
	cr_expect_null(og_plan_hopeless(&plan, LARGE, now - 1, NULL), "a fleet that starts with us is given its time");
	cr_expect_eq(og_plan_hopeless(&plan, LARGE, now, NULL), early);
	cr_expect_null(og_plan_hopeless(&plan, SMALL, now, NULL), "%s has a worker", small->id);
	og_index_remove(plan.index, early);
	cr_expect_null(og_plan_hopeless(&plan, LARGE, now, NULL), "another leader promised it a wait");
	cr_expect_eq(og_plan_hopeless(&plan, LARGE, plan.leading_since + OG_TIER_GONE_MS, NULL), earlier);
}

/* 20,000 jobs of 50 tenants: a choice that looked at each of them would not end in time. */
Test(admit, serves_a_backlog_to_its_end)
{
	const unsigned n = 20000;
	unsigned served = 0;
	char tenant[16];
	struct og_entry *e;

	hear(1, SMALL, 1000, 0, 0);
	for (unsigned i = 0; i < n; i++) {
		snprintf(tenant, sizeof(tenant), "t%u", i % 50);
		add_as(i, SMALL, (enum og_class)(i % OG_CLASSES), tenant, OG_WHERE_LANE);
	}
	/* The broker's part: each lane shows its first bodies. */
	for (;;) {
		for (int c = 0; c < OG_CLASSES; c++) {
			for (unsigned k = 0; k < OG_LANES; k++) {
				struct og_lane *l = og_index_lane(plan.index, SMALL, (enum og_class)c, k);

				if (!l->n_heads && l->list)
					og_index_hold(plan.index, l->list, (struct og_held *)l);
			}
		}
		e = og_plan_next(&plan, SMALL, now);
		if (!e)
			break;
		served++;
		og_index_remove(plan.index, e);
	}
	cr_expect_eq(served, n);
}

Test(admit, what_should_wait_in_a_lane_that_shows_nothing_counts_for_nobody)
{
	struct og_entry *ghost = add(1, SMALL, OG_WHERE_LANE), *real;

	hear(1, SMALL, 4, 0, 0);
	cr_expect_eq(og_plan_silent(&plan, SMALL, true, now), 0);
	cr_expect_eq(og_plan_silent(&plan, SMALL, false, now + OG_SILENT_MS), 0, "nobody looked");
	cr_expect_eq(og_plan_silent(&plan, SMALL, true, now + OG_SILENT_MS), 0);
	cr_expect_eq(og_plan_silent(&plan, SMALL, true, now + 2 * OG_SILENT_MS), 1);
	cr_expect_eq(plan.index->waiting + plan.index->waiting_bytes, 0);
	cr_expect_eq(admit(SMALL, OG_CLASS_NORMAL, 1, NULL), OG_VERDICT_PLACE);
	cr_expect_eq(og_index_due(plan.index, INT64_MAX), ghost, "its deadline is kept");
	real = add_head(2, SMALL, OG_CLASS_NORMAL, "a");
	cr_expect_eq(og_plan_next(&plan, SMALL, now), real);
	cr_expect_eq(og_plan_ahead(&plan, real), 0);
	og_index_hold(plan.index, ghost, (struct og_held *)ghost);
	cr_expect_not(ghost->astray, "its body came after all");
	cr_expect_eq(plan.index->waiting, 2);
	cr_expect_eq(og_plan_silent(&plan, SMALL, true, now + 9 * OG_SILENT_MS), 0, "it shows bodies");
}

Test(admit, a_paused_tier_takes_what_comes_and_places_nothing)
{
	struct og_error err;
	unsigned tier;

	hear(1, LARGE, 2, 0, 0);
	hear(2, SMALL, 1, 0, 0);
	og_plan_pause(&plan, LARGE, true, now);
	cr_expect_eq(og_plan_room(&plan, LARGE), 0);
	cr_expect_eq(admit(LARGE, OG_CLASS_NORMAL, 1, &err), OG_VERDICT_WAIT);
	add_head(1, LARGE, OG_CLASS_NORMAL, "a");
	cr_expect_eq(resolve("auto", NULL, &tier, NULL), OG_RESOLVED);
	cr_expect_eq(tier, SMALL, "auto passes it by");
	og_plan_pause(&plan, LARGE, false, now);
	cr_expect_eq(og_plan_room(&plan, LARGE), 3);
}

Test(admit, a_pause_ends_nobody_for_want_of_workers)
{
	char name[3 * OG_NAME_MAX];
	struct og_error err;
	int lost;

	hear(1, SMALL, 1, 0, 0);
	add_head(1, SMALL, OG_CLASS_NORMAL, "a");
	og_plan_pause(&plan, SMALL, true, now);
	now += OG_TIER_GONE_MS + OG_PRESENCE_LOST_MS;
	cr_assert(og_plan_sweep(&plan, now, name, &lost));
	cr_expect_null(og_plan_hopeless(&plan, SMALL, now, &err));
	cr_expect_eq(admit(SMALL, OG_CLASS_NORMAL, 1, &err), OG_VERDICT_WAIT);
	og_plan_pause(&plan, SMALL, false, now);
	cr_expect_null(og_plan_hopeless(&plan, SMALL, now, &err), "its workers may come back now");
	now += OG_TIER_GONE_MS;
	cr_expect_not_null(og_plan_hopeless(&plan, SMALL, now, &err));
}
