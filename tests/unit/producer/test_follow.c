/* og_follow against a broker in memory and a scheduler-and-worker that each test scripts. */
#include "follow.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/amqp_memory.h"
#include "leaks.h"
#include "model/names.h"

#define ID "6f1c4a52-0000-4000-8000-000000000001"

static uv_loop_t loop;
static struct og_memory_broker *broker;
static struct og_amqp *grid, *client;
static struct og_settings settings;
static struct og_topology *topology;

/* What the other side does; each may be NULL. */
static void (*on_request)(const struct og_envelope *e);
static void (*on_question)(const char *verb, const char *id, const char *reply);
static int64_t attached_from; /* of the last attach */
static unsigned requests, questions, cancels;
static char reply[OG_KEY_MAX]; /* of the last request */

static void from_intake(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_envelope e;
	struct og_error err = {0};

	(void)ctx;
	cr_assert_eq(og_envelope_decode(m, &e, &err), 0, "%s", err.message);
	cr_assert_str_eq(e.id, ID);
	cr_assert(m->persistent);
	snprintf(reply, sizeof(reply), "%s", e.reply_to);
	requests++;
	if (on_request)
		on_request(&e);
	og_amqp_ack(grid, epoch, m->delivery_tag);
}

static void read_attach(const struct og_message *m)
{
	json_t *body = json_loadb(m->body, m->body_len, 0, NULL);

	cr_assert_str_eq(json_string_value(json_object_get(body, "id")), ID);
	attached_from = json_integer_value(json_object_get(body, "from"));
	json_decref(body);
}

static void from_rpc(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_envelope e;

	(void)ctx;
	cr_assert_eq(og_envelope_decode(m, &e, NULL), 0);
	questions++;
	cancels += !strcmp(e.verb, "cancel");
	if (!strcmp(e.verb, "attach"))
		read_attach(m);
	if (on_question)
		on_question(e.verb, e.id, e.reply_to);
	og_amqp_ack(grid, epoch, m->delivery_tag);
}

static og_settled_cb *when_told; /* of the next message */

/* A message to the producer: `what` is the last part of the key. */
static void tell(const char *to, const char *what, struct og_envelope e, const char *body)
{
	char key[OG_KEY_MAX];
	struct og_message m = {.exchange = OG_X_REPLIES, .routing_key = key, .body = body, .body_len = strlen(body)};

	og_key_reply(to, what, key);
	if (!e.id)
		e.id = ID;
	og_envelope_encode(&e, &m);
	cr_assert_eq(og_amqp_publish(grid, &m, 0, when_told, NULL, NULL), 0);
	when_told = NULL;
}

static void chunk(int64_t attempt, int64_t run, int64_t seq, const char *text)
{
	og_autofree char *body = og_printf("{\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}", text);

	tell(reply, "chunk", (struct og_envelope){.type = OG_T_CHUNK, .attempt = attempt, .run = run, .seq = seq},
		body);
}

static void done(int64_t attempt, int64_t run, int64_t chunks, const char *text)
{
	og_autofree char *body =
		og_printf("{\"response\":{\"choices\":[{\"message\":{\"content\":\"%s\"}}]},\"tier\":\"T\"}", text);

	tell(reply, "done",
		(struct og_envelope){
			.type = OG_T_RESPONSE, .attempt = attempt, .run = run, .seq = chunks, .state = "done"},
		body);
}

static void ended(const char *state, const char *type)
{
	og_autofree char *body = og_printf("{\"error\":{\"type\":\"%s\",\"message\":\"because\"}}", type);

	tell(reply, "done", (struct og_envelope){.type = OG_T_RESPONSE, .state = state, .error_type = type}, body);
}

static void answer(const char *to, const char *id, const char *body)
{
	tell(to, "rpc", (struct og_envelope){.type = OG_T_RPC_REPLY, .id = id}, body);
}

static struct og_amqp *dial(void *ctx, uv_loop_t *l, const struct og_session_config *config,
	const struct og_amqp_events *events, struct og_error *err)
{
	const struct og_amqp_config c = {.window = 16};

	(void)ctx, (void)l, (void)err;
	client = og_memory_broker_connect(broker, config->user, &c, events);
	return client;
}

static void serve(void)
{
	const struct og_amqp_config c = {.window = 64, .republish = true};
	const struct og_amqp_events none = {0};

	grid = og_memory_broker_connect(broker, "scheduler", &c, &none);
	grid->ops->recipe_consume(grid, OG_Q_INTAKE, 10, 0, from_intake, NULL);
	grid->ops->recipe_consume(grid, OG_Q_RPC, 10, 0, from_rpc, NULL);
}

static void setup(void)
{
	static char cluster[] = "test", endpoints[] = "nowhere:1", secrets[] = "/secrets";
	og_autofree struct og_catalogue *catalogue = og_catalogue_default();

	settings = (struct og_settings){.cluster = cluster,
		.broker_endpoints = endpoints,
		.secrets = secrets,
		.limits = {.intake_max_jobs = 100, .intake_max_bytes = 1 << 20, .reply_max_bytes = 1 << 20}};
	topology = og_topology_new(catalogue, &settings.limits);
	uv_loop_init(&loop);
	broker = og_memory_broker_new(&loop, topology);
	cr_redirect_stdout();
	cr_redirect_stderr();
}

static void teardown(void)
{
	og_amqp_close(grid, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	og_memory_broker_free(broker);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
	og_topology_free(topology);
}

TestSuite(follow, .init = setup, .fini = teardown, .timeout = 60);

/* No time passes but what a test shortens: a machine under load must not make a question out of a late answer. */
#define NEVER_MS 60000
static struct og_follow_times times = {.silence_ms = NEVER_MS,
	.give_up_ms = NEVER_MS,
	.ask_ms = NEVER_MS,
	.again_ms = NEVER_MS,
	.cancel_ms = NEVER_MS};
static int64_t connect_ms = NEVER_MS, lost_ms = NEVER_MS;
static struct og_follow_job job = {.id = ID, .body = "{}", .body_len = 2, .stream = true};
static bool earlier;   /* the job is not ours */
static bool attaching; /* and its words are wanted */
static bool deaf;
static bool loud; /* notes are told, too */

static enum og_exit follow(void)
{
	const struct og_session_config config = {.settings = &settings,
		.user = "producer-test",
		.deaf = deaf,
		.connect_ms = connect_ms,
		.lost_ms = lost_ms,
		.dial = dial};
	struct og_envelope e = {.type = OG_T_REQUEST, .id = ID, .stream = 1, .progress = 1};
	struct og_screen screen;
	enum og_exit exit;

	job.request = earlier ? NULL : &e;
	job.stream = job.stream && (!earlier || attaching);
	og_screen_init(&screen, !loud);
	exit = og_follow(&loop, &config, &job, &times, &screen);
	og_screen_done(&screen);
	return exit;
}

/* All that the process wrote to stderr, for a look at a part of it. */
static const char *said(void)
{
	static char text[4096];
	FILE *f = cr_get_redirected_stderr();
	size_t n;

	fflush(stderr);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	return text;
}

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

Test(follow, a_second_attempt_is_told_once_with_its_reason_and_never_mixed)
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

Test(follow, a_second_attempt_of_what_is_not_streamed_is_told_and_prints_nothing)
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

Test(follow, an_attempt_whose_announcement_was_lost_is_told_all_the_same)
{
	serve();
	on_request = script_unannounced_attempt;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("half\nwhole\n");
	cr_assert(strstr(said(), "attempt 2 begins; what was printed so far does not count"));
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

static void script_dead(const struct og_envelope *e)
{
	(void)e;
	tell(reply, "done",
		(struct og_envelope){.type = OG_T_RESPONSE, .state = "dead", .error_type = "invalid_request"},
		"{\"error\":{\"type\":\"engine_cut\",\"message\":\"3 attempts\"},"
		"\"tried\":[{\"id\":\"1\",\"name\":\"NodeB\"},{\"id\":\"2\",\"name\":\"NodeC\"}]}");
}

Test(follow, a_dead_job_names_its_reason_and_who_tried)
{
	const char *words;

	serve();
	on_request = script_dead;
	cr_assert_eq(follow(), OG_EXIT_FAILED);
	words = said();
	cr_assert(strstr(words, "dead: engine_cut: 3 attempts, tried by NodeB, NodeC"), "%s", words);
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

Test(follow, attached_to_an_earlier_job_its_words_come_from_the_first_on)
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

Test(follow, after_a_lost_connection_the_words_go_on_where_they_stopped)
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

Test(follow, after_a_lost_connection_another_attempt_is_shown_from_its_first_word)
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

Test(follow, attached_to_a_job_that_has_ended)
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

Test(follow, one_too_many_to_attach_gets_the_end)
{
	serve();
	earlier = attaching = true;
	on_question = answer_too_many;
	cr_assert_eq(follow(), OG_EXIT_ANSWERED);
	cr_assert_stdout_eq_str("at its end\n");
}
