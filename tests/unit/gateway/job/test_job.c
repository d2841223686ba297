/* A job from its submission to its end. */
#include "gateway/job/rig.h"

TestSuite(job, .timeout = 30);

Test(job, goes_out_is_accepted_and_ends)
{
	open_rig();
	cr_assert_not_null(submit(true));
	UNTIL(accepted);
	say_chunk(1, 0, "a");
	say_chunk(1, 1, "b");
	say_done("done", 1, "{\"response\":{}}");
	UNTIL(ends);
	cr_expect_str_eq(og_buf_str(&text), "ab|{\"response\":{}}");
	cr_expect_eq(state, OG_STATE_DONE);
	cr_expect_not(gap);
	cr_expect_eq(og_link_jobs(line), 0);
	close_rig();
}

Test(job, an_end_that_is_none_says_its_error)
{
	open_rig();
	submit(false);
	UNTIL(n_submits);
	say_done("failed", 0, "{\"error\":{\"type\":\"unknown_model\",\"message\":\"no\"}}");
	UNTIL(ends);
	cr_expect_eq(state, OG_STATE_FAILED);
	cr_expect_str_eq(error, "unknown_model");
	close_rig();
}

Test(job, chunks_of_an_earlier_attempt_and_repeated_ones_are_dropped)
{
	open_rig();
	submit(true);
	UNTIL(n_submits);
	say_chunk(1, 0, "a");
	say_chunk(2, 0, "A");
	say_chunk(1, 1, "b");
	say_chunk(2, 0, "A");
	say_chunk(2, 1, "B");
	say_done("done", 2, "{}");
	UNTIL(ends);
	cr_expect_str_eq(og_buf_str(&text), "aAB|{}");
	cr_expect_eq(last.attempt, 2);
	close_rig();
}

Test(job, a_gap_is_asked_for_and_nothing_is_shown_behind_it)
{
	open_rig();
	submit(true);
	UNTIL(n_submits);
	say_chunk(1, 0, "a");
	say_chunk(1, 2, "c");
	UNTIL(asked("attach"));
	cr_expect_not_null(strstr(questions[0]->body, "\"from\":1"));
	say_answer("{\"state\":\"running\",\"attempt\":1}");
	say_chunk(1, 1, "b");
	say_chunk(1, 2, "c");
	say_done("done", 1, "{}");
	UNTIL(ends);
	cr_expect_str_eq(og_buf_str(&text), "abc|{}");
	close_rig();
}

/* What is sent again with the same id is told how it ended, and shown no chunks of it. */
Test(job, the_end_of_one_that_was_there_before_has_all_of_it)
{
	open_rig();
	submit(true);
	UNTIL(n_submits);
	tell("result", &(struct og_envelope){.type = OG_T_RESPONSE, .state = "done"}, "{}", reply_of(submits[0]));
	UNTIL(ends);
	cr_expect(gap);
	close_rig();
}

Test(job, a_lost_connection_is_gone_on_from_where_it_was)
{
	open_rig();
	submit(true);
	UNTIL(accepted);
	say_chunk(1, 0, "a");
	UNTIL(text.len == 1);
	og_memory_broker_drop(broker, gateway);
	UNTIL(asked("attach"));
	cr_expect_not_null(strstr(questions[0]->body, "\"from\":1"));
	cr_expect_str_neq(questions[0]->reply_to, submits[0]->reply_to, "a new connection has a new reply key");
	say_answer("{\"state\":\"running\",\"attempt\":1}");
	say_chunk(1, 1, "b");
	tell("result", &(struct og_envelope){.type = OG_T_RESPONSE, .state = "done"}, "{}", questions[0]->reply_to);
	UNTIL(ends);
	cr_expect_str_eq(og_buf_str(&text), "ab|{}");
	close_rig();
}

Test(job, one_that_was_not_confirmed_goes_out_again)
{
	open_rig();
	og_memory_broker_hold_confirms(broker, true);
	submit(false);
	UNTIL(n_submits == 1);
	og_memory_broker_drop(broker, gateway);
	UNTIL(!up);
	og_memory_broker_hold_confirms(broker, false);
	UNTIL(n_submits == 2);
	cr_expect_str_eq(submits[1]->message_id, ID);
	UNTIL(accepted);
	say_done("done", 1, "{}");
	UNTIL(ends);
	close_rig();
}

/* Of a record that nobody goes on with: waiting for it again at once would be a storm of questions. */
Test(job, a_wait_that_is_answered_at_once_is_not_asked_again_at_once)
{
	unsigned answers = 0;

	open_rig();
	og_job_attach(line, ID, "a", NULL, &sink, NULL);
	UNTIL(asked("result"));
	say_answer("{\"state\":\"accepted\"}");
	UNTIL(asked("wait"));
	say_answer("{\"state\":\"accepted\"}");
	og_link_ask(line, "status", NULL, OG_ANSWER_MS, on_answer, &answers, NULL);
	UNTIL(asked("status"));
	say_answer("{\"is\":\"well\"}");
	UNTIL(answers);
	cr_expect(asked("status"), "nothing was asked after it");
	close_rig();
}

/* Chunks flow to this gateway for somebody of another tenant. */
Test(job, nothing_is_heard_before_the_scheduler_allows_it)
{
	const struct og_chunk_at from = {.attempt = 1};

	open_rig();
	og_job_attach(line, ID, "a", &from, &sink, NULL);
	UNTIL(asked("attach"));
	say_chunk(1, 0, "x");
	tell("result", &(struct og_envelope){.type = OG_T_RESPONSE, .state = "done"}, "{}", questions[0]->reply_to);
	say_answer("{\"state\":\"running\"}");
	UNTIL(n_questions == 2);
	cr_expect_eq(text.len, 0);
	cr_expect(asked("attach"), "what came before is asked for");
	say_answer("{\"state\":\"done\",\"result\":{\"text\":\"4\"}}");
	UNTIL(ends);
	cr_expect_str_eq(og_buf_str(&text), "|{\"text\":\"4\"}");
	close_rig();
}

Test(job, one_that_was_there_before_is_attached_to)
{
	const struct og_chunk_at from = {.attempt = 1, .seq = 1};

	open_rig();
	cr_assert_not_null(og_job_attach(line, ID, NULL, &from, &sink, NULL));
	UNTIL(asked("attach"));
	say_answer("{\"state\":\"running\",\"attempt\":1}");
	say_chunk(1, 1, "b");
	UNTIL(text.len == 1);
	tell("result", &(struct og_envelope){.type = OG_T_RESPONSE, .state = "done"}, "{}", questions[0]->reply_to);
	UNTIL(ends);
	cr_expect_str_eq(og_buf_str(&text), "b|{}");
	close_rig();
}

Test(job, one_that_has_ended_is_asked_for_its_result)
{
	open_rig();
	og_job_attach(line, ID, NULL, NULL, &sink, NULL);
	UNTIL(asked("result"));
	say_answer("{\"state\":\"done\",\"result\":{\"text\":\"4\"}}");
	UNTIL(ends);
	cr_expect_str_eq(og_buf_str(&text), "|{\"text\":\"4\"}");
	close_rig();
}

Test(job, one_that_nobody_knows_ends_as_not_found)
{
	open_rig();
	og_job_attach(line, ID, NULL, NULL, &sink, NULL);
	for (size_t n = 1; !ends; n++) {
		UNTIL(n_questions == n || ends);
		if (!ends)
			say_answer("{\"error\":{\"type\":\"not_found\",\"message\":\"no\"}}");
	}
	cr_expect_str_eq(error, "not_found");
	close_rig();
}

Test(job, a_question_is_answered_forgotten_or_fails_with_the_connection)
{
	unsigned answers = 0;

	open_rig();
	og_link_ask(line, "status", NULL, OG_ANSWER_MS, on_answer, &answers, NULL);
	UNTIL(asked("status"));
	say_answer("{\"is\":\"well\"}");
	UNTIL(answers == 1);
	cr_expect_str_eq(error, "well");
	og_question_forget(og_link_ask(line, "status", NULL, OG_ANSWER_MS, on_answer, &answers, NULL));
	og_link_ask(line, "status", NULL, OG_ANSWER_MS, on_answer, &answers, NULL);
	UNTIL(n_questions == 3);
	og_memory_broker_drop(broker, gateway);
	UNTIL(!up);
	cr_expect_eq(answers, 2);
	cr_expect_null(og_link_ask(line, "status", NULL, OG_ANSWER_MS, on_answer, &answers, NULL));
	cr_expect_null(submit(false));
	close_rig();
}
