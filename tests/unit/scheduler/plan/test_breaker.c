#include "scheduler/plan/fixture.h"

static struct og_worker *w;

static void init(void)
{
	setup();
	now += OG_CALM_MS;
	hear(1, SMALL, 2, 0, 0);
	hear(2, SMALL, 2, 0, 0);
	w = og_nodes_find(&plan.nodes, "00000001-2222-4000-8000-000000000000");
}

TestSuite(breaker, .timeout = 60, .init = init, .fini = teardown);

static void fail(unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		og_plan_worker_failed(&plan, w, true, now);
}

/* What it is told; -1: nothing. */
static int64_t told(void)
{
	struct og_pause pause, more;

	if (!og_plan_pauses(&plan, now, &pause))
		return -1;
	cr_expect_eq(pause.worker, w);
	cr_expect_not(og_plan_pauses(&plan, now, &more), "once");
	return pause.ms;
}

static enum og_choice choose(struct og_worker **ret)
{
	struct og_entry *e = og_index_find(plan.index, id_of(1));
	const struct og_wish none = {0};

	*ret = NULL;
	return og_plan_choose(&plan, e ? e : add(1, SMALL, OG_WHERE_LANE), &none, now, ret);
}

Test(breaker, three_fast_failures_in_a_row_pause_it)
{
	fail(2);
	cr_expect_not(og_worker_open(&plan, w));
	cr_expect_eq(told(), -1);
	fail(1);
	cr_expect(og_worker_open(&plan, w));
	cr_expect_eq(told(), OG_BREAKER_FIRST_MS + OG_BREAKER_PROBE_MS);
}

Test(breaker, one_that_ends_well_between_breaks_the_row)
{
	fail(2);
	og_plan_worker_ran(&plan, w);
	fail(2);
	cr_expect_not(og_worker_open(&plan, w));
	cr_expect_eq(told(), -1);
}

Test(breaker, slow_failures_do_not_count)
{
	for (unsigned i = 0; i < 10; i++)
		og_plan_worker_failed(&plan, w, false, now);
	cr_expect_null(plan.breakers);
}

Test(breaker, pauses_double_up_to_five_minutes)
{
	int64_t pause = OG_BREAKER_FIRST_MS;

	fail(3);
	for (unsigned i = 0; i < 9; i++) {
		cr_expect_eq(told(), pause + OG_BREAKER_PROBE_MS);
		fail(1);
		cr_expect_eq(told(), -1, "what it still had in hand changes nothing");
		now += pause;
		fail(1);
		pause = 2 * pause < OG_BREAKER_MOST_MS ? 2 * pause : OG_BREAKER_MOST_MS;
	}
	cr_expect_eq(pause, OG_BREAKER_MOST_MS);
}

static uint32_t most(void)
{
	return UINT32_MAX;
}

Test(breaker, a_fleet_does_not_come_back_at_once)
{
	plan.random = most;
	fail(3);
	cr_expect_geq(told(), OG_BREAKER_PROBE_MS + OG_BREAKER_FIRST_MS * 124 / 100);
	now += OG_BREAKER_FIRST_MS;
	cr_expect_null(og_plan_probe(&plan, SMALL, now));
}

Test(breaker, after_the_pause_one_job_tries_it)
{
	struct og_worker *chosen;
	struct og_entry *e;

	fail(3);
	told();
	cr_expect_eq(choose(&chosen), OG_CHOICE_ANY);
	now += OG_BREAKER_FIRST_MS;
	w->said.paused = true; /* it was told for longer */
	cr_expect_eq(choose(&chosen), OG_CHOICE_ANY);
	cr_expect_eq(og_plan_probe(&plan, SMALL, now), w);
	e = og_index_find(plan.index, id_of(1));
	og_index_set_meant(plan.index, e, w);
	og_index_move(plan.index, e, OG_WHERE_TO_TIER);
	cr_expect_null(og_plan_probe(&plan, SMALL, now), "one");
	og_index_remove(plan.index, e);
	og_plan_worker_ran(&plan, w);
	cr_expect_eq(told(), 0);
	cr_expect_not(og_worker_open(&plan, w));
	fail(2);
	cr_expect_not(og_worker_open(&plan, w), "it begins anew");
}

Test(breaker, where_all_are_paused_there_is_room_for_the_one_that_tries)
{
	struct og_presence p = presence(1, SMALL, 2, 0, 0), gone = presence(2, SMALL, 2, 0, 0);
	struct og_entry *e = add_head(1, SMALL, OG_CLASS_NORMAL, "a");

	gone.leaving = true;
	say(gone);
	fail(3);
	p.paused = true;
	say(p);
	cr_expect_null(og_plan_next(&plan, SMALL, now));
	now += OG_BREAKER_FIRST_MS;
	cr_expect_eq(og_plan_next(&plan, SMALL, now), e);
	cr_expect_eq(og_plan_room(&plan, SMALL), 1);
	cr_expect_eq(og_plan_room_for_all(&plan, SMALL), 0);
}

Test(breaker, it_outlives_a_restart_of_the_worker)
{
	struct og_presence p = presence(1, SMALL, 2, 0, 0);

	fail(3);
	strcpy(p.instance, "99999999-2222-4000-8000-000000000000");
	say(p);
	w = og_nodes_find(&plan.nodes, "99999999-2222-4000-8000-000000000000");
	cr_assert_not_null(w);
	cr_expect(og_worker_open(&plan, w));
}

Test(breaker, another_users_worker_of_the_same_name_is_another)
{
	struct og_presence p = presence(3, SMALL, 2, 0, 0);
	struct og_worker *other;

	strcpy(p.worker, w->said.worker);
	say_as("worker-b", p);
	other = og_nodes_find(&plan.nodes, "00000003-2222-4000-8000-000000000000");
	cr_assert_str_eq(other->key, w->key);
	fail(3);
	cr_expect(og_worker_open(&plan, w));
	cr_expect_not(og_worker_open(&plan, other));
	og_plan_worker_ran(&plan, other);
	cr_expect_geq(told(), 0, "a pause, and its own");
	cr_expect(og_worker_open(&plan, w));
	cr_expect_eq(og_nodes_named(&plan.nodes, SMALL, w->said.worker, "worker-a"), w);
	cr_expect_eq(og_nodes_named(&plan.nodes, SMALL, w->said.worker, "worker-b"), other);
	cr_expect_null(og_nodes_named(&plan.nodes, SMALL, w->said.worker, "worker-c"));
}

Test(breaker, nobody_pays_for_what_the_broker_did)
{
	og_plan_disturbed(&plan, now);
	fail(5);
	now += OG_CALM_MS - 1;
	fail(5);
	cr_expect_null(plan.breakers);
	now += 1;
	fail(3);
	cr_expect(og_worker_open(&plan, w));
	og_plan_resign(&plan, NULL);
	og_plan_lead(&plan, now, WALL + now);
	og_breakers_free(&plan.breakers);
	fail(5);
	cr_expect_null(plan.breakers, "nor for a leader that is new");
}

Test(breaker, is_forgotten_in_time)
{
	fail(1);
	now += OG_BREAKER_FORGET_MS;
	cr_expect_eq(told(), -1);
	cr_expect_null(plan.breakers);
}
