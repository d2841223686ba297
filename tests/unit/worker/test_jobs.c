#include "worker/fixture.h"

TestSuite(jobs, .init = setup, .fini = teardown, .timeout = 60);

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
