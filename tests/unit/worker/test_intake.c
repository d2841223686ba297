#include "worker/fixture.h"

TestSuite(intake, .init = setup, .fini = teardown, .timeout = 60);

static void hold(void *ctx, const struct og_message *m, uint64_t epoch)
{
	(void)ctx;
	(void)m;
	(void)epoch;
}

/* As og-broker-config mends it; nobody reads it. */
static void make_retry_queue(void)
{
	const struct og_queue q = {.name = OG_Q_RETRY, .durable = true, .args = {.quorum = true}};
	const struct og_binding b = {.exchange = OG_X_RETRY, .queue = OG_Q_RETRY, .key = OG_K_RETRY};

	t.scheduler->ops->recipe_queue(t.scheduler, &q);
	t.scheduler->ops->recipe_bind(t.scheduler, &b);
	turn();
}

/* Delivered to somebody else first, who went. */
static void place_redelivered(const struct og_envelope *e, const char *body)
{
	const struct og_amqp_events none = {0};
	struct og_amqp *other = client_with("worker-other", 16, &none);

	t.in->ops->cancel(t.in, t.consumer);
	other->ops->recipe_consume(other, TIER, 1, 0, hold, NULL);
	turn();
	place(e, body);
	cr_assert_eq(og_memory_broker_unacked(t.broker, TIER), 1);
	og_amqp_close(other, NULL, NULL);
	turn();
	t.consumer = t.in->ops->recipe_consume(t.in, TIER, 2, 0, take, NULL);
	turn();
}

Test(intake, what_another_held_and_lost_is_handed_back_and_not_run)
{
	struct og_envelope e = request(ID(1));

	place_redelivered(&e, PROMPT);
	cr_assert_eq(t.started, 0);
	expect_handed_back("worker_lost", "went away");
	cr_assert_eq(number(last_retry(), "og-run"), 1, "the delivery that was not run");
	cr_assert_eq(t.jobs.counts.redelivered, 1);
	cr_assert_eq(t.n_ran, 0);
}

Test(intake, what_another_lost_is_not_even_looked_into)
{
	struct og_envelope e = request(ID(1));

	place_redelivered(&e, "{not json");
	cr_assert_eq(t.n_retries, 1);
	cr_assert_str_eq(header(last_retry(), "og-error"), "worker_lost");
	expect_rest(0);
}

Test(intake, what_another_lost_and_is_too_late_or_cancelled_ends)
{
	struct og_envelope e = request(ID(1));

	e.deadline_ms = og_clock_wall_ms() - 1;
	place_redelivered(&e, PROMPT);
	expect_failed("expired", "expired", "before it was run");
	og_jobs_cancel(&t.jobs, ID(2));
	e = request(ID(2));
	place_redelivered(&e, PROMPT);
	cr_assert_str_eq(last()->state, "cancelled");
	cr_assert_eq(t.n_retries, 0);
	expect_rest(2);
}

Test(intake, the_ack_waits_for_the_confirm_of_a_hand_back)
{
	place_id(ID(1));
	og_memory_broker_hold_confirms(t.broker, true);
	ends(t.runs, OG_FAULT_ENGINE_CUT, "cut");
	cr_assert_eq(t.n_retries, 1);
	cr_assert_eq(og_memory_broker_unacked(t.broker, TIER), 1);
	og_jobs_cancel(&t.jobs, ID(1));
	og_memory_broker_hold_confirms(t.broker, false);
	turn();
	cr_assert_eq(t.n_heard, 0, "it is the scheduler's now");
	expect_rest(0);
}

Test(intake, a_hand_back_that_reaches_no_queue_is_sent_again)
{
	uv_timer_cb again;

	place_id(ID(1));
	og_amqp_close(OG_TAKE(t.scheduler), NULL, NULL);
	turn();
	og_memory_broker_delete(t.broker, OG_Q_RETRY);
	ends(t.runs, OG_FAULT_ENGINE_CUT, "cut");
	cr_assert_eq(og_memory_broker_unacked(t.broker, TIER), 1);
	cr_assert_eq(og_jobs_count(&t.jobs), 1);
	cr_assert(uv_is_active((uv_handle_t *)&t.jobs.again));
	t.scheduler = client("scheduler", 16);
	make_retry_queue();
	again = t.jobs.again.timer_cb;
	again(&t.jobs.again);
	turn();
	cr_assert_eq(og_memory_broker_ready(t.broker, OG_Q_RETRY), 1);
	expect_rest(0);
}

Test(intake, a_newer_attempt_may_come_before_the_hand_back_of_the_older_is_confirmed)
{
	struct og_envelope e = request(ID(1));

	place(&e, PROMPT);
	og_memory_broker_hold_confirms(t.broker, true);
	ends(t.runs, OG_FAULT_ENGINE_CUT, "cut");
	e.attempt = 2;
	place(&e, PROMPT);
	cr_assert_eq(t.started, 2);
	og_memory_broker_hold_confirms(t.broker, false);
	turn();
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(last()->e.attempt, 2);
	cr_assert_str_eq(last()->state, "done");
	expect_rest(1);
}

/* ---- suspects ---- */

static void place_suspect(const char *id)
{
	struct og_envelope e = request(id);

	e.suspect = 1;
	place(&e, PROMPT);
}

Test(intake, a_suspect_is_announced_and_runs_alone)
{
	t.jobs.slots = 3;
	t.in->ops->recipe_consume(t.in, TIER, 8, 0, take, NULL);
	place_id(ID(1));
	place_id(ID(2));
	place_suspect(ID(3));
	place_id(ID(4));
	cr_assert_eq(t.started, 2, "from its coming nothing starts, though a slot is free");
	finish(t.runs);
	cr_assert_eq(t.started, 2);
	cr_assert_eq(t.n_retries, 0);
	og_memory_broker_hold_confirms(t.broker, true);
	finish(t.runs);
	cr_assert_eq(t.n_retries, 1);
	cr_assert_str_eq(last_retry()->type, OG_T_ALONE);
	cr_assert_str_eq(last_retry()->message_id, ID(3));
	cr_assert_eq(number(last_retry(), "og-attempt"), 1);
	cr_assert_eq(number(last_retry(), "og-epoch"), 42);
	cr_assert_str_eq(header(last_retry(), "og-lease"), LEASE);
	cr_assert_str_eq(header(last_retry(), "og-node"), t.who.node_id);
	cr_assert_eq(t.started, 2, "not before that is confirmed");
	og_memory_broker_hold_confirms(t.broker, false);
	turn();
	cr_assert_eq(t.started, 3);
	cr_assert_str_eq(t.runs->id, ID(3));
	place_id(ID(5));
	cr_assert_eq(t.started, 3);
	finish(t.runs);
	cr_assert_eq(t.started, 5);
	finish(t.runs);
	finish(t.runs);
	cr_assert_eq(t.n_retries, 1);
	expect_rest(5);
}

Test(intake, a_suspect_that_is_cancelled_while_it_is_announced)
{
	place_id(ID(1));
	place_suspect(ID(2));
	og_memory_broker_hold_confirms(t.broker, true);
	finish(t.runs);
	og_jobs_cancel(&t.jobs, ID(2));
	place_suspect(ID(3));
	cr_assert_eq(t.n_retries, 1);
	cr_assert_eq(t.started, 1);
	og_memory_broker_hold_confirms(t.broker, false);
	turn();
	cr_assert_eq(t.n_retries, 2, "the next one is announced for itself");
	cr_assert_str_eq(last_retry()->message_id, ID(3));
	cr_assert_eq(t.started, 2);
	cr_assert_str_eq(t.runs->id, ID(3));
	finish(t.runs);
	expect_rest(3);
}

Test(intake, an_alone_that_reaches_no_queue_is_sent_again)
{
	uv_timer_cb again;

	og_amqp_close(OG_TAKE(t.scheduler), NULL, NULL);
	turn();
	og_memory_broker_delete(t.broker, OG_Q_RETRY);
	t.scheduler = client("scheduler", 16);
	place_suspect(ID(1));
	cr_assert_eq(t.started, 0);
	make_retry_queue();
	again = t.jobs.again.timer_cb;
	again(&t.jobs.again);
	turn();
	cr_assert_eq(t.started, 1);
	finish(t.runs);
	cr_assert_eq(og_memory_broker_ready(t.broker, OG_Q_RETRY), 1);
	expect_rest(1);
}
