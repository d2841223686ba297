#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/amqp_memory.h"
#include "io/amqp_memory_store.h"

TestSuite(amqp_memory, .timeout = 60);

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

static void setup(void)
{
	uv_loop_init(&loop);
	broker = og_memory_broker_new(&loop, NULL);
}

static void run(void)
{
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void teardown(void)
{
	run();
	og_memory_broker_free(broker);
	run();
	cr_assert_eq(uv_loop_close(&loop), 0);
}

static void on_up(void *ctx, uint64_t epoch)
{
	struct seen *s = ctx;

	s->up++;
	s->epoch = epoch;
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct seen *s = ctx;

	s->down++;
	s->why = *why;
}

static void on_blocked(void *ctx, bool blocked, const char *reason)
{
	struct seen *s = ctx;

	(void)reason;
	s->blocked += blocked;
	s->unblocked += !blocked;
}

static void on_cancelled(void *ctx, const char *queue)
{
	struct seen *s = ctx;

	cr_assert_str_eq(queue, "q");
	s->cancelled++;
}

static void on_writable(void *ctx)
{
	((struct seen *)ctx)->writable++;
}

static void on_closed(void *ctx)
{
	((struct seen *)ctx)->closed++;
}

static struct og_amqp *client_with(struct seen *s, const char *user, unsigned window, bool republish)
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

static struct og_amqp *client(struct seen *s)
{
	return client_with(s, "worker-a", 100, true);
}

static void queue_with(struct og_amqp *c, const char *name, struct og_queue_args args, bool exclusive)
{
	struct og_queue q = {.args = args, .exclusive = exclusive, .durable = !exclusive};

	strcpy(q.name, name);
	c->ops->recipe_queue(c, &q);
}

static void on_settled(void *ctx, enum og_settled how)
{
	struct seen *s = ctx;

	s->settled[how]++;
}

static int publish_to(struct seen *s, const char *queue, const char *body, unsigned flags)
{
	const struct og_message m = {.routing_key = queue, .body = body, .body_len = strlen(body)};

	return og_amqp_publish(s->c, &m, flags, on_settled, s, NULL);
}

static void on_delivery(void *ctx, const struct og_message *m, uint64_t epoch)
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

static void close_all(struct seen *a, struct seen *b)
{
	og_amqp_close(a->c, on_closed, a);
	if (b)
		og_amqp_close(b->c, on_closed, b);
	run();
	cr_assert_eq(a->closed, 1);
	cr_assert(!b || b->closed == 1);
}

Test(amqp_memory, delivers_in_order_within_the_prefetch, .init = setup, .fini = teardown)
{
	struct seen s = {0};
	struct og_amqp *c = client(&s);

	queue_with(c, "q", (struct og_queue_args){0}, false);
	c->ops->recipe_consume(c, "q", 2, 0, on_delivery, &s);
	cr_assert_eq(publish_to(&s, "q", "1", 0), 0);
	cr_assert_eq(publish_to(&s, "q", "2", 0), 0);
	cr_assert_eq(publish_to(&s, "q", "3", 0), 0);
	cr_assert_eq(s.deliveries + s.settled[OG_CONFIRMED], 0, "nothing happens inside the call");
	run();
	cr_assert_eq(s.up, 1);
	cr_assert_eq(s.settled[OG_CONFIRMED], 3);
	cr_assert_eq(s.deliveries, 2);
	cr_assert_str_eq(s.bodies[1], "2");
	cr_assert_eq(og_memory_broker_ready(broker, "q"), 1);
	cr_assert_eq(og_memory_broker_unacked(broker, "q"), 2);
	og_amqp_ack(c, s.epoch, s.tags[0]);
	run();
	cr_assert_eq(s.deliveries, 3);
	close_all(&s, NULL);
	cr_assert_eq(og_memory_broker_ready(broker, "q"), 2);
}

Test(amqp_memory, redelivers_with_a_count_after_a_drop, .init = setup, .fini = teardown)
{
	struct seen s = {0};
	struct og_amqp *c = client(&s);

	queue_with(c, "q", (struct og_queue_args){.quorum = true}, false);
	c->ops->recipe_consume(c, "q", 0, 0, on_delivery, &s);
	publish_to(&s, "q", "1", 0);
	run();
	cr_assert(!s.redelivered);
	og_memory_broker_drop(broker, c);
	run();
	cr_assert_eq(s.down, 1);
	cr_assert_eq(s.why.kind, OG_RETRY);
	cr_assert_eq(s.epoch, 2);
	cr_assert_eq(s.deliveries, 2);
	cr_assert(s.redelivered);
	cr_assert_eq(s.delivery_count, 1);
	og_amqp_ack(c, 1, s.tags[0]); /* of the old epoch: changes nothing */
	cr_assert_eq(og_memory_broker_unacked(broker, "q"), 1);
	og_amqp_reject(c, 2, s.tags[1], false);
	cr_assert_eq(og_memory_broker_unacked(broker, "q") + og_memory_broker_ready(broker, "q"), 0);
	close_all(&s, NULL);
}

Test(amqp_memory, refuses_when_full_and_returns_when_unroutable, .init = setup, .fini = teardown)
{
	struct seen s = {0};
	struct og_amqp *c = client(&s);

	queue_with(c, "q", (struct og_queue_args){.max_length = 1, .reject_publish = true}, false);
	queue_with(c, "head", (struct og_queue_args){.max_length = 1}, false);
	run();
	publish_to(&s, "q", "1", 0);
	publish_to(&s, "q", "2", 0);
	publish_to(&s, "head", "1", 0);
	publish_to(&s, "head", "2", 0);
	publish_to(&s, "nowhere", "3", OG_PUBLISH_MANDATORY);
	publish_to(&s, "nowhere", "4", 0);
	run();
	cr_assert_eq(s.settled[OG_NACKED], 1);
	cr_assert_eq(s.settled[OG_RETURNED], 1);
	cr_assert_eq(s.settled[OG_CONFIRMED], 4);
	cr_assert_eq(og_memory_broker_ready(broker, "head"), 1);
	close_all(&s, NULL);
}

Test(amqp_memory, exclusive_queue_is_a_lock, .init = setup, .fini = teardown)
{
	struct seen a = {0}, b = {0};

	queue_with(client(&a), "lock", (struct og_queue_args){0}, true);
	queue_with(client(&b), "lock", (struct og_queue_args){0}, true);
	run();
	cr_assert_eq(a.up, 1);
	cr_assert_eq(b.up, 0);
	cr_assert_eq(b.down, 1);
	cr_assert_eq(b.why.kind, OG_BUSY);
	og_amqp_close(a.c, on_closed, &a);
	run();
	cr_assert_eq(b.up, 1);
	og_amqp_close(b.c, on_closed, &b);
	run();
}

Test(amqp_memory, window_blocks_and_opens_again, .init = setup, .fini = teardown)
{
	struct seen s = {0};
	struct og_error err = {0};
	const struct og_message m = {.routing_key = "q"};

	client_with(&s, "worker-a", 2, true);
	queue_with(s.c, "q", (struct og_queue_args){0}, false);
	og_memory_broker_block(broker, true);
	run();
	cr_assert_eq(s.blocked, 1);
	publish_to(&s, "q", "1", 0);
	publish_to(&s, "q", "2", 0);
	cr_assert_eq(og_amqp_publish(s.c, &m, 0, NULL, NULL, &err), -1);
	cr_assert_eq(err.kind, OG_BUSY);
	run();
	cr_assert_eq(s.settled[OG_CONFIRMED], 0);
	og_memory_broker_block(broker, false);
	run();
	cr_assert_eq(s.unblocked, 1);
	cr_assert_eq(s.settled[OG_CONFIRMED], 2);
	cr_assert_eq(s.writable, 1);
	close_all(&s, NULL);
}

Test(amqp_memory, held_confirms_are_republished_or_lost, .init = setup, .fini = teardown)
{
	struct seen a = {0}, b = {0};

	client_with(&a, "worker-a", 10, true);
	client_with(&b, "worker-b", 10, false);
	queue_with(a.c, "q", (struct og_queue_args){0}, false);
	run();
	og_memory_broker_hold_confirms(broker, true);
	publish_to(&a, "q", "1", 0);
	publish_to(&b, "q", "2", 0);
	run();
	cr_assert_eq(og_memory_broker_ready(broker, "q"), 2);
	cr_assert_eq(a.c->ops->in_flight(a.c), 1);
	og_memory_broker_drop(broker, a.c);
	og_memory_broker_drop(broker, b.c);
	run();
	cr_assert_eq(og_memory_broker_ready(broker, "q"), 3, "a published again, b did not");
	cr_assert_eq(b.settled[OG_LOST], 1);
	og_memory_broker_hold_confirms(broker, false);
	run();
	cr_assert_eq(a.settled[OG_CONFIRMED], 1);
	close_all(&a, &b);
}

struct numbered {
	struct seen *s;
	char digit;
};

static void on_numbered(void *ctx, enum og_settled how)
{
	struct numbered *n = ctx;
	size_t len = strlen(n->s->order);

	cr_assert_eq(how, OG_CONFIRMED);
	n->s->order[len] = n->digit;
}

Test(amqp_memory, held_confirms_come_in_reverse, .init = setup, .fini = teardown)
{
	struct seen s = {0};
	struct numbered n[3] = {{&s, '1'}, {&s, '2'}, {&s, '3'}};
	const struct og_message m = {.routing_key = "q"};

	client(&s);
	og_memory_broker_hold_confirms(broker, true);
	for (int i = 0; i < 3; i++)
		og_amqp_publish(s.c, &m, 0, on_numbered, &n[i], NULL);
	run();
	cr_assert_str_eq(s.order, "");
	og_memory_broker_hold_confirms(broker, false);
	run();
	cr_assert_str_eq(s.order, "321");
	close_all(&s, NULL);
}

Test(amqp_memory, deleted_queue_brings_its_consumer_back, .init = setup, .fini = teardown)
{
	struct seen s = {0};

	client(&s);
	queue_with(s.c, "q", (struct og_queue_args){0}, false);
	s.c->ops->recipe_consume(s.c, "q", 1, 0, on_delivery, &s);
	run();
	og_memory_broker_delete(broker, "q");
	run();
	cr_assert_eq(s.cancelled, 1);
	cr_assert_eq(s.down, 1);
	cr_assert_eq(s.up, 2);
	publish_to(&s, "q", "1", 0);
	run();
	cr_assert_eq(s.deliveries, 1);
	close_all(&s, NULL);
}

Test(amqp_memory, cancel_requeues_nothing_that_is_held, .init = setup, .fini = teardown)
{
	struct seen s = {0};
	unsigned id;

	client(&s);
	queue_with(s.c, "q", (struct og_queue_args){0}, false);
	id = s.c->ops->recipe_consume(s.c, "q", 1, 0, on_delivery, &s);
	publish_to(&s, "q", "1", 0);
	publish_to(&s, "q", "2", 0);
	run();
	s.c->ops->cancel(s.c, id);
	run();
	cr_assert_eq(og_memory_broker_unacked(broker, "q"), 1);
	cr_assert_eq(og_memory_broker_ready(broker, "q"), 1);
	og_amqp_ack(s.c, s.epoch, s.tags[0]);
	run();
	cr_assert_eq(s.deliveries, 1);
	close_all(&s, NULL);
}

static void on_stopped(void *ctx)
{
	++*(unsigned *)ctx;
}

Test(amqp_memory, a_consumer_that_is_stopped_says_when_it_is, .init = setup, .fini = teardown)
{
	struct seen s = {0};
	unsigned stopped = 0, id;

	client(&s);
	queue_with(s.c, "q", (struct og_queue_args){0}, false);
	id = s.c->ops->recipe_consume(s.c, "q", 1, 0, on_delivery, &s);
	cr_assert(!s.c->ops->stop(s.c, id, on_stopped, &stopped), "it is not connected yet");
	id = s.c->ops->recipe_consume(s.c, "q", 1, 0, on_delivery, &s);
	publish_to(&s, "q", "1", 0);
	publish_to(&s, "q", "2", 0);
	run();
	cr_assert(s.c->ops->stop(s.c, id, on_stopped, &stopped));
	cr_assert(!s.c->ops->stop(s.c, id, on_stopped, &stopped), "it is being stopped");
	cr_assert_eq(stopped, 0);
	run();
	cr_assert_eq(stopped, 1);
	og_amqp_ack(s.c, s.epoch, s.tags[0]);
	run();
	cr_assert_eq(s.deliveries, 1);
	id = s.c->ops->recipe_consume(s.c, "q", 1, 0, on_delivery, &s);
	run();
	cr_assert_eq(s.deliveries, 2);
	cr_assert(s.c->ops->stop(s.c, id, on_stopped, &stopped));
	og_memory_broker_drop(broker, s.c);
	run();
	cr_assert_leq(stopped, 2);
	cr_assert_eq(s.deliveries, 2, "it is not consumed again");
	close_all(&s, NULL);
}

Test(amqp_memory, prefers_the_consumer_of_higher_priority, .init = setup, .fini = teardown)
{
	struct seen low = {.ack = true}, high = {0};

	queue_with(client(&low), "q", (struct og_queue_args){0}, false);
	low.c->ops->recipe_consume(low.c, "q", 1, 0, on_delivery, &low);
	run();
	client(&high)->ops->recipe_consume(high.c, "q", 1, 5, on_delivery, &high);
	run();
	publish_to(&low, "q", "1", 0);
	publish_to(&low, "q", "2", 0);
	run();
	cr_assert_eq(high.deliveries, 1);
	cr_assert_eq(low.deliveries, 1);
	cr_assert_str_eq(high.bodies[0], "1");
	close_all(&low, &high);
}

static void on_delivery_close(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct seen *s = ctx;

	(void)m;
	(void)epoch;
	s->deliveries++;
	og_amqp_close(s->c, on_closed, s);
	cr_assert_eq(s->closed, 0, "never from inside the call");
}

Test(amqp_memory, close_from_a_callback_loses_what_waits, .init = setup, .fini = teardown)
{
	struct seen s = {0};

	client(&s);
	queue_with(s.c, "q", (struct og_queue_args){0}, false);
	run();
	og_memory_broker_hold_confirms(broker, true);
	publish_to(&s, "q", "1", 0);
	s.c->ops->recipe_consume(s.c, "q", 0, 0, on_delivery_close, &s);
	run();
	cr_assert_eq(s.closed, 1);
	cr_assert_eq(s.settled[OG_LOST], 1);
	cr_assert_eq(og_memory_broker_ready(broker, "q"), 1);
}

static void on_delivery_close_in_use(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct seen *s = ctx;

	on_delivery(ctx, m, epoch);
	publish_to(s, "other", "answer", 0);
	og_amqp_close(s->c, on_closed, s);
	og_amqp_ack(s->c, epoch, m->delivery_tag);
}

Test(amqp_memory, a_close_waits_for_the_confirms, .init = setup, .fini = teardown)
{
	struct seen s = {0};

	client(&s);
	queue_with(s.c, "q", (struct og_queue_args){0}, false);
	queue_with(s.c, "other", (struct og_queue_args){0}, false);
	s.c->ops->recipe_consume(s.c, "q", 0, 0, on_delivery_close_in_use, &s);
	run();
	publish_to(&s, "q", "1", 0);
	publish_to(&s, "q", "2", 0);
	run();
	cr_expect_eq(s.closed, 1);
	cr_expect_eq(s.settled[OG_CONFIRMED], 3);
	cr_expect_eq(og_memory_broker_ready(broker, "other"), 1);
	cr_expect_eq(s.deliveries, 1, "nothing is delivered any more");
	cr_expect_eq(og_memory_broker_ready(broker, "q"), 2, "an ack after the close does not count");
}

Test(amqp_memory, a_close_does_not_wait_for_a_broker_that_is_blocked, .init = setup, .fini = teardown)
{
	struct seen s = {0};

	client(&s);
	queue_with(s.c, "q", (struct og_queue_args){0}, false);
	run();
	og_memory_broker_block(broker, true);
	publish_to(&s, "q", "1", 0);
	close_all(&s, NULL);
	run();
	cr_expect_eq(s.settled[OG_LOST], 1);
	cr_expect_eq(og_memory_broker_ready(broker, "q"), 0);
}

Test(amqp_memory, refuses_a_foreign_user_id, .init = setup, .fini = teardown)
{
	struct seen s = {0};
	struct og_error err = {0};
	const struct og_message m = {.routing_key = "q", .user_id = "somebody"};

	client(&s);
	cr_assert_eq(og_amqp_publish(s.c, &m, 0, on_settled, &s, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	close_all(&s, NULL);
}

Test(amqp_memory, exchanges_of_each_kind, .init = setup, .fini = teardown)
{
	static const struct og_exchange exchanges[] = {
		{"direct", OG_EXCHANGE_DIRECT}, {"topic", OG_EXCHANGE_TOPIC}, {"fanout", OG_EXCHANGE_FANOUT}};
	struct seen s = {0};

	client(&s);
	queue_with(s.c, "q", (struct og_queue_args){0}, false);
	for (size_t i = 0; i < 3; i++) {
		struct og_binding b = {.queue = "q"};
		struct og_message hit = {.exchange = exchanges[i].name, .routing_key = "a.done"};
		struct og_message miss = {.exchange = exchanges[i].name, .routing_key = "a.chunk"};

		strcpy(b.exchange, exchanges[i].name);
		strcpy(b.key, i == 1 ? "*.done" : "a.done");
		s.c->ops->recipe_exchange(s.c, &exchanges[i]);
		s.c->ops->recipe_bind(s.c, &b);
		og_amqp_publish(s.c, &hit, OG_PUBLISH_MANDATORY, on_settled, &s, NULL);
		og_amqp_publish(s.c, &miss, OG_PUBLISH_MANDATORY, on_settled, &s, NULL);
	}
	run();
	cr_assert_eq(s.settled[OG_CONFIRMED], 4);
	cr_assert_eq(s.settled[OG_RETURNED], 2);
	cr_assert_eq(og_memory_broker_ready(broker, "q"), 4);
	close_all(&s, NULL);
}

static void auto_delete_queue(struct og_amqp *c)
{
	const struct og_queue q = {.name = "q", .auto_delete = true};

	c->ops->recipe_queue(c, &q);
}

Test(amqp_memory, auto_delete_queue_goes_with_its_last_consumer, .init = setup, .fini = teardown)
{
	struct seen s = {0}, other = {0};

	auto_delete_queue(client(&s));
	s.c->ops->recipe_consume(s.c, "q", 1, 0, on_delivery, &s);
	s.c->ops->recipe_consume(s.c, "q", 1, 0, on_delivery, &s);
	client(&other);
	run();
	publish_to(&other, "q", "1", OG_PUBLISH_MANDATORY);
	run();
	cr_assert_eq(other.settled[OG_CONFIRMED], 1);
	og_amqp_close(s.c, on_closed, &s);
	run();
	publish_to(&other, "q", "2", OG_PUBLISH_MANDATORY);
	run();
	cr_assert_eq(other.settled[OG_RETURNED], 1);
	close_all(&other, NULL);
}

static void on_down_rename(void *ctx, const struct og_error *why)
{
	struct seen *s = ctx;

	on_down(ctx, why);
	s->c->ops->recipe_clear(s->c);
	queue_with(s->c, "fresh", (struct og_queue_args){0}, true);
	s->c->ops->recipe_consume(s->c, "fresh", 1, 0, on_delivery, s);
}

Test(amqp_memory, a_cleared_recipe_is_filled_anew, .init = setup, .fini = teardown)
{
	struct seen s = {.ack = true};
	const struct og_amqp_events events = {.on_up = on_up, .on_down = on_down_rename, .ctx = &s};
	const struct og_amqp_config config = {.window = 10};

	s.c = og_memory_broker_connect(broker, "worker-a", &config, &events);
	queue_with(s.c, "stale", (struct og_queue_args){0}, true);
	s.c->ops->recipe_consume(s.c, "stale", 1, 0, on_delivery, &s);
	run();
	og_memory_broker_drop(broker, s.c);
	run();
	cr_assert_eq(s.up, 2);
	publish_to(&s, "stale", "1", OG_PUBLISH_MANDATORY);
	publish_to(&s, "fresh", "2", OG_PUBLISH_MANDATORY);
	run();
	cr_assert_eq(s.settled[OG_RETURNED], 1);
	cr_assert_eq(s.deliveries, 1);
	cr_assert_str_eq(s.bodies[0], "2");
	close_all(&s, NULL);
}

Test(amqp_memory, topic_patterns)
{
	cr_assert(og_topic_matches("a.*", "a.b"));
	cr_assert(!og_topic_matches("a.*", "a.b.c"));
	cr_assert(!og_topic_matches("a.*", "a"));
	cr_assert(og_topic_matches("*.done", "user~0123.done"));
	cr_assert(!og_topic_matches("*.done", "x.y.done"));
	cr_assert(og_topic_matches("#", "x.y.done"));
	cr_assert(og_topic_matches("x.#", "x"));
	cr_assert(og_topic_matches("x.#", "x.y.z"));
	cr_assert(og_topic_matches("#.done", "x.y.done"));
	cr_assert(!og_topic_matches("#.done", "x.done.y"));
	cr_assert(!og_topic_matches("ab", "a"));
}
