#include "scheduler/shell/rig.h"

#include "shell/leader.h"
#include "shell/node_queue.h"

TestSuite(node_queue, .timeout = 60);

#define QUEUE     "og.node.worker-a~nodea_small_1"
#define NOT_THERE "99999999-9999-4000-8000-000000000000"

static void read_own_queue(void)
{
	rig.worker.amqp->ops->recipe_consume(rig.worker.amqp, QUEUE, 1, 0, on_client_message, &rig.worker);
	say_presence_as(true, false);
}

static void submit_avoiding(unsigned i, const char *nodes)
{
	submit_as(i, &(struct og_envelope){.avoid = nodes});
}

Test(node_queue, is_made_when_a_job_is_meant_for_one_worker_and_used_when_it_reads_it)
{
	open_rig(100, NULL);
	submit_avoiding(1, NOT_THERE);
	RUN_UNTIL(rig.scheduler->term->node_queues);
	RUN_UNTIL(times_said("SADD", NULL) == 1); /* a new leader is to find it */
	run_for(100);
	cr_expect_eq(rig.worker.n, 0);
	read_own_queue();
	RUN_UNTIL(rig.worker.n == 1);
	cr_expect_str_eq(rig.worker.got[0]->routing_key, "node.worker-a~nodea_small_1");
	submit(2);
	RUN_UNTIL(rig.worker.n == 2);
	cr_expect_str_eq(rig.worker.got[1]->routing_key, "small", "one without a wish goes the usual way");
	finish(0);
	finish(1);
	RUN_UNTIL(!strcmp(end_of(2), "done") && !strcmp(end_of(1), "done"));
	close_rig();
}

Test(node_queue, what_a_worker_leaves_in_it_is_placed_again)
{
	struct og_entry *e;

	open_rig(100, NULL);
	submit_avoiding(1, NOT_THERE);
	RUN_UNTIL(rig.scheduler->term->node_queues);
	run_for(50);
	read_own_queue();
	submit_avoiding(2, NOT_THERE);
	RUN_UNTIL(rig.worker.n == 1 && og_memory_broker_ready(rig.broker, QUEUE) == 1);
	say_presence_as(true, true);
	og_amqp_close(rig.worker.amqp, NULL, NULL);
	RUN_UNTIL(!rig.scheduler->plan.index->placed);
	RUN_UNTIL(rig.scheduler->plan.index->waiting == 2);
	e = og_index_find(rig.scheduler->plan.index, job_id(2));
	cr_assert_not_null(e);
	RUN_UNTIL(e->where == OG_WHERE_LANE);
	cr_expect_eq(e->attempt, 2);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, QUEUE) && !og_memory_broker_ready(rig.broker, QUEUE));
	open_client(&rig.worker, "worker-a");
	close_rig();
}

Test(node_queue, what_a_worker_that_lives_does_not_read_is_placed_again)
{
	struct og_entry *e;
	unsigned consumer;

	open_rig(100, NULL);
	submit_avoiding(1, NOT_THERE);
	RUN_UNTIL(rig.scheduler->term->node_queues);
	run_for(50);
	consumer = rig.worker.amqp->ops->recipe_consume(rig.worker.amqp, QUEUE, 1, 0, on_client_message, &rig.worker);
	say_presence_as(true, false);
	RUN_UNTIL(rig.worker.n == 1);
	rig.worker.amqp->ops->cancel(rig.worker.amqp, consumer);
	submit_avoiding(2, NOT_THERE);
	RUN_UNTIL(og_memory_broker_ready(rig.broker, QUEUE) == 1);
	say_presence(); /* it reads its own queue no more */
	RUN_UNTIL((e = og_index_find(rig.scheduler->plan.index, job_id(2))) && e->attempt == 2);
	RUN_UNTIL(!og_memory_broker_ready(rig.broker, QUEUE));
	close_rig();
}

/* Its pause is over: it is to be tried. */
static void break_worker(void)
{
	struct og_plan *plan = &rig.scheduler->plan;
	int64_t now = og_clock_mono_ms();

	plan->leading_since -= OG_CALM_MS;
	plan->disturbed_at = 0;
	for (unsigned i = 0; i < OG_BREAKER_FAILURES; i++)
		og_plan_worker_failed(plan, plan->nodes.of_tier[0], true, now);
	plan->breakers->until = now;
	cr_assert_not_null(og_plan_probe(plan, 0, now));
}

Test(node_queue, until_it_is_there_nobody_waits_for_the_worker_that_is_to_be_tried)
{
	const struct og_index *ix;

	open_rig(100, NULL);
	ix = rig.scheduler->plan.index;
	break_worker();
	submit(1);
	RUN_UNTIL(ix->placed || ix->waiting);
	cr_expect_eq(ix->placed, 1);
	RUN_UNTIL(rig.worker.n == 1);
	cr_expect_str_eq(rig.worker.got[0]->routing_key, "small");
	finish(0);
	RUN_UNTIL(!ix->placed && rig.scheduler->term->node_queues);
	run_for(50);
	read_own_queue();
	run_for(50);
	submit(2);
	RUN_UNTIL(rig.worker.n == 2);
	cr_expect_str_eq(rig.worker.got[1]->routing_key, "node.worker-a~nodea_small_1");
	close_rig();
}

Test(node_queue, where_nobody_else_works_the_one_that_tries_waits_for_it)
{
	const struct og_index *ix;

	open_rig(100, NULL);
	ix = rig.scheduler->plan.index;
	rig.paused = true;
	say_presence();
	RUN_UNTIL(!rig.scheduler->plan.nodes.tiers[0].slots);
	break_worker();
	submit(1);
	RUN_UNTIL(ix->placed || ix->waiting);
	cr_expect_eq(ix->placed, 0);
	RUN_UNTIL(rig.scheduler->term->node_queues);
	run_for(50);
	cr_expect_eq(ix->waiting, 1);
	read_own_queue();
	RUN_UNTIL(rig.worker.n == 1);
	cr_expect_str_eq(rig.worker.got[0]->routing_key, "node.worker-a~nodea_small_1");
	close_rig();
}

Test(node_queue, redis_is_told_again_what_it_may_have_forgotten)
{
	open_rig(100, NULL);
	submit_avoiding(1, NOT_THERE);
	RUN_UNTIL(times_said("SADD", NULL) == 1);
	og_leader_redis_up(rig.scheduler);
	RUN_UNTIL(times_said("SADD", NULL) == 2);
	close_rig();
}
