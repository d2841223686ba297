#include "worker/fixture.h"

TestSuite(jobs, .init = setup, .fini = teardown, .timeout = 60);

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

Test(jobs, a_run_from_delivery_to_ack)
{
	place_id(ID(1));
	cr_assert_eq(t.started, 1);
	cr_assert_str_eq(t.runs->model, "small-engine");
	says(t.runs, TEXT("4"));
	turn();
	cr_assert_str_eq(last()->what, "chunk");
	cr_assert_str_eq(last()->body, TEXT("4"));
	cr_assert_eq(og_memory_broker_unacked(t.broker, TIER), 1, "not acked before its done");
	says(t.runs,
		"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,"
		"\"completion_tokens\":1}}");
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(t.n_heard, 3);
	cr_assert_str_eq(last()->what, "done");
	cr_assert_str_eq(last()->state, "done");
	cr_assert_str_eq(last()->lease, LEASE);
	cr_assert_str_eq(last()->worker, "NodeA/Small/1");
	cr_assert_eq(last()->e.epoch, 42);
	cr_assert_eq(last()->e.attempt, 1);
	cr_assert_eq(last()->e.seq, 2);
	cr_assert_eq(last()->e.prompt_tokens, 3);
	cr_assert(strstr(last()->body, "\"content\":\"4\""), "%s", last()->body);
	expect_rest(1);
	cr_assert_eq(t.jobs.counts.done, 1);
	cr_assert_eq(t.ran[0], OG_FAULT_NONE);
}

Test(jobs, the_ack_waits_for_the_confirm_of_the_done)
{
	place_id(ID(1));
	og_memory_broker_hold_confirms(t.broker, true);
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_str_eq(last()->what, "done");
	cr_assert_eq(og_memory_broker_unacked(t.broker, TIER), 1);
	cr_assert_eq(og_jobs_count(&t.jobs), 1);
	og_memory_broker_hold_confirms(t.broker, false);
	turn();
	expect_rest(1);
}

Test(jobs, chunks_and_started_only_for_those_who_ask)
{
	struct og_envelope e = request(ID(1));

	e.stream = 0;
	e.progress = 1;
	place(&e, PROMPT);
	cr_assert_eq(t.n_heard, 1);
	cr_assert_str_eq(last()->what, "started");
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(t.n_heard, 2);
	cr_assert_eq(last()->e.seq, 0);
	expect_rest(1);
}

Test(jobs, at_most_as_many_runs_as_slots)
{
	place_id(ID(1));
	place_id(ID(2));
	place_id(ID(3));
	cr_assert_eq(t.started, 2);
	cr_assert_eq(og_memory_broker_ready(t.broker, TIER), 1);
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(t.started, 3);
}

static void expect_failed(const char *state, const char *error, const char *words)
{
	cr_assert_str_eq(last()->what, "done");
	cr_assert_str_eq(last()->state, state);
	cr_assert_str_eq(last()->error, error);
	cr_assert(strstr(last()->body, words), "%s", last()->body);
	cr_assert(strstr(last()->body, error), "%s", last()->body);
	cr_assert_str_eq(last()->lease, LEASE);
	expect_rest(1);
}

/* Nobody is told: what happens now is the scheduler's. */
static void expect_handed_back(const char *error, const char *words)
{
	const struct og_message *m = last_retry();

	cr_assert_str_eq(m->type, OG_T_REQUEST);
	cr_assert_str_eq(header(m, "og-error"), error);
	cr_assert(strstr(header(m, "og-reason"), words), "%s", header(m, "og-reason"));
	cr_assert_str_eq(header(m, "og-lease"), LEASE);
	cr_assert_str_eq(header(m, "og-worker"), "NodeA/Small/1");
	cr_assert_eq(m->body_len, strlen(PROMPT));
	cr_assert_eq(memcmp(m->body, PROMPT, m->body_len), 0);
	for (size_t i = 0; i < t.n_heard; i++)
		cr_assert_str_neq(t.heard[i].what, "done");
	expect_rest(0);
}

Test(jobs, an_engine_at_fault)
{
	place_id(ID(1));
	says(t.runs, TEXT("half"));
	ends(t.runs, OG_FAULT_ENGINE_CUT, "it was cut");
	expect_handed_back("engine_cut", "it was cut");
	cr_assert_eq(t.ran[0], OG_FAULT_ENGINE_CUT);
	cr_assert_eq(t.jobs.counts.failed, 0);
	cr_assert_eq(t.jobs.counts.handed_back, 1);
}

Test(jobs, an_engine_that_refuses_the_prompt)
{
	place_id(ID(1));
	ends(t.runs, OG_FAULT_ENGINE_ERROR, "too many words");
	expect_failed("failed", "engine_error", "too many words");
	cr_assert_eq(t.n_retries, 0);
	cr_assert_eq(t.jobs.counts.failed, 1);
}

Test(jobs, an_engine_that_cannot_be_asked)
{
	t.engine_fails = true;
	place_id(ID(1));
	expect_handed_back("engine_unavailable", "no such URL");
}

Test(jobs, an_answer_without_a_choice)
{
	place_id(ID(1));
	ends(t.runs, OG_FAULT_NONE, "");
	expect_handed_back("engine_garbage", "no choice");
}

Test(jobs, requests_that_are_none)
{
	struct og_envelope e = request(ID(1));

	place(&e, "{\"messages\":[]}");
	expect_failed("failed", "invalid_request", "empty");
	cr_assert_eq(t.started, 0);
	cr_assert_eq(t.n_ran, 0, "the engine has nothing to do with it");
}

Test(jobs, an_answer_above_the_cap)
{
	og_autofree char *filler = og_alloc(1024 * 1024 + 1);
	og_autofree char *json = NULL;
	enum og_fault fault = OG_FAULT_NONE;
	struct og_envelope e = request(ID(1));

	e.stream = 0;
	place(&e, PROMPT);
	memset(filler, '"', 1024 * 1024); /* twice as long once it is JSON */
	for (char *p = filler; *p; p += 2)
		*p = '\\';
	json = og_printf("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}", filler);
	for (int i = 0; i < 15 && !fault; i++)
		fault = says(t.runs, json);
	cr_assert_eq(fault, OG_FAULT_NONE, "7.5 MiB of text are below the cap of the merged answer");
	ends(t.runs, OG_FAULT_NONE, "");
	expect_failed("failed", "too_large", "too large");
}

Test(jobs, expired_before_it_came)
{
	struct og_envelope e = request(ID(1));

	e.deadline_ms = og_clock_wall_ms() - 1;
	place(&e, PROMPT);
	cr_assert_eq(t.started, 0);
	expect_failed("expired", "expired", "before it was run");
}

/* Lets the loop sleep until something happens. */
static void until_heard(size_t n)
{
	while (t.n_heard < n)
		uv_run(&t.loop, UV_RUN_ONCE);
	turn();
}

Test(jobs, the_deadline_comes_while_one_runs_and_one_waits)
{
	struct og_envelope e = request(ID(1));
	int64_t due = og_clock_wall_ms() + 200;

	t.jobs.slots = 1;
	e.deadline_ms = due + 50;
	place(&e, PROMPT);
	e = request(ID(2));
	e.deadline_ms = due; /* earlier than the one that is looked for already */
	place(&e, PROMPT);
	cr_assert_eq(t.started, 1);
	cr_assert_eq(t.n_heard, 0);
	until_heard(1);
	cr_assert_str_eq(last()->id, ID(2));
	cr_assert_str_eq(last()->state, "expired");
	cr_assert(strstr(last()->body, "before it was run"));
	cr_assert_lt(og_clock_wall_ms() - due, 100);
	until_heard(2);
	cr_assert_str_eq(last()->id, ID(1));
	cr_assert_str_eq(last()->state, "expired");
	cr_assert(strstr(last()->body, "while it ran"));
	cr_assert_lt(og_clock_wall_ms() - due - 50, 100);
	cr_assert_eq(t.cancelled, 1);
	cr_assert_eq(t.started, 1);
	expect_rest(2);
}

Test(jobs, a_fault_after_the_deadline_is_no_reason_to_try_again)
{
	struct og_envelope e = request(ID(1));

	e.deadline_ms = og_clock_wall_ms() + 20;
	place(&e, PROMPT);
	cr_assert_eq(t.started, 1);
	while (og_clock_wall_ms() < e.deadline_ms)
		;
	ends(t.runs, OG_FAULT_ENGINE_CUT, "it was cut");
	expect_failed("expired", "expired", "while it ran");
	cr_assert_eq(t.n_retries, 0);
}

Test(jobs, cancelled_while_it_runs)
{
	place_id(ID(1));
	says(t.runs, TEXT("x"));
	og_jobs_cancel(&t.jobs, ID(1));
	turn();
	cr_assert_eq(t.cancelled, 1);
	expect_failed("cancelled", "cancelled", "while it ran");
	og_jobs_cancel(&t.jobs, ID(1));
	expect_rest(1);
}

Test(jobs, cancelled_before_it_came)
{
	og_jobs_cancel(&t.jobs, ID(1));
	place_id(ID(1));
	cr_assert_eq(t.started, 0);
	expect_failed("cancelled", "cancelled", "before");
}

Test(jobs, a_cancel_between_its_end_and_its_confirm_changes_nothing)
{
	place_id(ID(1));
	og_memory_broker_hold_confirms(t.broker, true);
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	og_jobs_cancel(&t.jobs, ID(1));
	og_memory_broker_hold_confirms(t.broker, false);
	turn();
	cr_assert_str_eq(last()->state, "done");
	expect_rest(1);
}

Test(jobs, the_consumers_connection_is_lost_and_the_run_goes_on)
{
	place_id(ID(1));
	says(t.runs, TEXT("a"));
	og_memory_broker_drop(t.broker, t.in);
	turn();
	cr_assert_eq(t.started, 1, "redelivered to us: it is not run twice");
	cr_assert_eq(t.jobs.counts.redelivered, 1);
	says(t.runs, TEXT("b"));
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert(strstr(last()->body, "\"content\":\"ab\""), "%s", last()->body);
	cr_assert_eq(last()->e.run, 0, "nobody else can have run it");
	expect_rest(1);
}

Test(jobs, the_connection_is_lost_between_done_and_ack)
{
	place_id(ID(1));
	og_memory_broker_hold_confirms(t.broker, true);
	says(t.runs, TEXT("a"));
	ends(t.runs, OG_FAULT_NONE, "");
	og_memory_broker_drop(t.broker, t.in);
	turn();
	og_memory_broker_hold_confirms(t.broker, false);
	turn();
	cr_assert_eq(t.started, 1);
	expect_rest(1);
}

Test(jobs, redelivered_after_its_done_it_is_acked_and_not_run)
{
	struct og_envelope e = request(ID(1));
	struct og_message m = {.body = PROMPT, .body_len = strlen(PROMPT), .redelivered = true, .delivery_tag = 99};

	place(&e, PROMPT);
	says(t.runs, TEXT("a"));
	ends(t.runs, OG_FAULT_NONE, "");
	og_envelope_encode(&e, &m);
	og_jobs_take(&t.jobs, &m, 0, OG_FROM_TIER);
	cr_assert_eq(t.started, 1);
	m.redelivered = false;
	og_jobs_take(&t.jobs, &m, 0, OG_FROM_TIER);
	cr_assert_eq(t.started, 2, "placed anew by someone who does not know of its end");
}

Test(jobs, a_newer_attempt_takes_the_place_of_the_older)
{
	struct og_envelope e = request(ID(1));

	place(&e, PROMPT);
	e.attempt = 2;
	place(&e, PROMPT);
	cr_assert_eq(t.cancelled, 1);
	cr_assert_eq(t.started, 2);
	cr_assert_eq(og_memory_broker_unacked(t.broker, TIER), 1);
	e.attempt = 1;
	place(&e, PROMPT);
	cr_assert_eq(t.started, 2, "an older one is done with");
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(last()->e.attempt, 2);
	expect_rest(1);
}

Test(jobs, two_copies_of_one_message_are_one_run)
{
	place_id(ID(1));
	place_id(ID(1));
	cr_assert_eq(t.started, 1);
	cr_assert_eq(og_memory_broker_unacked(t.broker, TIER), 1);
	says(t.runs, TEXT("x"));
	ends(t.runs, OG_FAULT_NONE, "");
	expect_rest(1);
}

Test(jobs, more_deliveries_than_slots_wait_in_line)
{
	place_id(ID(1));
	place_id(ID(2));
	og_memory_broker_drop(t.broker, t.in);
	/* Two others come first, as if someone else had been given ours meanwhile. */
	struct og_envelope e = request(ID(3));
	struct og_message m = {.body = PROMPT, .body_len = strlen(PROMPT), .delivery_tag = 98};

	og_envelope_encode(&e, &m);
	og_jobs_take(&t.jobs, &m, 0, OG_FROM_TIER);
	cr_assert_eq(t.started, 2);
	turn();
	og_jobs_cancel(&t.jobs, ID(1));
	turn();
	cr_assert_eq(t.started, 3);
	cr_assert_str_eq(t.runs->prev->id, ID(3));
	og_jobs_cancel(&t.jobs, ID(2));
	og_jobs_cancel(&t.jobs, ID(3));
	turn();
}

Test(jobs, an_unknown_version_is_dead_lettered_and_told)
{
	struct og_message m = {
		.exchange = OG_X_WORK, .routing_key = "small", .body = "?", .body_len = 1, .persistent = true};
	struct og_envelope e = request(ID(1));

	og_envelope_encode(&e, &m);
	for (size_t i = 0; i < m.n_headers; i++) {
		if (strcmp(m.headers[i].name, "og-version") == 0)
			m.headers[i].text = "9.0";
	}
	cr_assert_eq(og_amqp_publish(t.scheduler, &m, 0, NULL, NULL, NULL), 0);
	turn();
	cr_assert_eq(og_memory_broker_ready(t.broker, OG_Q_DEAD_INTAKE), 1);
	expect_failed("failed", "unknown_version", "version");
}

Test(jobs, what_has_nobody_to_tell_goes_to_the_dead)
{
	struct og_message m = {
		.exchange = OG_X_WORK, .routing_key = "small", .type = "hello", .body = "?", .body_len = 1};

	cr_assert_eq(og_amqp_publish(t.scheduler, &m, 0, NULL, NULL, NULL), 0);
	turn();
	cr_assert_eq(og_memory_broker_ready(t.broker, OG_Q_DEAD_INTAKE), 1);
	expect_rest(0);
}

Test(jobs, presence_lists_what_waits_and_runs)
{
	og_autofree struct og_presence_run *list = NULL;
	size_t n;

	place_id(ID(1));
	place_id(ID(2));
	list = og_jobs_list(&t.jobs, &n);
	cr_assert_eq(n, 2);
	cr_assert_str_eq(list[0].id, ID(1));
	cr_assert_eq(list[0].epoch, 42);
	cr_assert_gt(list[0].started_ms, 0);
	cr_assert_str_eq(list[0].lease, "aaaaaaaaaaaaaaaa", "the first digits of the placement's");
}

/* ---- what another held before ---- */

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

Test(jobs, what_another_held_and_lost_is_handed_back_and_not_run)
{
	struct og_envelope e = request(ID(1));

	place_redelivered(&e, PROMPT);
	cr_assert_eq(t.started, 0);
	expect_handed_back("worker_lost", "went away");
	cr_assert_eq(number(last_retry(), "og-run"), 1, "the delivery that was not run");
	cr_assert_eq(t.jobs.counts.redelivered, 1);
	cr_assert_eq(t.n_ran, 0);
}

Test(jobs, what_another_lost_is_not_even_looked_into)
{
	struct og_envelope e = request(ID(1));

	place_redelivered(&e, "{not json");
	cr_assert_eq(t.n_retries, 1);
	cr_assert_str_eq(header(last_retry(), "og-error"), "worker_lost");
	expect_rest(0);
}

Test(jobs, what_another_lost_and_is_too_late_or_cancelled_ends)
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

Test(jobs, the_ack_waits_for_the_confirm_of_a_hand_back)
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

Test(jobs, a_hand_back_that_reaches_no_queue_is_sent_again)
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

Test(jobs, a_newer_attempt_may_come_before_the_hand_back_of_the_older_is_confirmed)
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

static void finish(struct fake_run *r)
{
	says(r, TEXT("x"));
	ends(r, OG_FAULT_NONE, "");
}

Test(jobs, a_suspect_is_announced_and_runs_alone)
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

Test(jobs, a_suspect_that_is_cancelled_while_it_is_announced)
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

Test(jobs, an_alone_that_reaches_no_queue_is_sent_again)
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

/* ---- chunks for those who come late ---- */

#define LATE "producer~00000000000000000000000000000002"

static void listen_late(void)
{
	const struct og_topology_limits limits = {0};
	struct og_binding b = {.exchange = OG_X_REPLIES, .key = LATE ".*"};
	struct og_queue q;

	og_topology_reply_queue(LATE, &limits, &q);
	snprintf(b.queue, sizeof(b.queue), "%s", q.name);
	t.producer->ops->recipe_queue(t.producer, &q);
	t.producer->ops->recipe_bind(t.producer, &b);
	t.producer->ops->recipe_consume(t.producer, q.name, 0, 0, hear, NULL);
	turn();
}

Test(jobs, who_comes_late_hears_what_was_said_and_what_follows)
{
	listen_late();
	place_id(ID(1));
	says(t.runs, TEXT("0"));
	says(t.runs, TEXT("1"));
	turn();
	cr_assert_eq(t.n_heard, 2);
	og_jobs_attach(&t.jobs, ID(1), LATE, 1);
	turn();
	cr_assert_eq(t.n_heard, 3);
	cr_assert_str_eq(last()->key, LATE ".chunk");
	cr_assert_str_eq(last()->body, TEXT("1"));
	cr_assert_eq(last()->e.seq, 1);
	cr_assert_eq(last()->e.attempt, 1);
	says(t.runs, TEXT("2"));
	turn();
	cr_assert_eq(t.n_heard, 5, "to both");
	cr_assert_str_eq(t.heard[3].key, REPLY ".chunk");
	cr_assert_str_eq(t.heard[4].key, LATE ".chunk");
	cr_assert_eq(t.heard[4].e.seq, 2);
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(t.n_heard, 6);
	cr_assert_str_eq(last()->key, REPLY ".done", "its end is the scheduler's to tell");
	expect_rest(1);
	cr_assert_eq(t.jobs.kept.bytes, 0);
}

Test(jobs, of_a_run_that_is_not_streamed_the_chunks_are_there_too)
{
	struct og_envelope e = request(ID(1));

	listen_late();
	e.stream = 0;
	place(&e, PROMPT);
	says(t.runs, TEXT("0"));
	turn();
	cr_assert_eq(t.n_heard, 0);
	og_jobs_attach(&t.jobs, ID(1), LATE, 0);
	says(t.runs, TEXT("1"));
	turn();
	cr_assert_eq(t.n_heard, 2);
	cr_assert_str_eq(t.heard[0].key, LATE ".chunk");
	cr_assert_eq(t.heard[0].e.seq, 0);
	cr_assert_eq(t.heard[1].e.seq, 1);
	ends(t.runs, OG_FAULT_NONE, "");
	expect_rest(1);
}

Test(jobs, the_submitter_that_asks_again_does_not_hear_twice)
{
	place_id(ID(1));
	says(t.runs, TEXT("0"));
	og_jobs_attach(&t.jobs, ID(1), REPLY, 0);
	says(t.runs, TEXT("1"));
	turn();
	cr_assert_eq(t.n_heard, 3);
	cr_assert_eq(last()->e.seq, 1);
	og_jobs_attach(&t.jobs, ID(9), REPLY, 0);
	finish(t.runs);
	expect_rest(1);
}

/* ---- draining ---- */

Test(jobs, what_waits_goes_back_and_what_runs_goes_on)
{
	t.jobs.slots = 1;
	place_id(ID(1));
	place_id(ID(2));
	og_jobs_give_back_waiting(&t.jobs);
	turn();
	cr_assert_eq(t.n_retries, 1);
	cr_assert_str_eq(last_retry()->message_id, ID(2));
	cr_assert_str_eq(header(last_retry(), "og-error"), "draining");
	cr_assert_eq(t.cancelled, 0);
	og_jobs_give_back_all(&t.jobs);
	turn();
	cr_assert_eq(t.cancelled, 1);
	cr_assert_eq(t.n_retries, 2);
	cr_assert_str_eq(last_retry()->message_id, ID(1));
	cr_assert_eq(t.jobs.counts.handed_back, 2);
	cr_assert(!t.n_ran || !og_fault_doubts_engine(t.ran[0]));
	expect_rest(0);
}

Test(jobs, what_still_comes_while_it_drains_goes_back)
{
	t.jobs.draining = true;
	place_id(ID(1));
	cr_assert_eq(t.started, 0);
	expect_handed_back("draining", "no more work");
}

/* ---- operations ---- */

Test(jobs, what_does_not_stream_has_one_answer_and_no_chunk)
{
	struct og_envelope e = request(ID(1));
	json_t *whole = json_loads("{\"object\":\"list\",\"data\":[],\"usage\":{\"prompt_tokens\":3}}", 0, NULL);

	e.operation = "embed";
	place(&e, "{\"input\":\"hi\"}");
	cr_assert_eq(t.started, 1);
	t.runs->sink.whole(t.runs->sink.ctx, whole);
	json_decref(whole);
	ends(t.runs, OG_FAULT_NONE, "");
	cr_assert_eq(t.n_heard, 1);
	cr_assert_str_eq(last()->what, "done");
	cr_assert_str_eq(last()->state, "done");
	cr_assert_eq(last()->e.prompt_tokens, 3);
	cr_assert(strstr(last()->body, "\"response\":{\"object\":\"list\""), "%s", last()->body);
	expect_rest(1);
}

Test(jobs, an_operation_that_nobody_knows_is_refused_in_words)
{
	struct og_envelope e = request(ID(1));

	e.operation = "paint";
	place(&e, PROMPT);
	cr_assert_eq(t.started, 0);
	cr_assert_str_eq(last()->error, "invalid_request");
	cr_assert(strstr(last()->body, "'paint'"), "%s", last()->body);
	expect_rest(1);
}
