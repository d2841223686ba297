#include "scheduler/plan/fixture.h"

TestSuite(nodes, .timeout = 60, .init = setup, .fini = teardown);

Test(nodes, adds_up_what_a_tier_can_run)
{
	struct og_capacity *c = &plan.nodes.tiers[SMALL];

	hear(1, SMALL, 4, 0, 0);
	hear(2, SMALL, 2, 10, 1);
	cr_expect_eq(c->workers, 2);
	cr_expect_eq(c->slots, 6);
	cr_expect_eq(c->busy, 1);
	hear(2, SMALL, 3, 10, 2);
	cr_expect_eq(c->slots, 7);
	cr_expect_eq(c->busy, 2);
	cr_expect_eq(plan.nodes.tiers[LARGE].workers, 0);
}

Test(nodes, one_that_drains_finishes_and_takes_nothing_more)
{
	struct og_presence p = presence(1, SMALL, 4, 0, 3);

	p.draining = true;
	say(p);
	cr_expect_eq(plan.nodes.tiers[SMALL].slots, 3);
	cr_expect_eq(og_nodes_free_from(&plan.nodes, SMALL), 0);
}

/* What is placed between the order and the worker's hearing of it would lie there until the drain is over. */
Test(nodes, a_drained_node_takes_nothing_from_the_order_on)
{
	struct og_presence p = presence(1, SMALL, 4, 0, 3);
	struct og_capacity *c = &plan.nodes.tiers[SMALL];

	say(p);
	og_nodes_drain(&plan.nodes, p.node_id, true);
	cr_expect_eq(c->slots, 3);
	hear(1, SMALL, 4, 0, 2);
	cr_expect_eq(c->slots, 2, "it has not heard of it yet");
	og_nodes_drain(&plan.nodes, p.node_id, true);
	cr_expect_eq(c->slots, 2);
	og_nodes_drain(&plan.nodes, p.node_id, false);
	cr_expect_eq(c->slots, 4);
}

Test(nodes, a_drain_of_an_earlier_leadership_is_over_until_it_is_read_again)
{
	struct og_presence p = presence(1, SMALL, 4, 0, 0);

	say(p);
	og_nodes_drain(&plan.nodes, p.node_id, true);
	og_plan_resign(&plan, NULL);
	og_plan_lead(&plan, now, WALL);
	cr_expect_eq(plan.nodes.tiers[SMALL].slots, 4);
}

Test(nodes, a_node_and_its_processes_are_their_users_own)
{
	struct og_presence same_node = presence(1, SMALL, 4, 0, 0), same_process = presence(2, SMALL, 4, 0, 0),
			   leaves = presence(1, SMALL, 4, 0, 0);

	hear(1, SMALL, 2, 0, 0);
	strcpy(same_node.instance, id_of(9));
	strcpy(same_process.instance, leaves.instance);
	leaves.leaving = true;
	cr_expect(say_as("worker-b", same_node).forged);
	cr_expect(say_as("worker-b", same_process).forged);
	cr_expect(say_as("worker-b", leaves).forged);
	cr_expect_eq(plan.nodes.tiers[SMALL].slots, 2);
	cr_expect_not(say_as("worker-b", presence(3, SMALL, 3, 0, 0)).forged);
	cr_expect_eq(plan.nodes.tiers[SMALL].slots, 5);
}

Test(nodes, a_tier_that_the_catalogue_does_not_have_counts_for_none)
{
	struct og_presence p = presence(1, SMALL, 4, 0, 1);

	strcpy(p.tier, "foreign");
	say(p);
	cr_expect_eq(plan.nodes.tiers[SMALL].workers + plan.nodes.tiers[LARGE].workers, 0);
	cr_expect_eq(HASH_COUNT(plan.nodes.nodes), 1);
	cr_expect_null(plan.index->by_id, "nothing is adopted from it");
}

Test(nodes, the_unheard_are_lost_and_the_leaving_leave)
{
	struct og_presence p = presence(2, SMALL, 4, 0, 0);
	char name[3 * OG_NAME_MAX];
	int tier = 0;

	hear(1, LARGE, 4, 0, 0);
	hear(2, SMALL, 4, 0, 0);
	hear(3, -1, 0, 0, 0);
	now += OG_PRESENCE_LOST_MS;
	hear(3, -1, 0, 0, 0);
	cr_expect_not(og_plan_sweep(&plan, now, name, &tier));
	p.leaving = true;
	say(p);
	cr_expect_eq(plan.nodes.tiers[SMALL].workers, 0);
	now++;
	cr_expect(og_plan_sweep(&plan, now, name, &tier));
	cr_expect_str_eq(name, "Node1/large/1");
	cr_expect_eq(tier, LARGE);
	cr_expect_not(og_plan_sweep(&plan, now, name, &tier));
	cr_expect_eq(HASH_COUNT(plan.nodes.nodes), 1);
	cr_expect_eq(plan.nodes.tiers[LARGE].slots, 0);
	cr_expect_eq(plan.nodes.tiers[LARGE].seen, 1, "when it was heard last stays known");
}

Test(nodes, members_are_nodes_not_processes)
{
	struct og_member members[4];
	struct og_presence p = presence(1, LARGE, 4, 0, 0);
	unsigned changes;

	hear(1, SMALL, 4, 0, 0);
	strcpy(p.instance, "99999999-2222-4000-8000-000000000000");
	say(p);
	hear(2, -1, 0, 0, 0);
	cr_expect_eq(og_nodes_members(&plan.nodes, members, 4), 2);
	cr_expect_str_eq(members[0].name, "Node1");
	cr_expect(members[0].serve);
	cr_expect_not(members[1].serve);
	cr_expect_eq(og_nodes_members(&plan.nodes, members, 1), 2, "all are counted, also those that do not fit");
	changes = plan.nodes.changes;
	hear(1, SMALL, 4, 5, 2);
	cr_expect_eq(plan.nodes.changes, changes, "work is no change of membership");
	hear(2, SMALL, 1, 0, 0);
	cr_expect_neq(plan.nodes.changes, changes, "beginning to serve is");
}

Test(nodes, a_worker_that_comes_again_takes_its_own_place)
{
	struct og_presence p = presence(1, SMALL, 4, 0, 0);
	struct og_entry *e = add(7, SMALL, OG_WHERE_TIER);

	hear(1, SMALL, 4, 7, 1);
	strcpy(p.instance, "99999999-2222-4000-8000-000000000000");
	say(p);
	cr_expect_eq(HASH_COUNT(plan.nodes.workers), 1);
	cr_expect_eq(plan.nodes.tiers[SMALL].slots, 4);
	cr_expect_eq(e->where, OG_WHERE_TIER, "the broker delivers again what the first one ran");
	cr_expect_null(e->worker);
}

Test(nodes, two_nodes_of_one_name_are_noticed)
{
	struct og_presence p = presence(2, SMALL, 4, 0, 0);
	struct og_worker *w;

	hear(1, SMALL, 4, 0, 0);
	w = og_nodes_find(&plan.nodes, "00000001-2222-4000-8000-000000000000");
	cr_expect_null(og_nodes_namesake(&plan.nodes, w));
	strcpy(p.worker, "Node1/small/1");
	say(p);
	cr_expect_not_null(og_nodes_namesake(&plan.nodes, w));
	cr_expect_eq(plan.nodes.tiers[SMALL].slots, 8);
}

Test(nodes, a_free_slot_counts_from_its_first_heartbeat_without_a_break)
{
	cr_expect_eq(og_nodes_free_from(&plan.nodes, SMALL), 0);
	hear(1, SMALL, 2, 0, 2);
	cr_expect_eq(og_nodes_free_from(&plan.nodes, SMALL), 0);
	now = 100;
	hear(1, SMALL, 2, 0, 1);
	now = 200;
	hear(1, SMALL, 2, 0, 0);
	hear(2, SMALL, 2, 10, 0);
	cr_expect_eq(og_nodes_free_from(&plan.nodes, SMALL), 100);
	hear(1, SMALL, 2, 0, 2);
	cr_expect_eq(og_nodes_free_from(&plan.nodes, SMALL), 200);
}

Test(nodes, a_user_speaks_for_so_many_workers_and_no_more)
{
	char first[OG_ID_LEN + 1];
	struct og_heard heard;

	for (unsigned i = 0; i < OG_WORKERS_A_USER; i++)
		cr_assert_not_null(say_as("worker-a", presence(i, SMALL, 1, 0, 0)).worker);
	heard = say_as("worker-a", presence(OG_WORKERS_A_USER, SMALL, 1, 0, 0));
	cr_expect_null(heard.worker);
	cr_expect(heard.too_many);
	cr_expect_not_null(say_as("worker-b", presence(OG_WORKERS_A_USER + 1, SMALL, 1, 0, 0)).worker, "another's");
	snprintf(first, sizeof(first), "%08x-2222-4000-8000-000000000000", 0);
	og_nodes_remove(&plan.nodes, og_nodes_find(&plan.nodes, first));
	cr_expect_not_null(say_as("worker-a", presence(OG_WORKERS_A_USER, SMALL, 1, 0, 0)).worker, "one has gone");
}
