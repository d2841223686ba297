#include "scheduler/shell/rig.h"

#include "shell/answer.h"
#include "shell/intake.h"

TestSuite(intake, .timeout = 60);

Test(intake, a_tenant_is_what_comes_after_the_role)
{
	cr_expect_str_eq(og_tenant_of_user("producer-nodea"), "nodea");
	cr_expect_str_eq(og_tenant_of_user("producer-node-a"), "node-a");
	cr_expect_str_eq(og_tenant_of_user("gateway"), "default");
	cr_expect_str_eq(og_tenant_of_user("admin"), "admin");
	cr_expect_str_eq(og_tenant_of_user("producers"), "producers");
}

Test(intake, a_full_publish_window_parks_and_keeps_the_order)
{
	open_rig_with(3, 50, NULL);
	og_memory_broker_hold_confirms(rig.broker, true);
	for (unsigned i = 0; i < 20; i++)
		submit(i);
	RUN_UNTIL(rig.scheduler->term->parked);
	run_for(300);
	cr_expect_eq(rig.worker.n, 3, "as many as the window lets out");
	cr_expect_eq(og_memory_broker_unacked(rig.broker, OG_Q_INTAKE), 20, "nothing is acked before its confirm");
	og_memory_broker_hold_confirms(rig.broker, false);
	for (unsigned i = 0; i < 20; i++) {
		RUN_UNTIL(rig.worker.n > i);
		cr_assert_str_eq(rig.worker.got[i]->message_id, job_id(i));
		finish(i);
	}
	RUN_UNTIL(!strcmp(end_of(19), "done"));
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_INTAKE) &&
		  !og_memory_broker_unacked(rig.broker, OG_Q_STATE));
	cr_expect_null(rig.scheduler->term->parked);
	cr_expect_eq(rig.scheduler->plan.index->placed + rig.scheduler->plan.index->waiting, 0);
	close_rig();
}

Test(intake, what_is_parked_counts_once_against_its_tenants_minute)
{
	static const char text[] = "[default]\nper_minute = 10\n";
	struct og_tenants *rules;

	cr_assert_eq(og_tenants_parse(text, strlen(text), "test", &rules, NULL), 0);
	open_rig_with(3, 50, NULL);
	og_scheduler_set_tenants(rig.scheduler, rules);
	og_memory_broker_hold_confirms(rig.broker, true);
	for (unsigned i = 0; i < 10; i++)
		submit(i);
	RUN_UNTIL(rig.scheduler->term->parked);
	run_for(100);
	og_memory_broker_hold_confirms(rig.broker, false);
	for (unsigned i = 0; i < 10; i++) {
		RUN_UNTIL(rig.worker.n > i);
		finish(i);
	}
	RUN_UNTIL(!strcmp(end_of(9), "done"));
	close_rig();
	og_tenants_free(rules);
}

Test(intake, what_finds_no_room_is_held_for_a_moment_and_then_goes_to_its_lane)
{
	size_t lane = 0;

	open_rig(100, NULL);
	for (unsigned i = 0; i < 5; i++)
		submit_as(i, &(struct og_envelope){.progress = 1});
	RUN_UNTIL(told(4, "placed"));
	cr_expect_str_eq(og_message_header(told(4, "placed"), "og-state")->text, "queued");
	cr_expect_eq(rig.scheduler->plan.index->at_door, 3);
	cr_expect_eq(og_memory_broker_unacked(rig.broker, OG_Q_INTAKE), 3);
	finish(0);
	RUN_UNTIL(rig.worker.n == 3);
	cr_expect_str_eq(rig.worker.got[2]->message_id, job_id(2), "straight from the door");
	RUN_UNTIL(!rig.scheduler->plan.index->at_door); /* in a second */
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_INTAKE));
	for (unsigned k = 0; k < OG_LANES; k++)
		lane += og_index_lane(rig.scheduler->plan.index, 0, OG_CLASS_NORMAL, k)->waiting;
	cr_expect_eq(lane, 2);
	for (unsigned i = 1; i < 5; i++) {
		RUN_UNTIL(rig.worker.n > i);
		finish(i);
	}
	RUN_UNTIL(!strcmp(end_of(4), "done"));
	close_rig();
}

Test(intake, a_full_lane_answers_busy)
{
	const struct og_topology_limits limits = {.intake_max_jobs = 100,
		.intake_max_bytes = 1 << 20,
		.lane_max_jobs = 1,
		.lane_max_bytes = 1 << 20,
		.reply_max_bytes = 1 << 20,
		.dead_max_jobs = 10};

	open_rig(100, &limits);
	/* Two run, 16 bodies are held here, one lies in the lane. */
	for (unsigned i = 0; i < 40; i++)
		submit(i);
	RUN_UNTIL(!strcmp(end_of(39), "busy"));
	cr_expect_not_null(strstr(told(39, "done")->body, "try in"));
	cr_expect_eq(rig.scheduler->plan.index->waiting + rig.scheduler->plan.index->placed,
		40 - rig.scheduler->counts.refused);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_INTAKE));
	close_rig();
}

Test(intake, an_explicit_id_waits_for_redis)
{
	open_rig(100, NULL);
	rig.fails = "accept";
	submit_as(1, &(struct og_envelope){.explicit_id = 1});
	submit(2);
	RUN_UNTIL(rig.worker.n == 1);
	cr_expect_str_eq(rig.worker.got[0]->message_id, job_id(2), "others go on");
	RUN_UNTIL(og_memory_broker_unacked(rig.broker, OG_Q_HOLD) == 1);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_INTAKE));
	rig.fails = NULL;
	RUN_UNTIL(rig.worker.n == 2);
	cr_expect_str_eq(og_message_header(rig.worker.got[1], "og-submitter")->text, PRODUCER);
	cr_expect_str_eq(og_message_header(rig.worker.got[1], "og-tenant")->text, "a");
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_HOLD));
	cr_expect_geq(times_said("accept", NULL), 2);
	finish(0);
	finish(1);
	RUN_UNTIL(!strcmp(end_of(1), "done") && !og_memory_broker_unacked(rig.broker, OG_Q_INTAKE));
	close_rig();
}

Test(intake, an_id_in_use_for_another_request_is_refused)
{
	open_rig(100, NULL);
	rig.accept = "conflict";
	submit_as(1, &(struct og_envelope){.explicit_id = 1});
	RUN_UNTIL(told(1, "result"));
	cr_expect_str_eq(og_message_header(told(1, "result"), "og-error")->text, "invalid_request");
	cr_expect_null(told(1, "done"), "that would end the other's job");
	cr_expect_null(og_index_find(rig.scheduler->plan.index, job_id(1)));
	close_rig();
}

Test(intake, the_same_id_twice_is_one_job)
{
	open_rig(100, NULL);
	og_memory_broker_hold_confirms(rig.broker, true);
	submit(1);
	submit(1);
	RUN_UNTIL(rig.worker.n == 1);
	og_memory_broker_hold_confirms(rig.broker, false);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_INTAKE));
	finish(0);
	RUN_UNTIL(!strcmp(end_of(1), "done"));
	submit(1);
	run_for(300);
	cr_expect_eq(rig.worker.n, 1, "it ended lately");
	cr_expect_eq(
		og_memory_broker_unacked(rig.broker, OG_Q_INTAKE) + og_memory_broker_ready(rig.broker, OG_Q_INTAKE), 0);
	close_rig();
}

Test(intake, what_is_no_request_is_a_dead_letter)
{
	const struct og_message stranger = {.exchange = OG_X_JOBS,
		.routing_key = OG_K_INTAKE,
		.type = "poem",
		.message_id = "so much depends upon",
		.user_id = PRODUCER,
		.reply_to = REPLY,
		.body = "",
		.body_len = 0};

	open_rig(100, NULL);
	og_amqp_publish(rig.producer.amqp, &stranger, 0, NULL, NULL, NULL);
	RUN_UNTIL(og_memory_broker_ready(rig.broker, OG_Q_DEAD) == 1);
	RUN_UNTIL(!og_memory_broker_unacked(rig.broker, OG_Q_INTAKE));
	cr_expect_eq(rig.producer.n, 1, "its reply key was its own, so it is told");
	cr_expect_eq(rig.scheduler->counts.malformed, 1);
	close_rig();
}

/* Its `done` comes between the question and the answer, which tells of before. */
static void end_it_meanwhile(void)
{
	struct og_entry *e = og_index_find(rig.scheduler->plan.index, job_id(1));

	rig.on_accept = NULL;
	rig.accept = "ended";
	cr_assert_not_null(e);
	og_recent_add(rig.scheduler->plan.recent, e->id, og_clock_mono_ms());
	og_answer_seen(rig.scheduler, e);
}

Test(intake, a_job_that_ends_while_redis_is_asked_about_its_repetition_is_not_run_again)
{
	open_rig(100, NULL);
	submit_as(1, &(struct og_envelope){.explicit_id = 1});
	RUN_UNTIL(rig.worker.n == 1);
	rig.accept = "live";
	rig.on_accept = end_it_meanwhile;
	submit_as(1, &(struct og_envelope){.explicit_id = 1});
	RUN_UNTIL(times_said("accept", NULL) == 3);
	run_for(100);
	cr_expect_eq(rig.worker.n, 1);
	close_rig();
}
