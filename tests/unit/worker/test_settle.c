#include "worker/fixture.h"

TestSuite(settle, .init = setup, .fini = teardown, .timeout = 60);

Test(settle, an_engine_at_fault)
{
	place_id(ID(1));
	says(t.runs, TEXT("half"));
	ends(t.runs, OG_FAULT_ENGINE_CUT, "it was cut");
	expect_handed_back("engine_cut", "it was cut");
	cr_assert_eq(t.ran[0], OG_FAULT_ENGINE_CUT);
	cr_assert_eq(t.jobs.counts.failed, 0);
	cr_assert_eq(t.jobs.counts.handed_back, 1);
}

Test(settle, an_engine_that_refuses_the_prompt)
{
	place_id(ID(1));
	ends(t.runs, OG_FAULT_ENGINE_ERROR, "too many words");
	expect_failed("failed", "engine_error", "too many words");
	cr_assert_eq(t.n_retries, 0);
	cr_assert_eq(t.jobs.counts.failed, 1);
}

Test(settle, an_engine_that_cannot_be_asked)
{
	t.engine_fails = true;
	place_id(ID(1));
	expect_handed_back("engine_unavailable", "no such URL");
}

Test(settle, an_answer_without_a_choice)
{
	place_id(ID(1));
	ends(t.runs, OG_FAULT_NONE, "");
	expect_handed_back("engine_garbage", "no choice");
}

Test(settle, requests_that_are_none)
{
	struct og_envelope e = request(ID(1));

	place(&e, "{\"messages\":[]}");
	expect_failed("failed", "invalid_request", "empty");
	cr_assert_eq(t.started, 0);
	cr_assert_eq(t.n_ran, 0, "the engine has nothing to do with it");
}

Test(settle, an_answer_above_the_cap)
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

Test(settle, expired_before_it_came)
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

Test(settle, the_deadline_comes_while_one_runs_and_one_waits)
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

Test(settle, a_fault_after_the_deadline_is_no_reason_to_try_again)
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

Test(settle, cancelled_while_it_runs)
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

Test(settle, cancelled_before_it_came)
{
	og_jobs_cancel(&t.jobs, ID(1));
	place_id(ID(1));
	cr_assert_eq(t.started, 0);
	expect_failed("cancelled", "cancelled", "before");
}

Test(settle, a_cancel_between_its_end_and_its_confirm_changes_nothing)
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
