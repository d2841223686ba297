/* Who leaves a job, and what becomes of it then. */
#include "gateway/job/rig.h"

TestSuite(job_left, .timeout = 30);

static int told; /* who left: 'w', it only waited; 'r', or it may have run */

Test(job_left, one_that_is_left_is_cancelled)
{
	struct og_job *j;

	open_rig();
	j = submit(false);
	UNTIL(accepted);
	og_job_leave(j, 0);
	UNTIL(asked("leave"));
	say_answer("{\"error\":{\"type\":\"not_found\",\"message\":\"not yet\"}}");
	UNTIL(n_questions == 2);
	cr_expect(asked("leave"), "it may not have reached the scheduler yet");
	say_answer("{\"state\":\"cancelled\"}");
	UNTIL(og_link_jobs(line) == 0);
	cr_expect_eq(ends, 0);
	close_rig();
}

Test(job_left, one_that_is_left_before_its_confirm_is_cancelled_after_it)
{
	struct og_job *j;

	open_rig();
	og_memory_broker_hold_confirms(broker, true);
	j = submit(false);
	UNTIL(n_submits);
	og_job_leave(j, 0);
	og_memory_broker_hold_confirms(broker, false);
	UNTIL(asked("leave"));
	say_answer("{\"state\":\"cancelled\"}");
	UNTIL(og_link_jobs(line) == 0);
	close_rig();
}

Test(job_left, the_last_of_those_who_wait_here_leaves_for_all)
{
	struct og_job *first, *second;

	open_rig();
	first = submit(true);
	UNTIL(accepted);
	second = og_job_attach(line, ID, "a", NULL, &sink, NULL);
	UNTIL(asked("result"));
	cr_expect_not_null(strstr(questions[0]->body, "\"as\":\"a\""));
	say_answer("{\"state\":\"running\"}");
	UNTIL(asked("wait"));
	og_job_leave(first, 0);
	cr_expect_eq(og_link_jobs(line), 1, "somebody else waits");
	og_job_leave(second, 1);
	UNTIL(asked("leave"));
	say_answer("{\"state\":\"cancelling\"}");
	UNTIL(og_link_jobs(line) == 0);
	close_rig();
}

static void on_left(void *ctx, bool never_ran)
{
	(void)ctx;
	cr_expect_eq(told, 0, "once");
	told = never_ran ? 'w' : 'r';
}

/* It is told the answer of the scheduler, which waits for it. */
static void leave_told(const char *answer)
{
	struct og_job *j = submit(false);

	UNTIL(accepted);
	og_job_leave_told(j, on_left, NULL);
	UNTIL(asked("leave"));
	if (answer)
		say_answer(answer);
}

Test(job_left, who_left_one_that_waited_is_told_that_it_never_ran)
{
	open_rig();
	leave_told("{\"state\":\"cancelled\"}");
	UNTIL(told);
	cr_expect_eq(told, 'w');
	cr_expect_eq(ends, 0);
	close_rig();
}

Test(job_left, who_left_one_that_runs_is_told_so)
{
	open_rig();
	leave_told("{\"state\":\"cancelling\"}");
	UNTIL(told);
	cr_expect_eq(told, 'r');
	close_rig();
}

/* The scheduler says it to the reply key as well, and that may come first. */
Test(job_left, who_left_is_told_by_an_end_of_no_run)
{
	open_rig();
	leave_told(NULL);
	say_done("cancelled", 0, "{}");
	UNTIL(told);
	cr_expect_eq(told, 'w');
	cr_expect_eq(ends, 0);
	close_rig();
}

Test(job_left, who_left_is_told_by_an_end_of_a_run)
{
	open_rig();
	leave_told(NULL);
	say_done("cancelled", 1, "{}");
	UNTIL(told);
	cr_expect_eq(told, 'r');
	close_rig();
}

/* It was running when the first question came, whose answer is lost; the second finds its record. */
Test(job_left, what_is_asked_again_does_not_tell_that_it_never_ran)
{
	open_rig();
	leave_told(NULL);
	og_memory_broker_drop(broker, gateway);
	UNTIL(n_questions == 2);
	cr_expect(asked("leave"));
	say_answer("{\"state\":\"cancelled\"}");
	UNTIL(told);
	cr_expect_eq(told, 'r');
	close_rig();
}

Test(job_left, what_the_broker_did_not_take_never_ran)
{
	unsigned answers = 0;

	open_rig();
	og_memory_broker_delete(broker, OG_Q_INTAKE);
	og_link_ask(line, "status", NULL, OG_ANSWER_MS, on_answer, &answers, NULL);
	UNTIL(asked("status")); /* which came behind it */
	og_job_leave_told(submit(false), on_left, NULL);
	UNTIL(told);
	cr_expect_eq(told, 'w');
	close_rig();
}

Test(job_left, who_left_is_told_when_the_line_closes)
{
	open_rig();
	leave_told(NULL);
	close_rig();
	cr_expect_eq(told, 'r');
}

Test(job_left, one_that_yields_is_left_and_followed_to_its_end)
{
	struct og_job *j;

	open_rig();
	j = submit(true);
	UNTIL(accepted);
	og_job_yield(j);
	cr_expect_eq(og_link_jobs(line), 0, "nobody waits");
	UNTIL(asked("leave"));
	say_answer("{\"state\":\"running\"}");
	say_done("done", 1, "{}");
	UNTIL(ends);
	cr_expect_eq(state, OG_STATE_DONE);
	close_rig();
}

Test(job_left, who_comes_back_within_the_grace_keeps_it)
{
	struct og_job *j;

	open_rig();
	og_job_leave(submit(true), 50);
	UNTIL(n_submits);
	j = og_job_attach(line, ID, NULL, &(struct og_chunk_at){0}, &sink, NULL);
	UNTIL(asked("attach"));
	say_answer("{\"state\":\"running\"}");
	UNTIL(og_link_jobs(line) == 1);
	cr_expect_eq(n_questions, 1, "nobody left");
	og_job_forget(j);
	close_rig();
}
