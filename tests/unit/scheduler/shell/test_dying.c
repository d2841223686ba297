#include "scheduler/shell/rig.h"

#include "shell/dying.h"

TestSuite(dying, .timeout = 60);

static void die(unsigned i)
{
	const struct og_envelope e = {.type = OG_T_REQUEST,
		.id = job_id(i),
		.reply_to = REPLY,
		.tier = "small",
		.tenant = "a",
		.submitter = PRODUCER,
		.accepted_ms = 1,
		.attempt = 3,
		.tried = "00000000-1111-4000-8000-000000000000",
		.error_type = "engine_cut",
		.reason = "in words"};
	struct og_message m = {
		.exchange = OG_X_DEAD, .routing_key = OG_K_DEAD, .persistent = true, .body = "{}", .body_len = 2};

	og_envelope_encode(&e, &m);
	og_amqp_publish(rig.scheduler->lead, &m, 0, NULL, NULL, NULL);
}

static bool intake_is_empty(void)
{
	return !og_memory_broker_ready(rig.broker, OG_Q_DEAD_INTAKE) &&
	       !og_memory_broker_unacked(rig.broker, OG_Q_DEAD_INTAKE);
}

Test(dying, its_submitter_is_told_and_it_is_kept)
{
	open_rig(100, NULL);
	die(1);
	RUN_UNTIL(!strcmp(end_of(1), "dead"));
	cr_expect_str_eq(og_message_header(told(1, "done"), "og-error")->text, "engine_cut");
	cr_expect_not_null(strstr(told(1, "done")->body, "in words"));
	cr_expect_not_null(strstr(told(1, "done")->body, "NodeA"));
	RUN_UNTIL(intake_is_empty());
	cr_expect_eq(og_memory_broker_ready(rig.broker, OG_Q_DEAD), 1);
	close_rig();
}

Test(dying, a_full_queue_of_dead_letters_keeps_them_and_still_tells)
{
	const struct og_topology_limits limits = {.intake_max_jobs = 100,
		.intake_max_bytes = 1 << 20,
		.lane_max_jobs = 10,
		.lane_max_bytes = 1 << 20,
		.reply_max_bytes = 1 << 20,
		.dead_max_jobs = 1};
	struct client reader = {0};

	open_rig(100, &limits);
	for (unsigned i = 1; i <= 4; i++)
		die(i);
	for (unsigned i = 1; i <= 4; i++)
		RUN_UNTIL(!strcmp(end_of(i), "dead"));
	RUN_UNTIL(rig.scheduler->term->n_dead_waiting == 3);
	cr_expect_eq(og_memory_broker_unacked(rig.broker, OG_Q_DEAD_INTAKE), 3);
	open_client(&reader, "scheduler");
	reader.amqp->ops->recipe_consume(reader.amqp, OG_Q_DEAD, 0, 0, on_client_message, &reader);
	RUN_UNTIL(reader.n == 4);
	RUN_UNTIL(intake_is_empty());
	cr_expect_eq(rig.scheduler->term->n_dead_waiting, 0);
	cr_expect_eq(rig.producer.n, 4, "each was told once");
	close_client(&reader);
	close_rig();
}

Test(dying, a_workers_own_word_ends_nobodys_job)
{
	const struct og_message forged = {.exchange = OG_X_DEAD,
		.routing_key = OG_K_DEAD,
		.type = OG_T_REQUEST,
		.message_id = job_id(1),
		.user_id = "worker-a",
		.reply_to = REPLY,
		.body = "",
		.n_headers = 2,
		.headers = {{.name = "og-submitter", .text = PRODUCER}, {.name = "og-error", .text = "poison"}}};

	open_rig(100, NULL);
	og_amqp_publish(rig.worker.amqp, &forged, 0, NULL, NULL, NULL);
	RUN_UNTIL(og_memory_broker_ready(rig.broker, OG_Q_DEAD) == 1);
	RUN_UNTIL(intake_is_empty());
	cr_expect_eq(rig.producer.n, 0);
	close_rig();
}

Test(dying, what_is_no_request_is_its_users_whatever_it_says)
{
	const struct og_message forged = {.exchange = OG_X_JOBS,
		.routing_key = OG_K_INTAKE,
		.type = OG_T_REQUEST,
		.message_id = job_id(1),
		.user_id = PRODUCER,
		.reply_to = "producer-b~0123456789abcdef0123456789abcdef",
		.body = "",
		.n_headers = 2,
		.headers = {{.name = "og-submitter", .text = "producer-b"}, {.name = "og-tenant", .text = "b"}}};
	struct client reader = {0};

	open_rig(100, NULL);
	og_amqp_publish(rig.producer.amqp, &forged, 0, NULL, NULL, NULL);
	open_client(&reader, "scheduler");
	reader.amqp->ops->recipe_consume(reader.amqp, OG_Q_DEAD, 0, 0, on_client_message, &reader);
	RUN_UNTIL(reader.n == 1);
	cr_expect_str_eq(og_message_header(reader.got[0], "og-tenant")->text, "a");
	cr_expect_str_eq(og_message_header(reader.got[0], "og-submitter")->text, PRODUCER);
	close_client(&reader);
	close_rig();
}

Test(dying, a_clients_own_word_of_when_it_was_accepted_ends_no_other_submit)
{
	const struct og_message expired = {.exchange = OG_X_DEAD,
		.routing_key = OG_K_DEAD,
		.type = OG_T_REQUEST,
		.message_id = job_id(1),
		.user_id = PRODUCER,
		.reply_to = REPLY,
		.body = "{}",
		.body_len = 2,
		.n_headers = 4,
		.headers = {{.name = "x-first-death-queue", .text = OG_Q_INTAKE},
			{.name = "x-first-death-reason", .text = "expired"}, {.name = "og-accepted", .number = 1234},
			{.name = "og-attempt", .number = 1000000}}};
	struct client reader = {0};

	open_rig(100, NULL);
	og_amqp_publish(rig.producer.amqp, &expired, 0, NULL, NULL, NULL);
	RUN_UNTIL(!strcmp(end_of(1), "expired"));
	cr_expect_neq(og_message_header(told(1, "done"), "og-accepted")->number, 1234);
	cr_expect_eq(og_message_header(told(1, "done"), "og-accepted")->number & 1, 1, "a refusal's");
	cr_expect_not(og_recent_find(rig.scheduler->plan.recent, job_id(1), NULL));
	open_client(&reader, "scheduler");
	reader.amqp->ops->recipe_consume(reader.amqp, OG_Q_DEAD, 0, 0, on_client_message, &reader);
	RUN_UNTIL(reader.n == 1);
	cr_expect_null(og_message_header(reader.got[0], "og-attempt"));
	close_client(&reader);
	close_rig();
}

/* Longer than our own client would send: one that could not be kept would hold up all behind it. */
Test(dying, names_that_are_none_do_not_keep_a_letter_from_being_kept)
{
	og_autofree char *name = og_alloc(40001);
	struct og_envelope e = {.type = OG_T_REQUEST,
		.id = job_id(1),
		.reply_to = REPLY,
		.tenant = name,
		.submitter = name,
		.error_type = "engine_cut",
		.reason = "in words"};
	struct og_message m = {.user_id = "scheduler", .body = "{}", .body_len = 2};

	memset(name, 'a', 40000);
	og_envelope_encode(&e, &m);
	open_rig(100, NULL);
	og_dying_take(rig.scheduler, &m, 0);
	RUN_UNTIL(!rig.scheduler->term->dying);
	cr_expect_eq(og_memory_broker_ready(rig.broker, OG_Q_DEAD), 1);
	close_rig();
}
