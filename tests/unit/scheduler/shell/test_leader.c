#include "scheduler/shell/rig.h"

TestSuite(leader, .timeout = 60);

Test(leader, what_comes_back_after_the_term_changes_nothing)
{
	uint64_t first;

	open_rig(100, NULL);
	first = rig.scheduler->term->serial;
	og_memory_broker_hold_confirms(rig.broker, true);
	for (unsigned i = 0; i < 5; i++)
		submit(i);
	RUN_UNTIL(rig.worker.n == 2);
	og_memory_broker_drop(rig.broker, rig.scheduler->lead);
	RUN_UNTIL(!rig.scheduler->term || rig.scheduler->term->serial != first);
	og_memory_broker_hold_confirms(rig.broker, false);
	RUN_UNTIL(is_reading());
	cr_expect_gt(rig.scheduler->term->epoch, rig.scheduler->epoch_seen - 1);
	for (size_t i = 0; !strcmp(end_of(4), "") && i < KEPT; i++) {
		RUN_UNTIL(rig.worker.n > i || !strcmp(end_of(4), "done"));
		if (rig.worker.n > i)
			finish(i);
	}
	for (unsigned i = 0; i < 5; i++)
		RUN_UNTIL(!strcmp(end_of(i), "done"));
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_INTAKE));
	cr_expect_eq(og_memory_broker_ready(rig.broker, OG_Q_INTAKE), 0);
	close_rig();
}

Test(leader, resigns_when_redis_knows_a_later_one)
{
	int64_t epoch;

	open_rig(100, NULL);
	epoch = rig.scheduler->term->epoch;
	rig.finish = -1;
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	finish(0);
	RUN_UNTIL(!rig.scheduler->term);
	rig.finish = 1;
	RUN_UNTIL(is_reading());
	cr_expect_gt(rig.scheduler->term->epoch, epoch);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_STATE) && !og_memory_broker_ready(rig.broker, OG_Q_STATE));
	cr_expect_geq(times_said("finish", NULL), 2, "its result was stored by the next leader");
	close_rig();
}

Test(leader, a_lost_intake_is_read_anew_and_nothing_runs_twice)
{
	open_rig(100, NULL);
	og_memory_broker_hold_confirms(rig.broker, true);
	for (unsigned i = 0; i < 6; i++)
		submit(i);
	RUN_UNTIL(rig.worker.n == 2);
	og_memory_broker_drop(rig.broker, rig.scheduler->term->intake.amqp);
	RUN_UNTIL(!rig.scheduler->term->intake.up);
	RUN_UNTIL(og_memory_broker_unacked(rig.broker, OG_Q_INTAKE) == 6);
	og_memory_broker_hold_confirms(rig.broker, false);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_INTAKE));
	for (unsigned i = 0; i < 6; i++) {
		RUN_UNTIL(rig.worker.n > i);
		finish(i);
	}
	RUN_UNTIL(!strcmp(end_of(5), "done"));
	run_for(200);
	cr_expect_eq(rig.worker.n, 6);
	close_rig();
}

static unsigned heads(void)
{
	unsigned n = 0;

	for (unsigned k = 0; k < OG_LANES; k++)
		n += og_index_lane(rig.scheduler->plan.index, 0, OG_CLASS_NORMAL, k)->n_heads;
	return n;
}

Test(leader, lost_lanes_are_read_anew_and_nothing_runs_twice)
{
	open_rig(100, NULL);
	for (unsigned i = 0; i < 10; i++)
		submit(i);
	RUN_UNTIL(rig.scheduler->plan.index->waiting == 8);
	RUN_UNTIL(heads() == 8);
	og_memory_broker_hold_confirms(rig.broker, true);
	finish(0);
	RUN_UNTIL(rig.worker.n == 3);
	og_memory_broker_drop(rig.broker, rig.scheduler->term->lanes[0].amqp);
	RUN_UNTIL(!rig.scheduler->term->lanes[0].up);
	cr_expect_eq(heads(), 0);
	RUN_UNTIL(heads() == 7);
	og_memory_broker_hold_confirms(rig.broker, false);
	for (unsigned i = 1; i < 10; i++) {
		RUN_UNTIL(rig.worker.n > i);
		cr_assert_str_eq(rig.worker.got[i]->message_id, job_id(i));
		finish(i);
	}
	RUN_UNTIL(!strcmp(end_of(9), "done"));
	run_for(200);
	cr_expect_eq(rig.worker.n, 10);
	cr_expect_eq(rig.scheduler->plan.index->waiting, 0);
	close_rig();
}

static bool drained;

static void on_drained(void *ctx)
{
	(void)ctx;
	drained = true;
}

Test(leader, a_drain_waits_for_what_is_in_flight_and_takes_nothing_more)
{
	open_rig(100, NULL);
	rig.scheduler->on_drained = on_drained;
	og_memory_broker_hold_confirms(rig.broker, true);
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	og_scheduler_drain(rig.scheduler);
	submit(2);
	run_for(300);
	cr_expect_not(drained);
	og_memory_broker_hold_confirms(rig.broker, false);
	RUN_UNTIL(drained);
	cr_expect_eq(rig.worker.n, 1);
	cr_expect_eq(og_memory_broker_unacked(rig.broker, OG_Q_INTAKE), 1, "the next leader's");
	close_rig();
}
