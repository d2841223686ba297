#include "worker/fixture.h"

TestSuite(chunks, .init = setup, .fini = teardown, .timeout = 60);

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

Test(chunks, who_comes_late_hears_what_was_said_and_what_follows)
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

Test(chunks, of_a_run_that_is_not_streamed_the_chunks_are_there_too)
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

Test(chunks, the_submitter_that_asks_again_does_not_hear_twice)
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

/* ---- operations ---- */

Test(chunks, what_does_not_stream_has_one_answer_and_no_chunk)
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

Test(chunks, an_operation_that_nobody_knows_is_refused_in_words)
{
	struct og_envelope e = request(ID(1));

	e.operation = "paint";
	place(&e, PROMPT);
	cr_assert_eq(t.started, 0);
	cr_assert_str_eq(last()->error, "invalid_request");
	cr_assert(strstr(last()->body, "'paint'"), "%s", last()->body);
	expect_rest(1);
}
