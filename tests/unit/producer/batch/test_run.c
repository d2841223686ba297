/* og_batch_run against a broker in memory and a scheduler-and-worker that each test scripts. */
#include "batch/run.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "io/amqp_memory.h"
#include "model/names.h"
#include "scratch.h"

/* What was freed is given back soon: memory is measured here. */
#define OG_TESTS_ASAN_OPTIONS "abort_on_error=1:quarantine_size_mb=1:malloc_context_size=2"
#include "leaks.h"

/* A run of many lines, and what it may hold at most, the broker in memory with it. The sanitizers make it slow and have
 * memory of their own. */
#ifdef OG_TESTS_ASAN
#define MANY     20000
#define MOST_MIB 200
#else
#define MANY     200000
#define MOST_MIB 64
#endif
#define FIRST (MANY / 10)

#define NEVER_MS 60000
#define ANSWER   "{\"text\":\"four\"}"

static uv_loop_t loop;
static struct og_memory_broker *broker;
static struct og_amqp *grid, *client;
static struct og_settings settings;
static struct og_topology *topology;
static unsigned requests, questions, answered;
static char last_id[OG_ID_LEN + 1], last_reply[OG_KEY_MAX];

/* What the other side does; each may be NULL. */
static void (*on_request)(const struct og_envelope *e, const struct og_message *m);
static void (*on_question)(const struct og_envelope *e, const char *job);

static void tell(const char *to, const char *what, struct og_envelope e, const char *body)
{
	char key[OG_KEY_MAX];
	struct og_message m = {.exchange = OG_X_REPLIES, .routing_key = key, .body = body, .body_len = strlen(body)};

	og_key_reply(to, what, key);
	og_envelope_encode(&e, &m);
	cr_assert_eq(og_amqp_publish(grid, &m, 0, NULL, NULL, NULL), 0);
}

static void end(const char *to, const char *id, const char *state, const char *body)
{
	answered++;
	tell(to, "done", (struct og_envelope){.type = OG_T_RESPONSE, .id = id, .state = state}, body);
}

static void script_answer(const struct og_envelope *e, const struct og_message *m)
{
	(void)m;
	end(e->reply_to, e->id, "done", ANSWER);
}

static void from_intake(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_envelope e;
	struct og_error err = {0};

	(void)ctx;
	cr_assert_eq(og_envelope_decode(m, &e, &err), 0, "%s", err.message);
	cr_assert(m->persistent && e.explicit_id && e.detach && !e.stream);
	requests++;
	snprintf(last_id, sizeof(last_id), "%s", e.id);
	snprintf(last_reply, sizeof(last_reply), "%s", e.reply_to);
	if (on_request)
		on_request(&e, m);
	og_amqp_ack(grid, epoch, m->delivery_tag);
}

static void from_rpc(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_envelope e;
	json_t *body;

	(void)ctx;
	cr_assert_eq(og_envelope_decode(m, &e, NULL), 0);
	body = json_loadb(m->body, m->body_len, 0, NULL);
	questions++;
	if (on_question)
		on_question(&e, json_string_value(json_object_get(body, "id")));
	json_decref(body);
	og_amqp_ack(grid, epoch, m->delivery_tag);
}

static struct og_amqp *dial(void *ctx, uv_loop_t *l, const struct og_session_config *config,
	const struct og_amqp_events *events, struct og_error *err)
{
	const struct og_amqp_config c = {.window = 16};

	(void)ctx, (void)l, (void)err;
	client = og_memory_broker_connect(broker, config->user, &c, events);
	return client;
}

static void setup(void)
{
	static char cluster[] = "test", endpoints[] = "nowhere:1", secrets[] = "/secrets";
	const struct og_amqp_config c = {.window = 4096, .republish = true};
	const struct og_amqp_events none = {0};
	og_autofree struct og_catalogue *catalogue = og_catalogue_default();

	scratch_init();
	settings = (struct og_settings){.cluster = cluster,
		.broker_endpoints = endpoints,
		.secrets = secrets,
		.limits = {.intake_max_jobs = 100, .intake_max_bytes = 1 << 20, .reply_max_bytes = 1 << 20}};
	topology = og_topology_new(catalogue, &settings.limits);
	uv_loop_init(&loop);
	broker = og_memory_broker_new(&loop, topology);
	grid = og_memory_broker_connect(broker, "scheduler", &c, &none);
	og_memory_broker_delete(broker, OG_Q_STATE); /* nobody reads it here, and it would fill up */
	grid->ops->recipe_consume(grid, OG_Q_INTAKE, 10, 0, from_intake, NULL);
	grid->ops->recipe_consume(grid, OG_Q_RPC, 10, 0, from_rpc, NULL);
	on_request = script_answer;
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
	scratch_fini();
}

TestSuite(batch_run, .init = setup, .fini = teardown, .timeout = 120);

static struct og_batch_times times = {.ask_ms = NEVER_MS, .capacity_ms = NEVER_MS, .report_ms = NEVER_MS};
static struct og_batch_counts counts;
static int64_t window = 8;
static int pipe_end = -1; /* the input, instead of the file "in" */

static enum og_exit batch(void)
{
	const struct og_session_config config = {
		.settings = &settings, .user = "producer", .connect_ms = NEVER_MS, .lost_ms = NEVER_MS, .dial = dial};
	og_autofree char *out = og_strdup(scratch_path("out")), *errors = og_strdup(scratch_path("errors"));
	struct og_batch_files files;
	struct og_batch b = {.ask.tenant = "default",
		.class_name = "batch",
		.window = window,
		.files = &files,
		.marks = og_marks_new()};
	struct og_screen screen;
	struct og_error err = {0};
	struct stat st = {0};
	enum og_exit exit;

	b.input = pipe_end >= 0 ? pipe_end : open(scratch_path("in"), O_RDONLY | O_CLOEXEC);
	cr_assert(b.input >= 0 && fstat(b.input, &st) == 0);
	b.size = S_ISREG(st.st_mode) ? st.st_size : 0;
	cr_assert_eq(og_batch_files_open(&files, out, errors, &st, b.marks, &err), 0, "%s", err.message);
	og_screen_init(&screen, false);
	exit = og_batch_run(&loop, &config, &b, &times, &screen, &counts);
	og_screen_done(&screen);
	og_batch_files_close(&files);
	og_marks_free(b.marks);
	close(b.input);
	return exit;
}

static void add_line(FILE *f, const char *custom_id)
{
	fprintf(f,
		"{\"custom_id\":\"%s\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\","
		"\"body\":{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}}\n",
		custom_id, custom_id);
}

static void write_lines(unsigned from, unsigned to)
{
	FILE *f = fopen(scratch_path("in"), "ae");
	char id[32];

	for (unsigned i = from; i < to; i++) {
		snprintf(id, sizeof(id), "r%u", i);
		add_line(f, id);
	}
	fclose(f);
}

static void write_text(const char *text)
{
	FILE *f = fopen(scratch_path("in"), "ae");

	fputs(text, f);
	fclose(f);
}

/* How many lines of the file hold `what`. */
static unsigned count(const char *name, const char *what)
{
	char *text, *at;
	unsigned n = 0;

	cr_assert_eq(og_file_read(scratch_path(name), 256 << 20, &text, NULL, NULL), 0);
	for (at = text; (at = strstr(at, what)); at = strchr(at, '\n'))
		n++;
	free(text);
	return n;
}

Test(batch_run, each_line_has_its_answer_once)
{
	write_lines(0, 100);
	write_text("\n  \r\n");
	write_lines(100, 200);
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	cr_assert(counts.lines == 200 && counts.answered == 200 && !counts.failed && !counts.skipped);
	cr_assert_eq(requests, 200);
	cr_assert_eq(count("out", "\"custom_id\":\"r"), 200);
	cr_assert_eq(count("out", "\"custom_id\":\"r137\""), 1);
	cr_assert_eq(count("out", "\"content\":\"four\""), 200);
	cr_assert_eq(count("errors", "\n"), 0);
}

Test(batch_run, what_is_answered_is_not_asked_again)
{
	write_lines(0, 50);
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	client = NULL;
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	cr_assert_null(client, "where nothing is missing nobody is called");
	cr_assert_eq(requests, 50);
	write_lines(50, 60);
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	cr_assert(counts.skipped == 50 && counts.answered == 10);
	cr_assert_eq(requests, 60);
	cr_assert_eq(count("out", "custom_id"), 60);
}

static void script_engine_error(const struct og_envelope *e, const struct og_message *m)
{
	if (memmem(m->body, m->body_len, "\"r7\"", 4))
		end(e->reply_to, e->id, "failed", "{\"error\":{\"type\":\"engine_error\",\"message\":\"no\"}}");
	else
		script_answer(e, m);
}

Test(batch_run, each_line_that_fails_fails_alone_and_by_its_number)
{
	static const char r7[] = "\"custom_id\":\"r7\",\"response\":null,"
				 "\"error\":{\"code\":\"engine_error\",\"message\":\"no\"},\"line\":8}";
	static const char *const wanted[] = {
		r7,
		"\"custom_id\":null,\"response\":null,\"error\":{\"code\":\"invalid_request\"",
		"\"line\":11}",
		"\"custom_id\":\"r3\",\"response\":null,\"error\":{\"code\":\"duplicate_custom_id\"",
		"\"line\":12}",
	};

	on_request = script_engine_error;
	write_lines(0, 10);
	write_text("{oops\n");
	write_lines(3, 4);
	write_lines(10, 20);
	for (int again = 0; again < 3; again++) {
		cr_assert_eq(batch(), OG_EXIT_FAILED);
		cr_assert_eq(count("errors", "\"response\":null"), 3, "again %d", again);
		for (size_t i = 0; i < OG_COUNT(wanted); i++)
			cr_assert_eq(count("errors", wanted[i]), 1, "%s", wanted[i]);
		cr_assert_eq(count("out", "custom_id"), 19);
	}
	cr_assert_eq(requests, 20);
}

static unsigned refusals;

static void script_busy_first(const struct og_envelope *e, const struct og_message *m)
{
	if (requests <= 3 && ++refusals)
		end(e->reply_to, e->id, "busy",
			"{\"error\":{\"type\":\"busy\",\"message\":\"9 waiting, try in 0 s\"}}");
	else
		script_answer(e, m);
}

Test(batch_run, busy_is_tried_again)
{
	on_request = script_busy_first;
	write_lines(0, 20);
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	cr_assert_eq(refusals, 3);
	cr_assert_eq(requests, 23);
	cr_assert_eq(count("out", "custom_id"), 20);
}

static void script_no_capacity(const struct og_envelope *e, const struct og_message *m)
{
	(void)m;
	end(e->reply_to, e->id, "no_capacity", "{\"error\":{\"type\":\"no_capacity\",\"message\":\"nobody\"}}");
}

Test(batch_run, a_tier_that_nobody_serves_has_a_bound)
{
	on_request = script_no_capacity;
	times.capacity_ms = 1;
	write_lines(0, 2);
	cr_assert_eq(batch(), OG_EXIT_FAILED);
	cr_assert_geq(requests, 3);
	cr_assert_eq(count("errors", "\"code\":\"no_capacity\""), 2);
}

static void script_cut_once(const struct og_envelope *e, const struct og_message *m)
{
	if (requests == 4)
		og_memory_broker_drop(broker, client);
	else if (requests > 4)
		script_answer(e, m);
}

Test(batch_run, after_a_lost_connection_the_same_ids_are_asked_for)
{
	on_request = script_cut_once;
	write_lines(0, 30);
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	cr_assert_gt(requests, 30);
	cr_assert_eq(count("out", "custom_id"), 30);
}

static void answer_result(const struct og_envelope *e, const char *job)
{
	(void)job;
	tell(e->reply_to, "rpc", (struct og_envelope){.type = OG_T_RPC_REPLY, .id = e->id},
		questions == 1 ? "{\"state\":\"running\"}" : "{\"state\":\"done\",\"result\":" ANSWER "}");
}

Test(batch_run, what_is_not_heard_of_is_asked_for)
{
	on_request = NULL;
	on_question = answer_result;
	times.ask_ms = 1;
	write_lines(0, 1);
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	cr_assert_geq(questions, 2);
	cr_assert_eq(count("out", "custom_id"), 1);
}

static void answer_unknown(const struct og_envelope *e, const char *job)
{
	(void)job;
	on_request = script_answer;
	tell(e->reply_to, "rpc", (struct og_envelope){.type = OG_T_RPC_REPLY, .id = e->id},
		"{\"error\":{\"type\":\"not_found\",\"message\":\"no such job\"}}");
}

Test(batch_run, what_nobody_knows_goes_out_again)
{
	on_request = NULL;
	on_question = answer_unknown;
	times.ask_ms = 1;
	write_lines(0, 1);
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	cr_assert_eq(requests, 2);
}

static void script_stop(const struct og_envelope *e, const struct og_message *m)
{
	if (requests == 5)
		raise(SIGINT);
	script_answer(e, m);
}

Test(batch_run, ctrl_c_waits_for_what_is_on_its_way_and_the_next_run_goes_on)
{
	unsigned before;

	on_request = script_stop;
	write_lines(0, 1000);
	cr_assert_eq(batch(), OG_EXIT_INTERRUPTED);
	before = requests;
	cr_assert_lt(before, 1000);
	cr_assert_eq(count("out", "custom_id"), before, "all that was on its way");
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	cr_assert_eq(requests, 1000);
	cr_assert_eq(count("out", "custom_id"), 1000);
}

static void script_stop_twice(const struct og_envelope *e, const struct og_message *m)
{
	(void)e, (void)m;
	if (requests == 5)
		raise(SIGINT);
	if (requests == 6)
		raise(SIGINT);
}

Test(batch_run, a_second_ctrl_c_leaves_at_once)
{
	on_request = script_stop_twice;
	write_lines(0, 1000);
	cr_assert_eq(batch(), OG_EXIT_INTERRUPTED);
	cr_assert_eq(count("out", "\n"), 0);
	on_request = script_answer;
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	cr_assert_eq(count("out", "custom_id"), 1000);
}

/* The writer of the pipe goes on when what it wrote was answered. */
static int writer;

static void script_pipe(const struct og_envelope *e, const struct og_message *m)
{
	FILE *f;

	script_answer(e, m);
	if (requests == 1) {
		f = fdopen(writer, "w");
		add_line(f, "second");
		fclose(f);
	}
}

Test(batch_run, a_pipe_is_read_as_it_comes)
{
	static const char first[] =
		"{\"custom_id\":\"first\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"x\"}}\n";
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	pipe_end = ends[0];
	writer = ends[1];
	cr_assert_eq(write(writer, first, sizeof(first) - 1), (ssize_t)sizeof(first) - 1);
	on_request = script_pipe;
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	cr_assert_eq(requests, 2);
	cr_assert_eq(count("out", "custom_id"), 2);
}

Test(batch_run, a_full_intake_is_waited_out)
{
	window = 300; /* above its 100 */
	write_lines(0, 1000);
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	cr_assert_eq(count("out", "custom_id"), 1000);
}

/* The most that this process ever held, in MiB. */
static int64_t most_mib(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return used.ru_maxrss / 1024;
}

Test(batch_run, many_lines_in_constant_memory)
{
	int64_t first;

	window = 64;
	write_lines(0, FIRST);
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	first = most_mib();
	write_lines(FIRST, MANY);
	cr_assert_eq(batch(), OG_EXIT_ANSWERED);
	cr_assert_eq(requests, MANY);
	cr_assert(counts.lines == MANY && counts.skipped == FIRST && counts.answered == MANY - FIRST);
	cr_assert_leq(most_mib(), MOST_MIB, "%" PRId64 " MiB", most_mib());
	cr_assert_leq(most_mib() - first, 16, "%" PRId64 " MiB, %" PRId64 " after the first lines", most_mib(), first);
}
