/* What the broker in memory does with what is published: queues, exchanges, confirms, who consumes. */
#include "common/io/amqp_memory_rig.h"

TestSuite(amqp_memory, .timeout = 60);

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
