/* Jobs on the broker in memory; the test is the scheduler and the worker. */
#ifndef OG_TESTS_GATEWAY_JOB_RIG_H
#define OG_TESTS_GATEWAY_JOB_RIG_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "io/amqp_memory.h"
#include "job/job.h"
#include "model/names.h"

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

/* ── the rig ── */

static inline void take_submit(void *ctx, const struct og_message *m, uint64_t epoch)
{
	(void)ctx;
	submits[n_submits++] = og_message_copy(m);
	og_amqp_ack(cluster, epoch, m->delivery_tag);
}

static inline void take_question(void *ctx, const struct og_message *m, uint64_t epoch)
{
	(void)ctx;
	questions[n_questions++] = og_message_copy(m);
	og_amqp_ack(cluster, epoch, m->delivery_tag);
}

static inline struct og_amqp *dial(void *ctx, uv_loop_t *l, const struct og_session_config *config,
	const struct og_amqp_events *events, struct og_error *err)
{
	const struct og_amqp_config c = {.name = "gateway", .window = 100};

	(void)ctx;
	(void)l;
	(void)config;
	(void)err;
	return gateway = og_memory_broker_connect(broker, "gateway", &c, events);
}

static inline void on_state(void *ctx, bool is_up, const struct og_error *why)
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

static inline void open_rig(void)
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

static inline void close_rig(void)
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

static inline void on_chunk(void *ctx, const struct og_chunk_at *at, const char *data, size_t len)
{
	(void)ctx;
	last = *at;
	og_buf_add(&text, data, len);
}

static inline void on_accepted(void *ctx)
{
	(void)ctx;
	accepted++;
}

static inline void on_end(void *ctx, const struct og_job_end *end)
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

static inline struct og_job *submit(bool stream)
{
	const struct og_envelope e = {.type = OG_T_REQUEST, .id = ID, .tier = "small", .stream = stream};

	return og_job_submit(line, &e, "{}", 2, &sink, NULL);
}

/* ── the cluster ── */

static inline void tell(const char *what, const struct og_envelope *e, const char *body, const char *reply)
{
	char key[OG_KEY_MAX];
	struct og_message m = {.exchange = OG_X_REPLIES, .routing_key = key, .body = body, .body_len = strlen(body)};
	struct og_envelope own = *e;

	own.id = own.id ? own.id : ID;
	og_key_reply(reply, what, key);
	og_envelope_encode(&own, &m);
	og_amqp_publish(cluster, &m, 0, NULL, NULL, NULL);
}

static inline const char *reply_of(const struct og_message *m)
{
	return m->reply_to;
}

static inline void say_chunk(int64_t attempt, int64_t seq, const char *body)
{
	tell("chunk", &(struct og_envelope){.type = OG_T_CHUNK, .attempt = attempt, .seq = seq}, body,
		reply_of(n_questions ? questions[n_questions - 1] : submits[n_submits - 1]));
}

static inline void say_done(const char *how, int64_t attempt, const char *body)
{
	tell("done", &(struct og_envelope){.type = OG_T_RESPONSE, .state = how, .attempt = attempt}, body,
		reply_of(submits[n_submits - 1]));
}

static inline bool asked(const char *verb)
{
	const struct og_header *h = n_questions ? og_message_header(questions[n_questions - 1], "og-verb") : NULL;

	return h && !strcmp(h->text, verb);
}

static inline void say_answer(const char *body)
{
	const struct og_message *q = questions[n_questions - 1];

	tell("rpc", &(struct og_envelope){.type = OG_T_RPC_REPLY, .id = q->message_id}, body, q->reply_to);
}

static inline void on_answer(void *ctx, const json_t *answer, const char *type, const struct og_error *err)
{
	snprintf(error, sizeof(error), "%s", err ? err->message : json_string_value(json_object_get(answer, "is")));
	*(unsigned *)ctx += 1;
	(void)type;
}

#endif
