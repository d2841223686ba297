/* Clients of the broker in memory that note what they are told. */
#ifndef OG_TESTS_COMMON_IO_AMQP_MEMORY_RIG_H
#define OG_TESTS_COMMON_IO_AMQP_MEMORY_RIG_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/amqp_memory.h"

struct seen {
	unsigned up, down, cancelled, blocked, unblocked, writable, closed;
	uint64_t epoch;
	struct og_error why;
	unsigned settled[4];
	char order[64]; /* digits: the contexts in the order in which they settled */
	unsigned deliveries;
	uint64_t tags[64];
	char bodies[64][16];
	int64_t delivery_count;
	bool redelivered, ack;
	struct og_amqp *c;
};

static uv_loop_t loop;
static struct og_memory_broker *broker;

static inline void setup(void)
{
	uv_loop_init(&loop);
	broker = og_memory_broker_new(&loop, NULL);
}

static inline void run(void)
{
	uv_run(&loop, UV_RUN_DEFAULT);
}

static inline void teardown(void)
{
	run();
	og_memory_broker_free(broker);
	run();
	cr_assert_eq(uv_loop_close(&loop), 0);
}

static inline void on_up(void *ctx, uint64_t epoch)
{
	struct seen *s = ctx;

	s->up++;
	s->epoch = epoch;
}

static inline void on_down(void *ctx, const struct og_error *why)
{
	struct seen *s = ctx;

	s->down++;
	s->why = *why;
}

static inline void on_blocked(void *ctx, bool blocked, const char *reason)
{
	struct seen *s = ctx;

	(void)reason;
	s->blocked += blocked;
	s->unblocked += !blocked;
}

static inline void on_cancelled(void *ctx, const char *queue)
{
	struct seen *s = ctx;

	cr_assert_str_eq(queue, "q");
	s->cancelled++;
}

static inline void on_writable(void *ctx)
{
	((struct seen *)ctx)->writable++;
}

static inline void on_closed(void *ctx)
{
	((struct seen *)ctx)->closed++;
}

static inline struct og_amqp *client_with(struct seen *s, const char *user, unsigned window, bool republish)
{
	const struct og_amqp_events events = {
		.on_up = on_up,
		.on_down = on_down,
		.on_blocked = on_blocked,
		.on_cancelled = on_cancelled,
		.ctx = s,
	};
	const struct og_amqp_config config = {.window = window, .republish = republish};

	s->c = og_memory_broker_connect(broker, user, &config, &events);
	s->c->ops->on_writable(s->c, on_writable, s);
	return s->c;
}

static inline struct og_amqp *client(struct seen *s)
{
	return client_with(s, "worker-a", 100, true);
}

static inline void queue_with(struct og_amqp *c, const char *name, struct og_queue_args args, bool exclusive)
{
	struct og_queue q = {.args = args, .exclusive = exclusive, .durable = !exclusive};

	strcpy(q.name, name);
	c->ops->recipe_queue(c, &q);
}

static inline void on_settled(void *ctx, enum og_settled how)
{
	struct seen *s = ctx;

	s->settled[how]++;
}

static inline int publish_to(struct seen *s, const char *queue, const char *body, unsigned flags)
{
	const struct og_message m = {.routing_key = queue, .body = body, .body_len = strlen(body)};

	return og_amqp_publish(s->c, &m, flags, on_settled, s, NULL);
}

static inline void on_delivery(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct seen *s = ctx;
	const struct og_header *h = og_message_header(m, "x-delivery-count");

	s->tags[s->deliveries] = m->delivery_tag;
	memcpy(s->bodies[s->deliveries++], m->body, m->body_len);
	s->redelivered = m->redelivered;
	s->delivery_count = h ? h->number : 0;
	if (s->ack)
		og_amqp_ack(s->c, epoch, m->delivery_tag);
}

static inline void close_all(struct seen *a, struct seen *b)
{
	og_amqp_close(a->c, on_closed, a);
	if (b)
		og_amqp_close(b->c, on_closed, b);
	run();
	cr_assert_eq(a->closed, 1);
	cr_assert(!b || b->closed == 1);
}

#endif
