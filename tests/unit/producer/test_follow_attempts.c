/* og_follow where an attempt breaks, and where one attaches to what runs. */
#include "follow_rig.h"

TestSuite(follow_attempts, .init = setup, .fini = teardown, .timeout = 60);

static void script_second_attempt(const struct og_envelope *e)
{
	(void)e;
	tell(reply, "started", (struct og_envelope){.type = OG_T_STARTED, .attempt = 1, .node_name = "NodeB"}, "");
	chunk(1, 0, 0, "half");
	tell(reply, "placed",
		(struct og_envelope){.type = OG_T_PLACED,
			.attempt = 2,
			.state = "queued",
			.tier = "T",
			.error_type = "engine_cut",
			.reason = "the stream ended"},
		"");
	tell(reply, "placed", (struct og_envelope){.type = OG_T_PLACED, .attempt = 2, .state = "placed"}, "");
	chunk(1, 0, 1, " lost");
	tell(reply, "started", (struct og_envelope){.type = OG_T_STARTED, .attempt = 2, .node_name = "NodeC"}, "");
	chunk(2, 0, 0, "whole");
	done(1, 0, 2, "half lost");
	done(2, 0, 1, "whole");
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

Test(follow_attempts, a_second_attempt_is_told_once_with_its_reason_and_never_mixed)
{
	const char *words;

	serve();
	on_request = script_second_attempt;
	loud = true;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("half\nwhole\n");
	words = said();
	cr_assert(strstr(words, "attempt 2 begins: engine_cut on NodeB: the stream ended; what was printed so far does "
				"not count"),
		"%s", words);
	cr_assert_eq(count(words, "begins"), 1, "%s", words);
	cr_assert(strstr(words, "waiting for T") && strstr(words, "running on NodeC"), "%s", words);
}

Test(follow_attempts, a_second_attempt_of_what_is_not_streamed_is_told_and_prints_nothing)
{
	const char *words;

	serve();
	on_request = script_second_attempt;
	job.stream = false;
	loud = true;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("whole\n");
	words = said();
	cr_assert(strstr(words, "attempt 2 begins: engine_cut on NodeB: the stream ended\n"), "%s", words);
	cr_assert_eq(count(words, "begins"), 1, "%s", words);
}

static void script_unannounced_attempt(const struct og_envelope *e)
{
	(void)e;
	chunk(1, 0, 0, "half");
	chunk(2, 0, 0, "whole");
	done(2, 0, 1, "whole");
}

Test(follow_attempts, an_attempt_whose_announcement_was_lost_is_told_all_the_same)
{
	serve();
	on_request = script_unannounced_attempt;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("half\nwhole\n");
	cr_assert(strstr(said(), "attempt 2 begins; what was printed so far does not count"));
}

static void script_dead(const struct og_envelope *e)
{
	(void)e;
	tell(reply, "done",
		(struct og_envelope){.type = OG_T_RESPONSE, .state = "dead", .error_type = "invalid_request"},
		"{\"error\":{\"type\":\"engine_cut\",\"message\":\"3 attempts\"},"
		"\"tried\":[{\"id\":\"1\",\"name\":\"NodeB\"},{\"id\":\"2\",\"name\":\"NodeC\"}]}");
}

Test(follow_attempts, a_dead_job_names_its_reason_and_who_tried)
{
	const char *words;

	serve();
	on_request = script_dead;
	cr_assert_eq(follow(), OG_EXIT_FAILED);
	words = said();
	cr_assert(strstr(words, "dead: engine_cut: 3 attempts, tried by NodeB, NodeC"), "%s", words);
}

/* ── attaching ── */

static int64_t runs; /* the attempt that runs */

/* The chunks of the attempt that runs, from `from` on, come to who attached; and its end. */
static void answer_attach(const char *verb, const char *id, const char *to)
{
	static const char *const words[] = {"one ", "two ", "three"};
	og_autofree char *text = NULL;

	if (strcmp(verb, "attach") != 0)
		return;
	text = og_printf("{\"state\":\"running\",\"attempt\":%d}", (int)runs);
	answer(to, id, text);
	snprintf(reply, sizeof(reply), "%s", to);
	for (int64_t i = attached_from; i < 3; i++)
		chunk(runs, 0, i, words[i]);
	/* A worker's own stream goes on beside it. */
	chunk(runs, 0, 2, words[2]);
	if (!attached_from || runs == 1)
		tell(reply, "result", (struct og_envelope){.type = OG_T_RESPONSE, .state = "done"},
			"{\"text\":\"one two three\"}");
}

Test(follow_attempts, attached_to_an_earlier_job_its_words_come_from_the_first_on)
{
	serve();
	earlier = attaching = true;
	runs = 2;
	on_question = answer_attach;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("one two three\n");
	cr_assert_eq(questions, 1);
	cr_assert_not(strstr(said(), "begins"), "the first attempt that is seen is no new one");
}

static void cut(void *ctx, enum og_settled how)
{
	(void)ctx;
	if (how == OG_CONFIRMED)
		og_memory_broker_drop(broker, client);
}

static void script_cut_after_one(const struct og_envelope *e)
{
	(void)e;
	when_told = cut; /* it is in the client's queue by then, and on its way */
	chunk(1, 0, 0, "one ");
}

Test(follow_attempts, after_a_lost_connection_the_words_go_on_where_they_stopped)
{
	serve();
	runs = 1;
	on_request = script_cut_after_one;
	on_question = answer_attach;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("one two three\n");
	cr_assert_eq(attached_from, 1);
	cr_assert_eq(questions, 1);
}

Test(follow_attempts, after_a_lost_connection_another_attempt_is_shown_from_its_first_word)
{
	serve();
	runs = 2;
	on_request = script_cut_after_one;
	on_question = answer_attach;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("one \none two three\n");
	cr_assert(strstr(said(), "attempt 2 begins"));
	cr_assert_eq(attached_from, 0);
}

static void answer_attach_ended(const char *verb, const char *id, const char *to)
{
	if (!strcmp(verb, "attach"))
		answer(to, id, "{\"state\":\"done\",\"result\":{\"text\":\"it had ended\"}}");
}

Test(follow_attempts, attached_to_a_job_that_has_ended)
{
	serve();
	earlier = attaching = true;
	on_question = answer_attach_ended;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("it had ended\n");
}

static void answer_too_many(const char *verb, const char *id, const char *to)
{
	if (!strcmp(verb, "attach"))
		answer(to, id, "{\"error\":{\"type\":\"busy\",\"message\":\"too many wait for this job\"}}");
	else if (!strcmp(verb, "result"))
		answer(to, id, "{\"state\":\"running\"}");
	else
		answer(to, id, "{\"state\":\"done\",\"result\":{\"text\":\"at its end\"}}");
}

Test(follow_attempts, one_too_many_to_attach_gets_the_end)
{
	serve();
	earlier = attaching = true;
	on_question = answer_too_many;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("at its end\n");
}
