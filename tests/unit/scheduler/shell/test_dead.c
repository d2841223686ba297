#include "scheduler/shell/rig.h"

#include "shell/dead.h"

TestSuite(dead, .timeout = 60);

static const char *body; /* of the letters; NULL: a small one */
static size_t body_len;

static void keep_as(unsigned i, const struct og_envelope *more)
{
	const struct og_envelope e = {.type = OG_T_REQUEST,
		.id = job_id(i),
		.reply_to = more->reply_to ? more->reply_to : REPLY,
		.tier = "small",
		.tenant = "a",
		.submitter = PRODUCER,
		.accepted_ms = 1,
		.attempt = 3,
		.deaths = 2,
		.tried = "00000000-1111-4000-8000-000000000000",
		.error_type = more->error_type ? more->error_type : "engine_cut",
		.reason = "in words"};
	struct og_message m = {
		.exchange = OG_X_DEAD, .routing_key = OG_K_KEPT, .persistent = true, .body = "{}", .body_len = 2};

	if (body) {
		m.body = body;
		m.body_len = body_len;
	}
	og_envelope_encode(&e, &m);
	og_amqp_publish(rig.scheduler->lead, &m, 0, NULL, NULL, NULL);
}

static void keep(unsigned i)
{
	keep_as(i, &(struct og_envelope){0});
}

/* The answer to the question; NULL: not yet. */
static const char *answer(void)
{
	const struct og_message *m = told(0xffff, "rpc");

	return m ? m->body : NULL;
}

static size_t left(void)
{
	return og_memory_broker_ready(rig.broker, OG_Q_DEAD) + og_memory_broker_unacked(rig.broker, OG_Q_DEAD);
}

Test(dead, a_walk_leaves_what_it_does_not_take)
{
	open_rig(100, NULL);
	keep(1);
	keep(2);
	RUN_UNTIL(left() == 2);
	ask("dead_drop", 2);
	RUN_UNTIL(answer());
	cr_expect_not_null(strstr(answer(), "\"dropped\":1"), "%s", answer());
	RUN_UNTIL(og_memory_broker_ready(rig.broker, OG_Q_DEAD) == 1);
	cr_expect_eq(left(), 1);
	close_rig();
}

Test(dead, the_walk_stays_until_what_it_requeues_is_confirmed)
{
	open_rig(100, NULL);
	keep(1);
	RUN_UNTIL(left() == 1);
	og_memory_broker_hold_confirms(rig.broker, true);
	ask("dead_requeue", 1);
	RUN_UNTIL(rig.worker.n == 1);
	cr_expect_eq(
		og_message_header(rig.worker.got[0], "og-attempt")->number, 21, "and not one that a worker has ended");
	cr_expect_null(og_message_header(rig.worker.got[0], "og-tried"));
	cr_expect_null(og_message_header(rig.worker.got[0], "og-error"));
	cr_expect_eq(times_said("revive", NULL), 0, "its record is that of its death until it has moved");
	finish(0); /* it has ended before its move is confirmed, and has no entry any more */
	RUN_UNTIL(!rig.scheduler->plan.index->placed);
	RUN_UNTIL(times_said("revive", NULL) == 1);
	run_for(900);
	cr_expect_null(answer());
	cr_expect_eq(left(), 1, "not confirmed, not acked");
	og_memory_broker_hold_confirms(rig.broker, false);
	RUN_UNTIL(answer());
	cr_expect_not_null(strstr(answer(), "\"requeued\":1"), "%s", answer());
	RUN_UNTIL(!left());
	close_rig();
}

Test(dead, a_leader_that_falls_in_a_walk_loses_nothing)
{
	open_rig(100, NULL);
	for (unsigned i = 1; i <= 3; i++)
		keep(i);
	RUN_UNTIL(left() == 3);
	og_memory_broker_hold_confirms(rig.broker, true);
	ask("dead_requeue", 2);
	RUN_UNTIL(rig.worker.n == 1);
	og_memory_broker_drop(rig.broker, rig.scheduler->lead);
	RUN_UNTIL(rig.scheduler->terms == 2);
	og_memory_broker_hold_confirms(rig.broker, false);
	RUN_UNTIL(is_reading());
	RUN_UNTIL(og_memory_broker_ready(rig.broker, OG_Q_DEAD) == 3);
	close_rig();
}

static void expect_stays(const char *error)
{
	RUN_UNTIL(left() == 1);
	ask("dead_requeue", 1);
	RUN_UNTIL(answer());
	cr_expect_not_null(strstr(answer(), error), "%s", answer());
	RUN_UNTIL(og_memory_broker_ready(rig.broker, OG_Q_DEAD) == 1);
	cr_expect_eq(times_said("revive", NULL), 0);
	cr_expect_eq(rig.worker.n, 0);
	cr_expect_eq(rig.producer.n, 1, "nobody is told of a job");
}

Test(dead, what_would_answer_another_is_not_requeued)
{
	open_rig(100, NULL);
	keep_as(1, &(struct og_envelope){.reply_to = "producer-b~0123456789abcdef0123456789abcdef"});
	expect_stays("invalid_request");
	close_rig();
}

Test(dead, what_the_intake_refused_is_not_requeued)
{
	open_rig(100, NULL);
	keep_as(1, &(struct og_envelope){.error_type = "invalid_request"});
	expect_stays("invalid_request");
	close_rig();
}

Test(dead, an_id_of_another_tenants_is_a_conflict)
{
	open_rig(100, NULL);
	rig.owner = "b";
	keep(1);
	expect_stays("conflict");
	close_rig();
}

Test(dead, what_no_lane_takes_stays_and_is_not_counted)
{
	const struct og_topology_limits limits = {.intake_max_jobs = 100,
		.intake_max_bytes = 1 << 20,
		.lane_max_jobs = 100,
		.lane_max_bytes = 1,
		.reply_max_bytes = 1 << 20,
		.dead_max_jobs = 100};

	open_rig_with(100, 1, &limits);
	submit(8);
	RUN_UNTIL(rig.worker.n == 1);
	keep(1);
	RUN_UNTIL(left() == 1);
	ask("dead_requeue", 1);
	RUN_UNTIL(answer());
	cr_expect_not_null(strstr(answer(), "\"busy\""), "%s", answer());
	cr_expect_eq(times_said("revive", NULL), 0);
	RUN_UNTIL(og_memory_broker_ready(rig.broker, OG_Q_DEAD) == 1);
	finish(0);
	RUN_UNTIL(!rig.scheduler->plan.index->placed);
	for (size_t i = 0; i < rig.producer.n; i++)
		free(rig.producer.got[i]);
	rig.producer.n = 0;
	ask("dead_requeue", 1);
	RUN_UNTIL(answer());
	cr_expect_not_null(strstr(answer(), "\"requeued\":1"), "%s", answer());
	cr_expect_eq(times_said("revive", NULL), 1);
	close_rig();
}

Test(dead, a_walk_holds_so_much_and_leaves_the_rest)
{
	const struct og_topology_limits limits = {.intake_max_jobs = 100,
		.intake_max_bytes = 1 << 20,
		.lane_max_jobs = 100,
		.lane_max_bytes = 1 << 20,
		.reply_max_bytes = 1 << 20,
		.dead_max_jobs = 100,
		.dead_max_bytes = 1 << 30};

	body_len = OG_BODY_MAX;
	body = og_alloc(body_len);
	open_rig(100, &limits);
	keep(1);
	keep(1);
	RUN_UNTIL(left() == 2);
	rig.scheduler->term->blocked_until = og_clock_mono_ms() + 500; /* both come before one can move */
	ask("dead_requeue", 1);
	RUN_UNTIL(answer());
	cr_expect_not_null(strstr(answer(), "\"requeued\":1"), "%s", answer());
	cr_expect_not_null(strstr(answer(), "so much"), "%s", answer());
	RUN_UNTIL(og_memory_broker_ready(rig.broker, OG_Q_DEAD) == 1);
	close_rig();
	free((char *)body);
}
