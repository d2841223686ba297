/* What og_follow's tests stand on: a broker in memory, and the other side, which each test scripts. To be included once by each
 * test file. */
#ifndef OG_TESTS_FOLLOW_RIG_H
#define OG_TESTS_FOLLOW_RIG_H

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "follow.h"
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

static inline void ended(const char *state, const char *type)
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

#endif
