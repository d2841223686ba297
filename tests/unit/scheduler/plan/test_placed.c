#include "scheduler/plan/fixture.h"

TestSuite(placed, .timeout = 60, .init = setup, .fini = teardown);

Test(placed, heartbeats_show_what_runs_and_what_does_no_more)
{
	struct og_entry *e = add(1, SMALL, OG_WHERE_TIER);

	hear(1, SMALL, 2, 1, 1);
	cr_expect_eq(e->where, OG_WHERE_RUN);
	cr_expect_str_eq(e->worker->said.node_name, "Node1");
	cr_expect_eq(og_entry_state(e), OG_STATE_RUNNING);
	now = 500;
	hear(1, SMALL, 2, 0, 0);
	cr_expect_eq(e->where, OG_WHERE_TIER);
	cr_expect_null(e->worker);
	cr_expect_eq(e->placed_at, 500, "its age counts anew: the broker delivers it again");
	cr_expect_eq(plan.index->tiers[SMALL].placed, 1);
}

Test(placed, a_worker_that_is_lost_runs_nothing)
{
	struct og_entry *e = add(1, SMALL, OG_WHERE_TIER);
	char name[3 * OG_NAME_MAX];
	int tier;

	hear(1, SMALL, 2, 1, 1);
	now += OG_PRESENCE_LOST_MS + 1;
	cr_expect(og_plan_sweep(&plan, now, name, &tier));
	cr_expect_eq(e->where, OG_WHERE_TIER);
	cr_expect_null(e->worker);
}

Test(placed, a_new_leader_adopts_what_runs)
{
	hear(1, SMALL, 2, 1, 2);
	og_plan_resign(&plan, NULL);
	hear(1, SMALL, 2, 1, 2);
	og_plan_lead(&plan, now, WALL + now);
	cr_expect_eq(plan.index->tiers[SMALL].placed, 2);
	cr_expect_eq(og_plan_room(&plan, SMALL), 1);
	cr_expect_eq(og_index_find(plan.index, id_of(2))->where, OG_WHERE_RUN);
}

Test(placed, a_stranger_that_no_heartbeat_lists_is_forgotten)
{
	struct og_entry *e;

	hear(1, SMALL, 2, 1, 1);
	e = og_index_find(plan.index, id_of(1));
	now += 100000;
	cr_expect_null(og_plan_stranger(&plan, SMALL, now));
	hear(1, SMALL, 2, 0, 0);
	cr_expect_null(og_plan_stranger(&plan, SMALL, now + OG_ASTRAY_MS - 1));
	cr_expect_eq(og_plan_stranger(&plan, SMALL, now + OG_ASTRAY_MS), e);
	add(2, SMALL, OG_WHERE_TIER);
	og_index_remove(plan.index, e);
	cr_expect_null(og_plan_stranger(&plan, SMALL, now + 10 * OG_ASTRAY_MS), "our own is no stranger");
}

Test(placed, a_lagging_heartbeat_is_no_fault_but_a_finished_job_that_goes_on_is)
{
	og_recent_add(plan.recent, id_of(1), now);
	cr_expect_eq(hear(1, SMALL, 2, 1, 1), 0);
	cr_expect_null(plan.index->by_id);
	now += 3001;
	cr_expect_eq(hear(1, SMALL, 2, 1, 1), 1);
}

Test(placed, what_was_cancelled_is_told_to_whoever_runs_it)
{
	add(1, SMALL, OG_WHERE_TIER)->cancelling = true;
	add(2, SMALL, OG_WHERE_ENDED);
	cr_expect_eq(hear(1, SMALL, 2, 1, 2), 2);
}

Test(placed, a_job_that_runs_while_its_body_is_in_its_lane_waits_no_more)
{
	struct og_entry *in_lane = add(1, SMALL, OG_WHERE_LANE);
	struct og_entry *held = add_head(2, SMALL, OG_CLASS_NORMAL, "a");

	hear(1, SMALL, 4, 1, 2);
	cr_expect_eq(in_lane->where, OG_WHERE_RUN);
	cr_expect_eq(held->where, OG_WHERE_LANE);
	cr_expect_eq(plan.index->waiting, 1);
}

Test(placed, a_slot_is_given_back_only_when_the_job_is_evidently_nowhere)
{
	struct og_entry *lost = add(1, SMALL, OG_WHERE_TIER);
	struct og_entry *runs = add(2, SMALL, OG_WHERE_TIER);

	hear(1, SMALL, 2, 2, 1);
	now += OG_ASTRAY_MS - 1;
	cr_expect_eq(og_plan_reconcile(&plan, SMALL, now), 0, "too young");
	now += 1;
	cr_expect_eq(og_plan_reconcile(&plan, SMALL, now), 1);
	cr_expect(lost->astray);
	cr_expect_not(runs->astray);
	cr_expect_eq(plan.index->tiers[SMALL].placed, 1);
	cr_expect_eq(og_plan_reconcile(&plan, SMALL, now), 0);
	hear(2, SMALL, 2, 1, 1);
	cr_expect_not(lost->astray, "a heartbeat lists it: it was somewhere after all");
	cr_expect_eq(plan.index->tiers[SMALL].placed, 2);
}

Test(placed, no_slot_is_given_back_while_every_worker_is_busy)
{
	add(1, SMALL, OG_WHERE_TIER);
	hear(1, SMALL, 1, 7, 1);
	now += 10 * OG_ASTRAY_MS;
	cr_expect_eq(og_plan_reconcile(&plan, SMALL, now), 0, "it may be in the queue");
	hear(1, SMALL, 1, 7, 0);
	cr_expect_eq(og_plan_reconcile(&plan, SMALL, now + OG_FREE_MS - 1), 0, "free for too short a time");
	cr_expect_eq(og_plan_reconcile(&plan, SMALL, now + OG_FREE_MS), 1);
}

Test(placed, a_late_job_ends_at_once_unless_it_runs)
{
	struct og_entry *waits = add(1, SMALL, OG_WHERE_LANE), *placed = add(2, SMALL, OG_WHERE_TIER);
	struct og_entry *runs = add(3, SMALL, OG_WHERE_RUN);
	struct og_entry *moves = add(4, SMALL, OG_WHERE_TO_TIER);
	int64_t wall = waits->deadline_ms;

	cr_expect_eq(og_plan_late(&plan, waits, wall), OG_LATE_END);
	cr_expect_eq(og_plan_late(&plan, placed, wall), OG_LATE_END);
	cr_expect_eq(og_plan_late(&plan, runs, wall), OG_LATE_WAIT);
	cr_expect_eq(runs->due_ms, wall + OG_LATE_GRACE_MS);
	wall += OG_LATE_GRACE_MS;
	cr_expect_eq(og_plan_late(&plan, runs, wall), OG_LATE_END, "its worker had its second");
	cr_expect_eq(og_plan_late(&plan, moves, wall), OG_LATE_WAIT, "until its publish is confirmed");
}
