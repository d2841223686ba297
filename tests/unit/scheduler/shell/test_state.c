#include "scheduler/shell/rig.h"

TestSuite(state, .timeout = 60);

static size_t index_size(void)
{
	return rig.scheduler->plan.index->waiting + rig.scheduler->plan.index->placed;
}

Test(state, a_done_that_overtakes_the_confirm_of_its_placement_ends_the_job)
{
	size_t record, stored;

	open_rig(100, NULL);
	og_memory_broker_hold_confirms(rig.broker, true);
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	cr_expect_eq(times_said("record", NULL), 0, "a record says placed when it is");
	finish(0);
	RUN_UNTIL(times_said("finish", &stored) == 1);
	cr_expect_eq(times_said("record", &record), 1);
	cr_expect_lt(record, stored, "the record of the job comes before its end");
	cr_expect_eq(index_size(), 0);
	cr_expect_eq(og_memory_broker_unacked(rig.broker, OG_Q_INTAKE), 1, "not confirmed, not acked");
	og_memory_broker_hold_confirms(rig.broker, false);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_INTAKE));
	cr_expect_eq(times_said("record", NULL), 1);
	close_rig();
}

Test(state, the_slot_is_free_before_redis_has_the_result)
{
	open_rig(100, NULL);
	og_redis_memory_set_up(rig.redis, false);
	for (unsigned i = 0; i < 3; i++)
		submit(i);
	RUN_UNTIL(rig.worker.n == 2);
	finish(0);
	RUN_UNTIL(rig.worker.n == 3);
	RUN_UNTIL(og_memory_broker_unacked(rig.broker, OG_Q_STATE_LATER) == 1);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_STATE) && !og_memory_broker_ready(rig.broker, OG_Q_STATE));
	og_redis_memory_set_up(rig.redis, true);
	RUN_UNTIL(times_said("finish", NULL) == 1);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_STATE_LATER));
	close_rig();
}

Test(state, a_redis_that_fails_keeps_results_aside_until_it_does_not)
{
	open_rig(100, NULL);
	rig.fails = "finish";
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	finish(0);
	RUN_UNTIL(og_memory_broker_unacked(rig.broker, OG_Q_STATE_LATER) == 1);
	rig.fails = NULL;
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_STATE_LATER));
	cr_expect_eq(
		og_memory_broker_ready(rig.broker, OG_Q_STATE) + og_memory_broker_ready(rig.broker, OG_Q_STATE_LATER),
		0);
	cr_expect_eq(rig.scheduler->counts.unstored, 0);
	close_rig();
}

Test(state, a_result_without_its_lease_is_dropped_and_counted)
{
	const struct og_header headers[] = {
		{.name = "og-version", .text = "1.0"}, {.name = "og-state", .text = "done"}};
	struct og_message forged = {.exchange = OG_X_REPLIES,
		.routing_key = REPLY ".done",
		.type = OG_T_RESPONSE,
		.message_id = job_id(1),
		.user_id = "worker-a",
		.n_headers = 2,
		.body = "{}",
		.body_len = 2};

	open_rig(100, NULL);
	memcpy(forged.headers, headers, sizeof(headers));
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	og_amqp_publish(rig.worker.amqp, &forged, 0, NULL, NULL, NULL);
	RUN_UNTIL(rig.scheduler->counts.forged == 1);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_STATE));
	cr_expect_eq(index_size(), 1);
	cr_expect_eq(times_said("finish", NULL), 0);
	close_rig();
}

Test(state, an_answer_that_is_no_object_is_a_failure)
{
	open_rig(100, NULL);
	rig.answer = "garbage";
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	finish(0);
	RUN_UNTIL(times_said("finish", NULL) == 1);
	cr_expect_str_eq(rig.finished, "failed");
	rig.answer = " {} \n";
	submit(2);
	RUN_UNTIL(rig.worker.n == 2);
	finish(1);
	RUN_UNTIL(times_said("finish", NULL) == 2);
	cr_expect_str_eq(rig.finished, "done");
	close_rig();
}
