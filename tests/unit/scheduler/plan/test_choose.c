#include "scheduler/plan/fixture.h"

TestSuite(choose, .timeout = 60, .init = setup, .fini = teardown);

/* Worker `n` of its own node, in region "r<n>", at `speed` tokens/s. */
static struct og_worker *live(unsigned n, int slots, double speed)
{
	struct og_presence p = presence(n, SMALL, slots, 0, 0);
	char instance[OG_ID_LEN + 1];

	p.tokens_per_s = speed;
	snprintf(p.region, sizeof(p.region), "r%u", n);
	strcpy(instance, p.instance);
	say(p);
	return og_nodes_find(&plan.nodes, instance);
}

static void occupy(unsigned i, struct og_worker *w)
{
	og_index_set_worker(plan.index, add(i, SMALL, OG_WHERE_RUN), w);
}

static struct og_worker *chosen;

static enum og_choice choose(struct og_entry *e, struct og_wish wish)
{
	chosen = NULL;
	return og_plan_choose(&plan, e, &wish, now, &chosen);
}

/* What the shell does with a choice of a worker. */
static void place_at(struct og_entry *e, struct og_worker *w)
{
	og_index_set_meant(plan.index, e, w);
	og_index_move(plan.index, e, OG_WHERE_TO_TIER);
}

Test(choose, without_a_wish_the_tiers_queue)
{
	live(1, 1, 10);
	cr_expect_eq(choose(add(1, SMALL, OG_WHERE_LANE), (struct og_wish){0}), OG_CHOICE_ANY);
	cr_expect_eq(choose(add(2, SMALL, OG_WHERE_LANE), (struct og_wish){.session = "s"}), OG_CHOICE_ANY,
		"a session's first");
}

Test(choose, a_session_goes_where_its_cache_is_and_waits_for_it_for_a_moment)
{
	struct og_worker *w = live(1, 1, 10);
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);

	live(2, 1, 99);
	plan.affinity_wait_ms = 250;
	og_plan_remember_session(&plan, "a", "s", w);
	cr_expect_eq(choose(e, (struct og_wish){.session = "s"}), OG_CHOICE_WORKER);
	cr_expect_eq(chosen, w);
	cr_expect_eq(choose(add_as(2, SMALL, OG_CLASS_NORMAL, "b", OG_WHERE_LANE), (struct og_wish){.session = "s"}),
		OG_CHOICE_ANY, "another tenant's session of that name");
	occupy(3, w);
	cr_expect_eq(choose(e, (struct og_wish){.session = "s"}), OG_CHOICE_LATER);
	cr_expect_eq(e->hold_until, now + OG_LOOK_MS);
	now += 249;
	cr_expect_eq(choose(e, (struct og_wish){.session = "s"}), OG_CHOICE_LATER);
	now += 1;
	cr_expect_eq(choose(e, (struct og_wish){.session = "s"}), OG_CHOICE_ANY);
}

Test(choose, a_session_whose_worker_drains_is_paused_or_gone_goes_anywhere)
{
	struct og_worker *w = live(1, 1, 10);
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);

	og_plan_remember_session(&plan, "a", "s", w);
	w->said.paused = true;
	cr_expect_eq(choose(e, (struct og_wish){.session = "s"}), OG_CHOICE_ANY);
	w->said.paused = false;
	w->said.draining = true;
	cr_expect_eq(choose(e, (struct og_wish){.session = "s"}), OG_CHOICE_ANY);
	w->said.draining = false;
	cr_expect_eq(choose(e, (struct og_wish){.session = "s", .avoid = w->said.node_id}), OG_CHOICE_LATER,
		"a wish is no way around another");
	og_nodes_remove(&plan.nodes, w);
	cr_expect_eq(choose(e, (struct og_wish){.session = "s"}), OG_CHOICE_ANY);
}

Test(choose, sessions_used_last_are_kept)
{
	struct og_worker *w = live(1, 1, 10);
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);
	char name[32];

	og_plan_remember_session(&plan, "a", "first", w);
	og_plan_remember_session(&plan, "a", "second", w);
	for (unsigned i = 0; i < OG_SESSIONS_MAX - 1; i++) {
		snprintf(name, sizeof(name), "%u", i);
		og_plan_remember_session(&plan, "a", "first", w);
		og_plan_remember_session(&plan, "a", name, w);
	}
	cr_expect_eq(choose(e, (struct og_wish){.session = "first"}), OG_CHOICE_WORKER);
	cr_expect_eq(choose(e, (struct og_wish){.session = "second"}), OG_CHOICE_ANY);
}

Test(choose, what_failed_here_goes_to_the_fastest_elsewhere)
{
	struct og_worker *slow = live(1, 1, 10), *fast = live(2, 1, 50), *bad = live(3, 1, 99);
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);
	const struct og_wish wish = {.tried = bad->said.node_id};

	cr_expect_eq(choose(e, wish), OG_CHOICE_WORKER);
	cr_expect_eq(chosen, fast);
	place_at(add(2, SMALL, OG_WHERE_LANE), fast);
	cr_expect_eq(choose(e, wish), OG_CHOICE_WORKER);
	cr_expect_eq(chosen, slow, "a place at its queue takes the slot of the fast");
	place_at(add(3, SMALL, OG_WHERE_LANE), slow);
	cr_expect_eq(choose(e, wish), OG_CHOICE_LATER);
	now += OG_ELSEWHERE_MS;
	cr_expect_eq(choose(e, wish), OG_CHOICE_ANY, "better the same node than never");
}

Test(choose, where_all_have_tried_there_is_nothing_to_wait_for)
{
	struct og_worker *w = live(1, 1, 10);

	cr_expect_eq(choose(add(1, SMALL, OG_WHERE_LANE), (struct og_wish){.tried = w->said.node_id}), OG_CHOICE_ANY);
}

Test(choose, avoid_is_kept_to)
{
	struct og_worker *mine = live(1, 4, 99), *other = live(2, 1, 10);
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);
	char both[2 * OG_ID_LEN + 2];

	cr_expect_eq(choose(e, (struct og_wish){.avoid = mine->said.node_id}), OG_CHOICE_WORKER);
	cr_expect_eq(chosen, other);
	occupy(2, other);
	now += 3600000;
	cr_expect_eq(choose(e, (struct og_wish){.avoid = mine->said.node_id}), OG_CHOICE_LATER);
	snprintf(both, sizeof(both), "%s,%s", mine->said.node_id, other->said.node_id);
	e->hold_from = 0;
	cr_expect_eq(choose(e, (struct og_wish){.avoid = both}), OG_CHOICE_LATER, "another may come");
	now += plan.no_capacity_after_ms;
	cr_expect_eq(choose(e, (struct og_wish){.avoid = both}), OG_CHOICE_NONE);
	e->hold_from = now - OG_ELSEWHERE_MS;
	cr_expect_eq(choose(e, (struct og_wish){.avoid = other->said.node_id, .tried = mine->said.node_id}),
		OG_CHOICE_WORKER, "what was tried is given up, what is avoided is not");
	cr_expect_eq(chosen, mine);
}

Test(choose, a_region_binds)
{
	struct og_worker *w;

	live(1, 4, 99);
	w = live(2, 1, 10);
	cr_expect_eq(choose(add(1, SMALL, OG_WHERE_LANE), (struct og_wish){.region = "r2"}), OG_CHOICE_WORKER);
	cr_expect_eq(chosen, w);
	cr_expect_eq(choose(add(2, SMALL, OG_WHERE_LANE), (struct og_wish){.region = "r9"}), OG_CHOICE_LATER);
}

Test(choose, a_suspect_goes_to_an_idle_worker)
{
	struct og_worker *idle = live(1, 2, 10), *fast = live(2, 2, 50), *tried = live(3, 2, 99);
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);
	const struct og_wish wish = {.alone = true, .tried = tried->said.node_id};

	occupy(2, fast);
	cr_expect_eq(choose(e, wish), OG_CHOICE_WORKER);
	cr_expect_eq(chosen, idle);
	occupy(3, idle);
	cr_expect_eq(choose(e, wish), OG_CHOICE_WORKER);
	cr_expect_eq(chosen, fast);
}

Test(choose, the_next_is_not_one_that_is_held)
{
	struct og_entry *held = add_head(1, SMALL, OG_CLASS_NORMAL, "a");
	struct og_entry *other = add_head(2, SMALL, OG_CLASS_NORMAL, "a");

	live(1, 4, 10);
	held->hold_until = now + 10;
	cr_expect_eq(og_plan_next(&plan, SMALL, now), other);
	cr_expect_eq(og_plan_next(&plan, SMALL, now + 10), held);
}

Test(choose, a_slot_is_reserved_until_the_job_runs_and_taken_until_it_ends)
{
	struct og_worker *w = live(1, 2, 10);
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);

	place_at(e, w);
	cr_expect_eq(w->reserved, 1);
	og_index_move(plan.index, e, OG_WHERE_TIER);
	cr_expect_eq(w->reserved, 1);
	hear(1, SMALL, 2, 1, 1);
	cr_expect_eq(w->reserved, 0);
	cr_expect_eq(w->running, 1);
	cr_expect_eq(og_worker_free_slots(w), 1);
	og_index_remove(plan.index, e);
	cr_expect_eq(og_worker_free_slots(w), 2, "its end is seen before the next heartbeat");
	e = add(2, SMALL, OG_WHERE_LANE);
	place_at(e, w);
	og_index_put_back(plan.index, e);
	cr_expect_eq(w->reserved, 0);
	cr_expect_null(e->meant);
}

Test(choose, what_was_meant_for_a_worker_that_goes_is_meant_for_nobody)
{
	struct og_worker *w = live(1, 2, 10);
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);
	struct og_presence leaves = presence(1, SMALL, 2, 0, 0);

	place_at(e, w);
	leaves.leaving = true;
	say(leaves);
	cr_expect_null(e->meant);
}

Test(choose, a_process_that_takes_anothers_place_reads_its_queue)
{
	struct og_worker *w = live(1, 2, 10);
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);
	struct og_presence p = presence(1, SMALL, 2, 0, 0);

	place_at(e, w);
	strcpy(p.instance, "99999999-2222-4000-8000-000000000000");
	say(p);
	cr_expect_str_eq(e->meant->said.instance, "99999999-2222-4000-8000-000000000000");
	cr_expect_eq(e->meant->reserved, 1);
}

/* The tier's queue is empty where a worker has a free slot; an own queue need not be. */
Test(choose, what_lies_in_an_own_queue_is_not_astray_and_outlives_its_worker)
{
	struct og_worker *w = live(1, 2, 10);
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);
	struct og_presence p = presence(1, SMALL, 2, 0, 0);

	place_at(e, w);
	og_index_move(plan.index, e, OG_WHERE_TIER);
	live(2, 1, 10);
	now += OG_ASTRAY_MS + OG_FREE_MS;
	cr_expect_eq(og_plan_reconcile(&plan, SMALL, now), 0);
	og_index_set_astray(plan.index, e, true); /* whatever the reason */
	strcpy(p.instance, "99999999-2222-4000-8000-000000000000");
	say(p);
	cr_assert_str_eq(e->meant->said.instance, "99999999-2222-4000-8000-000000000000");
	og_index_set_astray(plan.index, e, false);
	cr_expect_eq(e->meant->reserved, 1);
}

Test(choose, a_paused_worker_adds_no_slots)
{
	struct og_presence p = presence(1, SMALL, 4, 0, 1);

	p.paused = true;
	say(p);
	cr_expect_eq(plan.nodes.tiers[SMALL].slots, 1);
	cr_expect_eq(plan.nodes.tiers[SMALL].workers, 1);
}

Test(choose, nodes_are_avoided_by_their_names_too)
{
	struct og_worker *mine = live(1, 2, 10), *other = live(2, 2, 5);
	struct og_entry *e = add(1, SMALL, OG_WHERE_LANE);

	cr_expect_eq(choose(e, (struct og_wish){.avoid = mine->said.node_name}), OG_CHOICE_WORKER);
	cr_expect_eq(chosen, other);
	cr_expect_eq(choose(e, (struct og_wish){.avoid = "Node1 , Node2"}), OG_CHOICE_LATER);
	cr_expect_eq(choose(e, (struct og_wish){.avoid = "Node,Node11"}), OG_CHOICE_WORKER, "whole names count");
	cr_expect_eq(chosen, mine);
}
