/* og_follow against a broker in memory and a scheduler-and-worker that each test scripts. */
#include "follow_rig.h"

TestSuite(follow, .init = setup, .fini = teardown, .timeout = 60);

static void script_answer(const struct og_envelope *e)
{
	cr_assert(e->stream && e->progress);
	tell(reply, "placed", (struct og_envelope){.type = OG_T_PLACED, .state = "placed", .tier = "T", .ahead = 2},
		"");
	tell(reply, "started", (struct og_envelope){.type = OG_T_STARTED, .attempt = 1, .node_name = "NodeB"}, "");
	chunk(1, 0, 0, "Two and two ");
	chunk(1, 0, 1, "is four.");
	done(1, 0, 2, "Two and two is four.");
}

Test(follow, an_answer_comes_and_ends_with_a_newline)
{
	serve();
	on_request = script_answer;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("Two and two is four.\n");
	cr_assert_eq(requests, 1);
	cr_assert_eq(questions, 0, "a job that goes well needs no question");
}

static void script_cut_off(const struct og_envelope *e)
{
	(void)e;
	tell(reply, "done", (struct og_envelope){.type = OG_T_RESPONSE, .attempt = 1, .state = "done"},
		"{\"response\":{\"choices\":[{\"finish_reason\":\"length\","
		"\"message\":{\"content\":\"There was a\"}}]}}");
}

Test(follow, an_answer_that_was_cut_off_is_not_passed_for_a_whole_one)
{
	serve();
	on_request = script_cut_off;
	loud = true;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("There was a\n");
	cr_assert(strstr(said(), "cut off"));
}

static void script_gap(const struct og_envelope *e)
{
	(void)e;
	chunk(1, 0, 0, "one ");
	chunk(1, 0, 2, "three");
	done(1, 0, 3, "one two three\\n");
}

Test(follow, what_was_dropped_is_printed_from_done)
{
	serve();
	on_request = script_gap;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("one two three\n");
}

static void script_second_run(const struct og_envelope *e)
{
	(void)e;
	chunk(1, 0, 0, "half");
	tell(reply, "started", (struct og_envelope){.type = OG_T_STARTED, .attempt = 1, .run = 1}, "");
	chunk(1, 0, 1, " lost");
	chunk(1, 1, 0, "whole");
	done(1, 0, 2, "half lost");
	done(1, 1, 1, "whole");
}

Test(follow, a_second_run_is_told_and_never_mixed)
{
	serve();
	on_request = script_second_run;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("half\nwhole\n");
	cr_assert(strstr(said(), "a new attempt begins"));
}

static void script_ping(const struct og_envelope *e)
{
	(void)e;
	tell(reply, "ping", (struct og_envelope){.type = "ping"}, "");
	done(1, 0, 0, "four");
}

Test(follow, a_ping_changes_nothing)
{
	serve();
	on_request = script_ping;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("four\n");
}

Test(follow, without_streaming_only_the_end_counts)
{
	serve();
	on_request = script_second_run;
	job.stream = false;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("whole\n");
}

Test(follow, the_end_as_json)
{
	serve();
	on_request = script_answer;
	job.stream = false;
	job.json = true;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("{\n  \"id\": \"" ID "\",\n  \"state\": \"done\",\n"
				"  \"response\": {\n    \"choices\": [\n      {\n        \"message\": {\n"
				"          \"content\": \"Two and two is four.\"\n        }\n      }\n    ]\n  },\n"
				"  \"tier\": \"T\",\n  \"text\": \"Two and two is four.\"\n}\n");
}

static const struct {
	const char *state, *type;
	enum og_exit exit;
} ends[] = {
	{"failed", "engine_error", OG_EXIT_FAILED},
	{"failed", "unknown_model", OG_EXIT_NOT_FOUND},
	{"failed", "invalid_request", OG_EXIT_USAGE},
	{"dead", "engine_cut", OG_EXIT_FAILED},
	{"expired", "expired", OG_EXIT_EXPIRED},
	{"cancelled", "cancelled", OG_EXIT_CANCELLED},
	{"busy", "busy", OG_EXIT_BUSY},
	{"no_capacity", "no_capacity", OG_EXIT_NO_CAPACITY},
};
static size_t which;

static void script_end(const struct og_envelope *e)
{
	(void)e;
	ended(ends[which].state, ends[which].type);
}

Test(follow, every_other_end_has_its_exit_and_its_reason)
{
	serve();
	on_request = script_end;
	for (which = 0; which < OG_COUNT(ends); which++)
		cr_assert_eq(follow(), ends[which].exit, "%s", ends[which].state);
	cr_assert_stdout_eq_str("");
	cr_assert(strstr(said(), "unknown_model: because (job " ID ")"));
}

static void script_garbage(const struct og_envelope *e)
{
	(void)e;
	tell(reply, "chunk", (struct og_envelope){.type = OG_T_CHUNK, .attempt = 1}, "}{");
	tell(reply, "done", (struct og_envelope){.type = OG_T_RESPONSE, .attempt = 1, .seq = 1, .state = "done"}, "[1");
}

Test(follow, a_done_that_cannot_be_read_is_no_empty_answer)
{
	serve();
	on_request = script_garbage;
	cr_assert_eq(follow(), OG_EXIT_FAILED);
	cr_assert(strstr(said(), "cannot be read"));
}

static void script_others(const struct og_envelope *e)
{
	(void)e;
	tell(reply, "done",
		(struct og_envelope){
			.type = OG_T_RESPONSE, .id = "6f1c4a52-0000-4000-8000-00000000000f", .state = "done"},
		"{\"text\":\"of another job\"}");
	tell(reply, "done", (struct og_envelope){.type = OG_T_RESPONSE, .state = "running"}, "{}");
	done(1, 0, 0, "mine");
}

Test(follow, only_the_jobs_own_end_counts)
{
	serve();
	on_request = script_others;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("mine\n");
}

Test(follow, detached_it_leaves_when_the_cluster_has_it)
{
	serve();
	job.detach = deaf = true;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("");
}

Test(follow, a_full_intake_is_busy)
{
	settings.limits.intake_max_jobs = 1;
	og_memory_broker_free(broker);
	uv_run(&loop, UV_RUN_DEFAULT);
	og_topology_free(topology);
	og_autofree struct og_catalogue *catalogue = og_catalogue_default();
	topology = og_topology_new(catalogue, &settings.limits);
	broker = og_memory_broker_new(&loop, topology);
	job.detach = true;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	job.detach = false;
	cr_assert_eq(follow(), OG_EXIT_BUSY);
	cr_assert(strstr(said(), "busy"));
}

Test(follow, a_cluster_that_was_never_set_up)
{
	og_memory_broker_free(broker);
	uv_run(&loop, UV_RUN_DEFAULT);
	topology->n_bindings = 0;
	broker = og_memory_broker_new(&loop, topology);
	cr_assert_eq(follow(), OG_EXIT_NOT_CONNECTED);
	cr_assert(strstr(said(), "og-broker-config apply"));
}

Test(follow, no_scheduler_answers)
{
	times.silence_ms = times.ask_ms = 30;
	times.give_up_ms = 300;
	cr_assert_eq(follow(), OG_EXIT_NOT_CONNECTED);
	cr_assert(strstr(said(), "no scheduler answers"));
}

static void answer_cancelled(const char *verb, const char *id, const char *to)
{
	if (!strcmp(verb, "cancel"))
		answer(to, id, "{\"state\":\"cancelled\"}");
}

static void script_interrupt(const struct og_envelope *e)
{
	(void)e;
	raise(SIGINT);
}

Test(follow, ctrl_c_cancels)
{
	serve();
	on_request = script_interrupt;
	on_question = answer_cancelled;
	cr_assert_eq(follow(), OG_EXIT_CANCELLED);
	cr_assert_eq(cancels, 1);
}

static void answer_cancelling(const char *verb, const char *id, const char *to)
{
	if (strcmp(verb, "cancel") != 0)
		return;
	answer(to, id, "{\"state\":\"cancelling\"}");
	ended("cancelled", "cancelled");
}

Test(follow, ctrl_c_of_a_running_job_waits_for_its_end)
{
	serve();
	on_request = script_interrupt;
	on_question = answer_cancelling;
	cr_assert_eq(follow(), OG_EXIT_CANCELLED);
	cr_assert_eq(cancels, 1);
}

static void answer_too_late(const char *verb, const char *id, const char *to)
{
	if (!strcmp(verb, "cancel"))
		answer(to, id, "{\"state\":\"done\"}");
	else if (!strcmp(verb, "result"))
		answer(to, id, "{\"state\":\"done\",\"result\":{\"text\":\"was faster\"}}");
}

Test(follow, an_answer_that_was_faster_than_ctrl_c_is_printed)
{
	serve();
	on_request = script_interrupt;
	on_question = answer_too_late;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("was faster\n");
}

static void answer_cancel_at_third(const char *verb, const char *id, const char *to)
{
	if (strcmp(verb, "cancel") != 0)
		return;
	if (cancels < 3)
		answer(to, id, "{\"error\":{\"type\":\"not_found\",\"message\":\"not here yet\"}}");
	else
		answer(to, id, "{\"state\":\"cancelled\"}");
}

Test(follow, a_cancel_that_comes_before_its_job_is_repeated)
{
	times.again_ms = 10;
	serve();
	on_request = script_interrupt;
	on_question = answer_cancel_at_third;
	cr_assert_eq(follow(), OG_EXIT_CANCELLED);
	cr_assert_eq(cancels, 3);
}

Test(follow, a_cancel_without_answer_has_a_bound)
{
	times.cancel_ms = 100;
	serve();
	on_request = script_interrupt;
	cr_assert_eq(follow(), OG_EXIT_INTERRUPTED);
	cr_assert(strstr(said(), "og cancel " ID));
}

static void interrupt_again(const char *verb, const char *id, const char *to)
{
	(void)verb, (void)id, (void)to;
	raise(SIGINT);
}

Test(follow, a_second_ctrl_c_leaves)
{
	serve();
	on_request = script_interrupt;
	on_question = interrupt_again;
	cr_assert_eq(follow(), OG_EXIT_INTERRUPTED);
	cr_assert_eq(cancels, 1);
}

Test(follow, a_time_out_cancels)
{
	serve();
	on_question = answer_cancelled;
	job.timeout_ms = 2000; /* by far enough to submit it: before that there is nothing to cancel */
	cr_assert_eq(follow(), OG_EXIT_EXPIRED);
	cr_assert_eq(cancels, 1);
}

static void script_cut(const struct og_envelope *e)
{
	(void)e;
	if (requests > 1)
		return;
	chunk(1, 0, 0, "begun ");
	/* The cut comes behind the chunk: it is on its way to the client by then. */
	og_memory_broker_drop(broker, client);
}

/* By a scheduler that knows no attach. */
static void answer_result(const char *verb, const char *id, const char *to)
{
	if (!strcmp(verb, "attach"))
		answer(to, id, "{\"error\":{\"type\":\"invalid_request\",\"message\":\"no such verb\"}}");
	else if (!strcmp(verb, "result") && questions < 4)
		answer(to, id, "{\"state\":\"running\"}");
	else if (!strcmp(verb, "wait"))
		answer(to, id, "{\"state\":\"done\",\"result\":{\"text\":\"begun and ended\"}}");
}

Test(follow, after_a_lost_connection_the_job_is_asked_for)
{
	serve();
	on_request = script_cut;
	on_question = answer_result;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("begun and ended\n");
	cr_assert_geq(questions, 2);
}

static void script_cut_before_confirm(const struct og_envelope *e)
{
	(void)e;
	if (requests == 1)
		og_memory_broker_drop(broker, client);
	else
		done(1, 0, 0, "once");
}

Test(follow, what_was_not_confirmed_goes_out_again_with_the_same_id)
{
	serve();
	og_memory_broker_hold_confirms(broker, true);
	on_request = script_cut_before_confirm;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_eq(requests, 2);
	cr_assert_stdout_eq_str("once\n");
}

Test(follow, a_blocked_broker_is_busy)
{
	connect_ms = 1000;
	serve();
	og_memory_broker_block(broker, true);
	cr_assert_eq(follow(), OG_EXIT_BUSY);
	og_memory_broker_block(broker, false);
}

Test(follow, an_earlier_job_is_asked_for_until_it_ends)
{
	serve();
	earlier = true;
	on_question = answer_result;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("begun and ended\n");
	cr_assert_eq(requests, 0);
}

static void answer_unknown(const char *verb, const char *id, const char *to)
{
	(void)verb;
	answer(to, id, "{\"error\":{\"type\":\"not_found\",\"message\":\"no such job\"}}");
}

Test(follow, an_earlier_job_that_nobody_knows)
{
	times.again_ms = 10;
	serve();
	earlier = true;
	on_question = answer_unknown;
	cr_assert_eq(follow(), OG_EXIT_NOT_FOUND);
	cr_assert_eq(questions, 3, "it may be on its way");
}

static void answer_gone(const char *verb, const char *id, const char *to)
{
	(void)verb;
	answer(to, id, "{\"error\":{\"type\":\"result_gone\",\"message\":\"its time was over\"}}");
}

Test(follow, an_earlier_job_whose_result_is_gone)
{
	serve();
	earlier = true;
	on_question = answer_gone;
	cr_assert_eq(follow(), OG_EXIT_NOT_FOUND);
	cr_assert(strstr(said(), "its time was over"));
}

static void answer_running(const char *verb, const char *id, const char *to)
{
	if (!strcmp(verb, "result"))
		answer(to, id, "{\"state\":\"running\"}");
}

Test(follow, waiting_has_a_time_out_that_leaves_the_job_alone)
{
	serve();
	earlier = true;
	job.timeout_ms = 120;
	on_question = answer_running;
	cr_assert_eq(follow(), OG_EXIT_PENDING);
	cr_assert_eq(cancels, 0);
}

static void interrupt_first(const char *verb, const char *id, const char *to)
{
	(void)verb, (void)id, (void)to;
	raise(SIGTERM);
}

Test(follow, ctrl_c_of_a_wait_leaves_the_job_alone)
{
	serve();
	earlier = true;
	on_question = interrupt_first;
	cr_assert_eq(follow(), OG_EXIT_INTERRUPTED);
	cr_assert_eq(cancels, 0);
}

static void answer_busy_twice(const char *verb, const char *id, const char *to)
{
	(void)verb;
	if (questions < 3)
		answer(to, id, "{\"error\":{\"type\":\"busy\",\"message\":\"Redis is away\"}}");
	else
		answer(to, id, "{\"state\":\"done\",\"result\":{\"text\":\"was there all along\"}}");
}

Test(follow, a_moment_without_records_is_waited_out)
{
	times.again_ms = 10;
	serve();
	earlier = true;
	on_question = answer_busy_twice;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("was there all along\n");
	cr_assert_eq(questions, 3);
}

static void answer_busy(const char *verb, const char *id, const char *to)
{
	(void)verb;
	answer(to, id, "{\"error\":{\"type\":\"busy\",\"message\":\"Redis is away\"}}");
}

Test(follow, a_long_time_without_records_has_a_bound_that_says_so)
{
	const char *words;

	times.again_ms = 10;
	times.give_up_ms = 300;
	serve();
	earlier = true;
	on_question = answer_busy;
	cr_assert_eq(follow(), OG_EXIT_BUSY);
	words = said();
	cr_assert(strstr(words, "Redis is away") && strstr(words, "og wait " ID), "%s", words);
	cr_assert_not(strstr(words, "no scheduler answers"), "%s", words);
}
