/* A scheduler on the broker and the Redis in memory, one producer (tenant "a") and one worker of tier "small" with 2
 * slots. */
#ifndef OG_TESTS_SCHEDULER_SHELL_RIG_H
#define OG_TESTS_SCHEDULER_SHELL_RIG_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/amqp_memory.h"
#include "shell/scheduler.h"

#define PRODUCER "producer-a"
#define REPLY    PRODUCER "~0123456789abcdef0123456789abcdef"
#define KEPT     256

struct client { /* a connection and what came to it, unacked */
	struct og_amqp *amqp;
	struct og_message *got[KEPT];
	uint64_t epochs[KEPT];
	size_t n;
};

struct rig {
	uv_loop_t loop;
	struct og_settings settings;
	struct og_catalogue *catalogue;
	struct og_topology *topology;
	struct og_memory_broker *broker;
	struct og_redis *redis;
	struct og_scheduler *scheduler;
	struct client producer, worker;
	unsigned window, slots;
	bool paused;         /* what its worker says */
	char said[KEPT][16]; /* to Redis: the name of each command, script or move */
	size_t n_said;
	size_t n_calls;          /* of `move` */
	const char *fails;       /* the script that Redis cannot execute now */
	const char *accept;      /* what `accept` answers */
	void (*on_accept)(void); /* what happens before its answer is read; NULL: nothing */
	int64_t finish;          /* what `finish` answers */
	int64_t open;            /* how many open jobs `claim` finds */
	bool forgot;             /* its epoch is gone, until it is claimed again */
	const char *answer;      /* the body of what the worker ends as done */
	const char *owner;       /* the tenant of every record there is */
	char finished[16];       /* the state that `finish` was last told */
};

static struct rig rig;

static inline void on_client_message(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct client *c = ctx;

	cr_assert_lt(c->n, KEPT);
	c->epochs[c->n] = epoch;
	c->got[c->n++] = og_message_copy(m);
}

static inline int dial_amqp(
	void *ctx, const char *name, const struct og_amqp_events *events, struct og_amqp **ret, struct og_error *err)
{
	const struct og_amqp_config config = {.name = name, .window = rig.window};

	(void)ctx;
	(void)err;
	*ret = og_memory_broker_connect(rig.broker, "scheduler", &config, events);
	return 0;
}

static inline void note_said(const char *what)
{
	if (rig.n_said < KEPT)
		snprintf(rig.said[rig.n_said++], sizeof(rig.said[0]), "%s", what);
}

/* The moves of one call, each noted by its own name. */
static inline void answer_moves(int argc, const char *const *argv, struct og_redis_reply *ret)
{
	static struct og_redis_reply answers[KEPT];
	static const struct og_redis_reply *list[KEPT];
	size_t n = 0;

	rig.n_calls++;
	for (int at = 5; at < argc; at += 1 + (int)strtol(argv[at], NULL, 10), n++) {
		const char *move = argv[at + 1];

		note_said(move);
		answers[n] = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = 1};
		if (!strcmp(move, "finish")) {
			answers[n].integer = rig.finish;
			snprintf(rig.finished, sizeof(rig.finished), "%s", argv[at + 3]);
		}
		if (rig.fails && !strcmp(move, rig.fails))
			answers[n] = (struct og_redis_reply){.type = OG_REPLY_ERROR, .str = "BUSY not now"};
		list[n] = &answers[n];
	}
	*ret = (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = list, .n = n};
	if (rig.finish == -1) /* it knows a later leader: the call has changed nothing */
		*ret = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = -1};
}

/* Redis as it answers when all is well; what is asked is noted. */
static inline int redis_answer(void *ctx, int argc, const char *const *argv, const size_t *lens,
	struct og_redis_reply *ret, struct og_error *err)
{
	static struct og_redis_reply one, two, three, none = {.type = OG_REPLY_NIL};
	static const struct og_redis_reply *pair[] = {&one, &two, &three}, *nones[32];

	(void)ctx;
	(void)lens;
	if (!strcmp(argv[0], "move")) {
		answer_moves(argc, argv, ret);
		return 0;
	}
	note_said(argv[0]);
	if (rig.fails && !strcmp(argv[0], rig.fails))
		return og_fail(err, OG_RETRY, "not now");
	*ret = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = 1};
	if (!strcmp(argv[0], "GET") && rig.forgot)
		*ret = none;
	if (!strcmp(argv[0], "claim")) {
		rig.forgot = false;
		one = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = strtoll(argv[2], NULL, 10)};
		two = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = 1};
		three = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = rig.open};
		*ret = (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = pair, .n = 3};
	} else if (!strcmp(argv[0], "accept")) {
		one = (struct og_redis_reply){.type = OG_REPLY_STRING, .str = rig.accept, .len = strlen(rig.accept)};
		*ret = (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = pair, .n = 1};
		if (rig.on_accept)
			rig.on_accept();
	} else if (!strcmp(argv[0], "HMGET")) {
		for (int i = 0; i < argc - 2; i++)
			nones[i] = &none;
		if (rig.owner) {
			one = (struct og_redis_reply){
				.type = OG_REPLY_STRING, .str = rig.owner, .len = strlen(rig.owner)};
			for (int i = 0; i < argc - 2; i++)
				if (!strcmp(argv[i + 2], "tenant"))
					nones[i] = &one;
		}
		*ret = (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = nones, .n = (size_t)argc - 2};
	} else if (!strcmp(argv[0], "page") || !strcmp(argv[0], "jobs")) {
		*ret = (struct og_redis_reply){.type = OG_REPLY_ARRAY};
	}
	return 0;
}

static inline struct og_redis *dial_redis(void *ctx, const struct og_redis_events *events, struct og_error *err)
{
	const struct og_redis_memory memory = {.answer = redis_answer};

	(void)ctx;
	(void)err;
	return rig.redis = og_redis_memory_open(&rig.loop, &memory, events);
}

/* Runs the loop until `condition` holds; a test that hopes in vain fails. */
#define RUN_UNTIL(condition)                                                                                           \
	do {                                                                                                           \
		int64_t end_ = og_clock_mono_ms() + 30000;                                                             \
		while (!(condition) && og_clock_mono_ms() < end_)                                                      \
			uv_run(&rig.loop, UV_RUN_ONCE);                                                                \
		cr_assert(condition);                                                                                  \
	} while (0)

/* For what must not happen: long enough for two slow ticks. */
static inline void run_for(int64_t ms)
{
	int64_t end = og_clock_mono_ms() + ms;

	while (og_clock_mono_ms() < end)
		uv_run(&rig.loop, UV_RUN_ONCE);
}

static inline void open_client(struct client *c, const char *user)
{
	const struct og_amqp_config config = {.name = user, .window = 1000};
	const struct og_amqp_events none = {0};

	c->amqp = og_memory_broker_connect(rig.broker, user, &config, &none);
}

static inline void open_producer(void)
{
	struct og_queue q;
	struct og_binding b = {.exchange = OG_X_REPLIES};

	open_client(&rig.producer, PRODUCER);
	og_topology_reply_queue(REPLY, &rig.settings.limits, &q);
	snprintf(b.queue, sizeof(b.queue), "%s", q.name);
	snprintf(b.key, sizeof(b.key), "%s.*", REPLY);
	rig.producer.amqp->ops->recipe_queue(rig.producer.amqp, &q);
	rig.producer.amqp->ops->recipe_bind(rig.producer.amqp, &b);
	rig.producer.amqp->ops->recipe_consume(rig.producer.amqp, q.name, 0, 0, on_client_message, &rig.producer);
}

static inline void say_presence_as(bool node_queue, bool leaving)
{
	struct og_presence p = {.serve = true,
		.node_queue = node_queue,
		.leaving = leaving,
		.paused = rig.paused,
		.slots = rig.slots,
		.node_id = "00000000-1111-4000-8000-000000000000",
		.node_name = "NodeA",
		.instance = "00000000-2222-4000-8000-000000000000",
		.worker = "NodeA/small/1",
		.tier = "small"};
	og_autofree char *body = og_presence_encode(&p);
	const struct og_message m = {.exchange = OG_X_PRESENCE,
		.routing_key = "",
		.type = OG_T_PRESENCE,
		.user_id = "worker-a",
		.body = body,
		.body_len = strlen(body)};

	og_amqp_publish(rig.worker.amqp, &m, 0, NULL, NULL, NULL);
}

static inline void say_presence(void)
{
	say_presence_as(false, false);
}

static inline void open_worker(void)
{
	open_client(&rig.worker, "worker-a");
	rig.worker.amqp->ops->recipe_consume(rig.worker.amqp, "og.tier.small", 100, 0, on_client_message, &rig.worker);
	say_presence();
}

static inline const char *job_id(unsigned i)
{
	static char ids[8][OG_ID_LEN + 1];
	static unsigned turn;
	char *id = ids[turn++ % 8];

	snprintf(id, OG_ID_LEN + 1, "%08x-0000-4000-8000-000000000000", i);
	return id;
}

static inline void submit_as(unsigned i, const struct og_envelope *more)
{
	struct og_envelope e = *more;
	struct og_message m = {
		.exchange = OG_X_JOBS, .routing_key = OG_K_INTAKE, .user_id = PRODUCER, .body = "{}", .body_len = 2};

	e.type = OG_T_REQUEST;
	e.id = job_id(i);
	e.reply_to = REPLY;
	if (!e.tier)
		e.tier = "small";
	og_envelope_encode(&e, &m);
	cr_assert_eq(og_amqp_publish(rig.producer.amqp, &m, OG_PUBLISH_MANDATORY, NULL, NULL, NULL), 0);
}

static inline void submit(unsigned i)
{
	submit_as(i, &(struct og_envelope){0});
}

/* What the worker was given `n`th ends as done, says `user`, who writes by `c` and calls itself `name`; and is acked. */
static inline void finish_as(struct client *c, const char *user, const char *name, size_t n)
{
	const struct og_message *m = rig.worker.got[n];
	struct og_envelope work, done;
	char key[OG_KEY_MAX];
	struct og_message out = {.exchange = OG_X_REPLIES,
		.routing_key = key,
		.persistent = true,
		.user_id = user,
		.body = rig.answer,
		.body_len = strlen(rig.answer)};

	cr_assert_eq(og_envelope_decode(m, &work, NULL), 0);
	done = (struct og_envelope){.type = OG_T_RESPONSE,
		.id = work.id,
		.state = "done",
		.attempt = work.attempt,
		.lease = work.lease,
		.epoch = work.epoch,
		.worker = name};
	og_key_reply(work.reply_to, "done", key);
	og_envelope_encode(&done, &out);
	og_amqp_publish(c->amqp, &out, 0, NULL, NULL, NULL);
	og_amqp_ack(rig.worker.amqp, rig.worker.epochs[n], m->delivery_tag);
}

static inline void finish(size_t n)
{
	finish_as(&rig.worker, "worker-a", NULL, n);
}

/* What the worker was given `n`th is handed back by `user`, who writes by `c`, as `said` says it, over the placement's
 * own headers, and acked. */
static inline void hand_back_by(struct client *c, const char *user, size_t n, const struct og_envelope *said)
{
	struct og_message out = *rig.worker.got[n];
	struct og_envelope e;

	cr_assert_eq(og_envelope_decode(&out, &e, NULL), 0);
	e.error_type = said->error_type;
	e.reason = said->reason;
	e.node = said->node;
	e.worker = said->worker;
	if (said->lease)
		e.lease = said->lease;
	out.exchange = OG_X_RETRY;
	out.routing_key = OG_K_RETRY;
	out.user_id = user;
	og_envelope_encode(&e, &out);
	cr_assert_eq(og_amqp_publish(c->amqp, &out, OG_PUBLISH_MANDATORY, NULL, NULL, NULL), 0);
	og_amqp_ack(rig.worker.amqp, rig.worker.epochs[n], rig.worker.got[n]->delivery_tag);
}

static inline void hand_back_as(size_t n, const struct og_envelope *said)
{
	hand_back_by(&rig.worker, "worker-a", n, said);
}

static inline void hand_back(size_t n, const char *error)
{
	hand_back_as(n, &(struct og_envelope){.error_type = error,
				.reason = "in words",
				.node = "00000000-1111-4000-8000-000000000000",
				.worker = "NodeA/small/2"});
}

/* A question of the producer's about its job. */
static inline void ask(const char *verb, unsigned i)
{
	const struct og_envelope e = {.type = OG_T_RPC, .id = job_id(0xffff), .reply_to = REPLY, .verb = verb};
	char body[64];
	struct og_message m = {.exchange = OG_X_RPC, .routing_key = OG_K_RPC, .user_id = PRODUCER, .body = body};

	m.body_len = (size_t)snprintf(body, sizeof(body), "{\"id\":\"%s\"}", job_id(i));
	og_envelope_encode(&e, &m);
	og_amqp_publish(rig.producer.amqp, &m, 0, NULL, NULL, NULL);
}

/* The first of the producer's messages of this type about this job; NULL: none. */
static inline const struct og_message *told(unsigned i, const char *what)
{
	char key[OG_KEY_MAX];

	og_key_reply(REPLY, what, key);
	for (size_t n = 0; n < rig.producer.n; n++)
		if (rig.producer.got[n]->message_id && !strcmp(rig.producer.got[n]->message_id, job_id(i)) &&
			!strcmp(rig.producer.got[n]->routing_key, key))
			return rig.producer.got[n];
	return NULL;
}

static inline const char *end_of(unsigned i)
{
	const struct og_message *m = told(i, "done");

	return m ? og_message_header(m, "og-state")->text : "";
}

/* How often Redis was asked this, and where first (KEPT: never). */
static inline size_t times_said(const char *what, size_t *ret_first)
{
	size_t n = 0, first = KEPT;

	for (size_t i = rig.n_said; i-- > 0;) {
		if (!strcmp(rig.said[i], what)) {
			n++;
			first = i;
		}
	}
	if (ret_first)
		*ret_first = first;
	return n;
}

static inline bool is_reading(void)
{
	const struct og_term *t = rig.scheduler->term;

	return t && t->opened && t->intake.up && t->lanes[0].up && rig.scheduler->plan.nodes.tiers[0].workers == 1;
}

static inline void open_rig_with(unsigned window, unsigned slots, const struct og_topology_limits *limits)
{
	static const char text[] = "[tier small]\ncpu_cores = 1\nram_gib = 1\ndisk_gib = 1\n";
	struct og_scheduler_config config = {.settings = &rig.settings,
		.user = "scheduler",
		.lease_key = "0123456789abcdef0123456789abcdef",
		.lease_key_len = 32,
		.dialer = {.amqp = dial_amqp, .redis = dial_redis}};

	rig = (struct rig){
		.window = window, .slots = slots, .accept = "new", .finish = 1, .answer = "{\"text\":\"4\"}"};
	og_log_init("test", OG_LOG_ERROR);
	uv_loop_init(&rig.loop);
	og_config_defaults(og_settings_rows, og_settings_n_rows, &rig.settings);
	rig.settings.lookahead_percent = 0;
	if (limits)
		rig.settings.limits = *limits;
	cr_assert_eq(og_catalogue_parse(text, strlen(text), "test", &rig.catalogue, NULL), 0);
	rig.topology = og_topology_new(rig.catalogue, &rig.settings.limits);
	rig.broker = og_memory_broker_new(&rig.loop, rig.topology);
	config.catalogue = rig.catalogue;
	cr_assert_eq(og_scheduler_start(&rig.loop, &config, &rig.scheduler, NULL), 0);
	open_producer();
	RUN_UNTIL(rig.scheduler->presence_up);
	open_worker();
	RUN_UNTIL(is_reading());
}

static inline void open_rig(unsigned window, const struct og_topology_limits *limits)
{
	open_rig_with(window, 2, limits);
}

static inline void close_client(struct client *c)
{
	og_amqp_close(c->amqp, NULL, NULL);
	for (size_t i = 0; i < c->n; i++)
		free(c->got[i]);
}

static inline void close_rig(void)
{
	og_scheduler_stop(rig.scheduler);
	close_client(&rig.producer);
	close_client(&rig.worker);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	og_scheduler_free(rig.scheduler);
	og_memory_broker_free(rig.broker);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&rig.loop), 0);
	og_topology_free(rig.topology);
	free(rig.catalogue);
	og_config_done(og_settings_rows, og_settings_n_rows, &rig.settings);
}

#endif
