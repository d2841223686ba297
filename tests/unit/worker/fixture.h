/* A broker in memory with a worker's jobs on it, a producer that listens, and an engine whose every word is the
 * test's. */
#ifndef OG_TESTS_WORKER_FIXTURE_H
#define OG_TESTS_WORKER_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "io/amqp_memory.h"
#include "jobs.h"
#include "leaks.h"

#define REPLY  "producer~00000000000000000000000000000001"
#define LEASE  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID(n)  "00000000-0000-4000-8000-00000000000" #n
#define PROMPT "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define TIER   "og.tier.small"

struct fake_run {
	struct og_engine_sink sink;
	char id[OG_ID_LEN + 1], model[OG_NAME_MAX];
	struct fake_run *next, *prev;
};

struct heard {
	char key[OG_KEY_MAX], what[16], id[OG_ID_LEN + 1], body[512];
	struct og_envelope e; /* numbers only: its strings are gone */
	char state[16], error[32], lease[80], worker[64];
};

static struct {
	uv_loop_t loop;
	struct og_memory_broker *broker;
	struct og_topology *topology;
	struct og_amqp *in, *out, *producer, *scheduler;
	struct og_publisher publisher;
	struct og_jobs jobs;
	struct og_identity who;
	unsigned consumer;

	struct og_engine engine;
	struct fake_run *runs; /* those that the engine has now */
	unsigned started, cancelled;
	bool engine_fails;

	struct heard heard[256];
	size_t n_heard;
	struct og_message *retries[16]; /* what came to og.retry, as it came */
	size_t n_retries;
	enum og_fault ran[64];
	size_t n_ran;
} t;

static inline struct og_engine_run *fake_start(struct og_engine *e, const struct og_request *q, const char *model,
	const struct og_engine_sink *sink, struct og_error *err)
{
	struct fake_run *r = og_new(struct fake_run);

	(void)e;
	if (t.engine_fails) {
		free(r);
		og_fail(err, OG_INVALID, "no such URL");
		return NULL;
	}
	r->sink = *sink;
	snprintf(r->id, sizeof(r->id), "%s", q->id);
	snprintf(r->model, sizeof(r->model), "%s", model);
	DL_APPEND(t.runs, r);
	t.started++;
	return (struct og_engine_run *)r;
}

static inline void fake_cancel(struct og_engine *e, struct og_engine_run *run)
{
	struct fake_run *r = (struct fake_run *)run;

	(void)e;
	DL_DELETE(t.runs, r);
	free(r);
	t.cancelled++;
}

static const struct og_engine_ops fake_engine = {.kind = "fake", .start = fake_start, .cancel = fake_cancel};

static inline void turn(void)
{
	for (int i = 0; i < 50; i++)
		uv_run(&t.loop, UV_RUN_NOWAIT);
}

/* The engine sends an event; ends. */
static inline enum og_fault says(struct fake_run *r, const char *json)
{
	json_t *chunk = json_loads(json, 0, NULL);
	enum og_fault fault = r->sink.event(r->sink.ctx, chunk, json, strlen(json));

	json_decref(chunk);
	return fault;
}
#define TEXT(text) "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}"

static inline void ends(struct fake_run *r, enum og_fault fault, const char *words)
{
	struct og_engine_sink sink = r->sink;

	DL_DELETE(t.runs, r);
	free(r);
	sink.end(sink.ctx, fault, words);
	turn();
}

static inline void take(void *ctx, const struct og_message *m, uint64_t epoch)
{
	(void)ctx;
	og_jobs_take(&t.jobs, m, epoch, OG_FROM_TIER);
}

static inline void hear(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct heard *h = &t.heard[t.n_heard++];
	struct og_error err;

	(void)ctx;
	cr_assert_lt(t.n_heard, OG_COUNT(t.heard));
	cr_assert_eq(og_envelope_decode(m, &h->e, &err), 0, "%s", err.message);
	snprintf(h->key, sizeof(h->key), "%s", m->routing_key);
	snprintf(h->what, sizeof(h->what), "%s", strrchr(m->routing_key, '.') + 1);
	snprintf(h->id, sizeof(h->id), "%s", h->e.id);
	snprintf(h->body, sizeof(h->body), "%.*s", (int)m->body_len, (const char *)m->body);
	snprintf(h->state, sizeof(h->state), "%s", h->e.state ? h->e.state : "");
	snprintf(h->error, sizeof(h->error), "%s", h->e.error_type ? h->e.error_type : "");
	snprintf(h->lease, sizeof(h->lease), "%s", h->e.lease ? h->e.lease : "");
	snprintf(h->worker, sizeof(h->worker), "%s", h->e.worker ? h->e.worker : "");
	og_amqp_ack(t.producer, epoch, m->delivery_tag);
}

static inline void hear_retry(void *ctx, const struct og_message *m, uint64_t epoch)
{
	(void)ctx;
	cr_assert_lt(t.n_retries, OG_COUNT(t.retries));
	t.retries[t.n_retries++] = og_message_copy(m);
	og_amqp_ack(t.scheduler, epoch, m->delivery_tag);
}

static inline void on_ran(void *ctx, enum og_fault fault)
{
	(void)ctx;
	t.ran[t.n_ran++ % OG_COUNT(t.ran)] = fault;
}

static inline struct og_amqp *client_with(const char *user, unsigned window, const struct og_amqp_events *events)
{
	const struct og_amqp_config config = {.window = window, .republish = true};

	return og_memory_broker_connect(t.broker, user, &config, events);
}

static inline struct og_amqp *client(const char *user, unsigned window)
{
	const struct og_amqp_events none = {0};

	return client_with(user, window, &none);
}

static inline void setup_with(size_t slots, unsigned window)
{
	static const char rows[] = "[tier Small]\ncpu_cores = 1\nram_gib = 1\nvram_gib = 0\ndisk_gib = 1\n";
	const struct og_topology_limits limits = {.intake_max_jobs = 100, .lane_max_jobs = 100, .dead_max_jobs = 100};
	struct og_queue reply;
	struct og_binding binding = {.exchange = OG_X_REPLIES, .key = REPLY ".*"};
	struct og_catalogue *catalogue;
	struct og_error err;

	cr_assert_eq(og_catalogue_parse(rows, strlen(rows), "test", &catalogue, &err), 0, "%s", err.message);
	uv_loop_init(&t.loop);
	t.topology = og_topology_new(catalogue, &limits);
	free(catalogue);
	t.broker = og_memory_broker_new(&t.loop, t.topology);
	t.in = client("worker", 16);
	t.out = client("worker", window);
	t.producer = client("producer", 16);
	t.scheduler = client("scheduler", 1000);
	t.who = (struct og_identity){.node_id = "11111111-1111-4111-8111-111111111111",
		.node_name = "NodeA",
		.worker = "NodeA/Small/1",
		.tier = "Small",
		.engine_model = "small-engine"};
	t.engine.ops = &fake_engine;
	og_publisher_init(&t.publisher, t.out, &t.who);
	t.jobs = (struct og_jobs){
		.in = t.in, .out = &t.publisher, .engine = &t.engine, .who = &t.who, .slots = slots, .on_ran = on_ran};
	og_jobs_init(&t.jobs, &t.loop);
	og_topology_reply_queue(REPLY, &limits, &reply);
	snprintf(binding.queue, sizeof(binding.queue), "%s", reply.name);
	t.producer->ops->recipe_queue(t.producer, &reply);
	t.producer->ops->recipe_bind(t.producer, &binding);
	t.producer->ops->recipe_consume(t.producer, reply.name, 0, 0, hear, NULL);
	t.scheduler->ops->recipe_consume(t.scheduler, OG_Q_RETRY, 0, 0, hear_retry, NULL);
	t.consumer = t.in->ops->recipe_consume(t.in, TIER, (unsigned)slots, 0, take, NULL);
	turn();
}

static inline void setup(void)
{
	setup_with(2, 1000);
}

static inline void teardown(void)
{
	og_jobs_abort(&t.jobs);
	og_amqp_close(t.in, NULL, NULL);
	og_amqp_close(t.out, NULL, NULL);
	og_amqp_close(t.producer, NULL, NULL);
	og_amqp_close(t.scheduler, NULL, NULL);
	turn();
	og_jobs_done(&t.jobs);
	og_publisher_done(&t.publisher);
	og_memory_broker_free(t.broker);
	og_topology_free(t.topology);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	while (t.n_retries)
		free(t.retries[--t.n_retries]);
	cr_assert_eq(uv_loop_close(&t.loop), 0);
}

/* A request as a scheduler would place it. */
static inline struct og_envelope request(const char *id)
{
	return (struct og_envelope){.type = OG_T_REQUEST,
		.id = id,
		.reply_to = REPLY,
		.tier = "Small",
		.attempt = 1,
		.epoch = 42,
		.lease = LEASE,
		.stream = 1,
		.accepted_ms = og_clock_wall_ms()};
}

static inline void place(const struct og_envelope *e, const char *body)
{
	struct og_message m = {.exchange = OG_X_WORK,
		.routing_key = "small",
		.body = body,
		.body_len = strlen(body),
		.persistent = true};
	struct og_error err;

	og_envelope_encode(e, &m);
	cr_assert_eq(og_amqp_publish(t.scheduler, &m, OG_PUBLISH_MANDATORY, NULL, NULL, &err), 0, "%s", err.message);
	turn();
}

static inline void place_id(const char *id)
{
	struct og_envelope e = request(id);

	place(&e, PROMPT);
}

static inline const struct heard *last(void)
{
	cr_assert_gt(t.n_heard, 0, "nothing was heard");
	return &t.heard[t.n_heard - 1];
}

static inline const char *header(const struct og_message *m, const char *name)
{
	const struct og_header *h = og_message_header(m, name);

	return h && h->text ? h->text : "";
}

static inline int64_t number(const struct og_message *m, const char *name)
{
	const struct og_header *h = og_message_header(m, name);

	return h && !h->text ? h->number : 0;
}

/* The last one that came to og.retry. */
static inline const struct og_message *last_retry(void)
{
	cr_assert_gt(t.n_retries, 0, "nothing was handed back");
	return t.retries[t.n_retries - 1];
}

/* The delivery is acked and nothing is held any more. */
static inline void expect_rest(size_t dones)
{
	cr_assert_eq(og_memory_broker_ready(t.broker, TIER), 0);
	cr_assert_eq(og_memory_broker_unacked(t.broker, TIER), 0);
	cr_assert_eq(og_memory_broker_ready(t.broker, OG_Q_STATE), dones);
	cr_assert_eq(og_jobs_count(&t.jobs), 0);
	cr_assert_null(t.runs);
}

static inline void expect_failed(const char *state, const char *error, const char *words)
{
	cr_assert_str_eq(last()->what, "done");
	cr_assert_str_eq(last()->state, state);
	cr_assert_str_eq(last()->error, error);
	cr_assert(strstr(last()->body, words), "%s", last()->body);
	cr_assert(strstr(last()->body, error), "%s", last()->body);
	cr_assert_str_eq(last()->lease, LEASE);
	expect_rest(1);
}

/* Nobody is told: what happens now is the scheduler's. */
static inline void expect_handed_back(const char *error, const char *words)
{
	const struct og_message *m = last_retry();

	cr_assert_str_eq(m->type, OG_T_REQUEST);
	cr_assert_str_eq(header(m, "og-error"), error);
	cr_assert(strstr(header(m, "og-reason"), words), "%s", header(m, "og-reason"));
	cr_assert_str_eq(header(m, "og-lease"), LEASE);
	cr_assert_str_eq(header(m, "og-worker"), "NodeA/Small/1");
	cr_assert_eq(m->body_len, strlen(PROMPT));
	cr_assert_eq(memcmp(m->body, PROMPT, m->body_len), 0);
	for (size_t i = 0; i < t.n_heard; i++)
		cr_assert_str_neq(t.heard[i].what, "done");
	expect_rest(0);
}

static inline void finish(struct fake_run *r)
{
	says(r, TEXT("x"));
	ends(r, OG_FAULT_NONE, "");
}

#endif
