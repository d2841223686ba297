/* Jobs on the broker in memory; the test is the scheduler and the worker. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "io/amqp_memory.h"
#include "job/job.h"
#include "model/names.h"

TestSuite(job, .timeout = 30);

#define ID   "00000001-0000-4000-8000-000000000000"
#define KEPT 64

static const char catalogue_text[] = "[tier small]\ncpu_cores = 1\nram_gib = 1\ndisk_gib = 1\n";

static uv_loop_t loop;
static struct og_settings settings;
static struct og_catalogue *catalogue;
static struct og_topology *topology;
static struct og_memory_broker *broker;
static struct og_amqp *gateway, *cluster; /* the line's connection, and who plays the cluster */
static struct og_link *line;
static bool up;

static struct og_message *submits[KEPT], *questions[KEPT];
static size_t n_submits, n_questions;

/* What the sink was told. */
static struct og_buf text;
static struct og_chunk_at last;
static unsigned ends, accepted;
static enum og_state state;
static bool gap;
static char error[512];
static int told; /* who left: 'w', it only waited; 'r', or it may have run */

/* ── the rig ── */

static void take_submit(void *ctx, const struct og_message *m, uint64_t epoch)
{
	(void)ctx;
	submits[n_submits++] = og_message_copy(m);
	og_amqp_ack(cluster, epoch, m->delivery_tag);
}

static void take_question(void *ctx, const struct og_message *m, uint64_t epoch)
{
	(void)ctx;
	questions[n_questions++] = og_message_copy(m);
	og_amqp_ack(cluster, epoch, m->delivery_tag);
}

static struct og_amqp *dial(void *ctx, uv_loop_t *l, const struct og_session_config *config,
	const struct og_amqp_events *events, struct og_error *err)
{
	const struct og_amqp_config c = {.name = "gateway", .window = 100};

	(void)ctx;
	(void)l;
	(void)config;
	(void)err;
	return gateway = og_memory_broker_connect(broker, "gateway", &c, events);
}

static void on_state(void *ctx, bool is_up, const struct og_error *why)
{
	(void)ctx;
	(void)why;
	up = is_up;
}

#define UNTIL(condition)                                                                                               \
	do {                                                                                                           \
		while (!(condition))                                                                                   \
			uv_run(&loop, UV_RUN_ONCE);                                                                    \
	} while (0)

static void open_rig(void)
{
	const struct og_amqp_config config = {.name = "cluster", .window = 100};
	const struct og_amqp_events none = {0};
	const struct og_link_config link_config = {
		.session = {.settings = &settings, .user = "gateway", .dial = dial}, .on_state = on_state};

	og_log_init("test", OG_LOG_ERROR);
	uv_loop_init(&loop);
	og_config_defaults(og_settings_rows, og_settings_n_rows, &settings);
	cr_assert_eq(og_catalogue_parse(catalogue_text, strlen(catalogue_text), "test", &catalogue, NULL), 0);
	topology = og_topology_new(catalogue, &settings.limits);
	broker = og_memory_broker_new(&loop, topology);
	cluster = og_memory_broker_connect(broker, "scheduler", &config, &none);
	cluster->ops->recipe_consume(cluster, OG_Q_INTAKE, 0, 0, take_submit, NULL);
	cluster->ops->recipe_consume(cluster, OG_Q_RPC, 0, 0, take_question, NULL);
	line = og_link_open(&loop, &link_config, NULL);
	og_buf_init(&text, 1 << 20);
	UNTIL(up);
}

static void close_rig(void)
{
	og_link_close(line, NULL, NULL);
	og_amqp_close(cluster, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	og_memory_broker_free(broker);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
	for (size_t i = 0; i < n_submits; i++)
		free(submits[i]);
	for (size_t i = 0; i < n_questions; i++)
		free(questions[i]);
	og_topology_free(topology);
	free(catalogue);
	og_config_done(og_settings_rows, og_settings_n_rows, &settings);
	og_buf_done(&text);
}

/* ── the sink ── */

static void on_chunk(void *ctx, const struct og_chunk_at *at, const char *data, size_t len)
{
	(void)ctx;
	last = *at;
	og_buf_add(&text, data, len);
}

static void on_accepted(void *ctx)
{
	(void)ctx;
	accepted++;
}

static void on_end(void *ctx, const struct og_job_end *end)
{
	(void)ctx;
	ends++;
	state = end->state;
	gap = end->gap;
	snprintf(error, sizeof(error), "%s", end->error_type ? end->error_type : "");
	if (end->body)
		og_buf_adds(&text, "|");
	og_buf_add(&text, end->body, end->body ? end->len : 0);
}

static const struct og_job_sink sink = {.chunk = on_chunk, .accepted = on_accepted, .end = on_end};

static struct og_job *submit(bool stream)
{
	const struct og_envelope e = {.type = OG_T_REQUEST, .id = ID, .tier = "small", .stream = stream};

	return og_job_submit(line, &e, "{}", 2, &sink, NULL);
}

/* ── the cluster ── */

static void tell(const char *what, const struct og_envelope *e, const char *body, const char *reply)
{
	char key[OG_KEY_MAX];
	struct og_message m = {.exchange = OG_X_REPLIES, .routing_key = key, .body = body, .body_len = strlen(body)};
	struct og_envelope own = *e;

	own.id = own.id ? own.id : ID;
	og_key_reply(reply, what, key);
	og_envelope_encode(&own, &m);
	og_amqp_publish(cluster, &m, 0, NULL, NULL, NULL);
}

static const char *reply_of(const struct og_message *m)
{
	return m->reply_to;
}

static void say_chunk(int64_t attempt, int64_t seq, const char *body)
{
	tell("chunk", &(struct og_envelope){.type = OG_T_CHUNK, .attempt = attempt, .seq = seq}, body,
		reply_of(n_questions ? questions[n_questions - 1] : submits[n_submits - 1]));
}

static void say_done(const char *how, int64_t attempt, const char *body)
{
	tell("done", &(struct og_envelope){.type = OG_T_RESPONSE, .state = how, .attempt = attempt}, body,
		reply_of(submits[n_submits - 1]));
}

static bool asked(const char *verb)
{
	const struct og_header *h = n_questions ? og_message_header(questions[n_questions - 1], "og-verb") : NULL;

	return h && !strcmp(h->text, verb);
}

static void say_answer(const char *body)
{
	const struct og_message *q = questions[n_questions - 1];

	tell("rpc", &(struct og_envelope){.type = OG_T_RPC_REPLY, .id = q->message_id}, body, q->reply_to);
}

static void on_answer(void *ctx, const json_t *answer, const char *type, const struct og_error *err)
{
	snprintf(error, sizeof(error), "%s", err ? err->message : json_string_value(json_object_get(answer, "is")));
	*(unsigned *)ctx += 1;
	(void)type;
}

/* ── tests ── */

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

Test(job, one_that_is_left_is_cancelled)
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

Test(job, one_that_is_left_before_its_confirm_is_cancelled_after_it)
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

Test(job, the_last_of_those_who_wait_here_leaves_for_all)
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

Test(job, who_left_one_that_waited_is_told_that_it_never_ran)
{
	open_rig();
	leave_told("{\"state\":\"cancelled\"}");
	UNTIL(told);
	cr_expect_eq(told, 'w');
	cr_expect_eq(ends, 0);
	close_rig();
}

Test(job, who_left_one_that_runs_is_told_so)
{
	open_rig();
	leave_told("{\"state\":\"cancelling\"}");
	UNTIL(told);
	cr_expect_eq(told, 'r');
	close_rig();
}

/* The scheduler says it to the reply key as well, and that may come first. */
Test(job, who_left_is_told_by_an_end_of_no_run)
{
	open_rig();
	leave_told(NULL);
	say_done("cancelled", 0, "{}");
	UNTIL(told);
	cr_expect_eq(told, 'w');
	cr_expect_eq(ends, 0);
	close_rig();
}

Test(job, who_left_is_told_by_an_end_of_a_run)
{
	open_rig();
	leave_told(NULL);
	say_done("cancelled", 1, "{}");
	UNTIL(told);
	cr_expect_eq(told, 'r');
	close_rig();
}

/* It was running when the first question came, whose answer is lost; the second finds its record. */
Test(job, what_is_asked_again_does_not_tell_that_it_never_ran)
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

Test(job, what_the_broker_did_not_take_never_ran)
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

Test(job, who_left_is_told_when_the_line_closes)
{
	open_rig();
	leave_told(NULL);
	close_rig();
	cr_expect_eq(told, 'r');
}

Test(job, one_that_yields_is_left_and_followed_to_its_end)
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

Test(job, who_comes_back_within_the_grace_keeps_it)
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
