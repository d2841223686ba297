/* Consumers that stop, connections that are lost or closed. */
#include "common/io/amqp_memory_rig.h"

TestSuite(amqp_memory_life, .timeout = 60);

Test(amqp_memory_life, redelivers_with_a_count_after_a_drop, .init = setup, .fini = teardown)
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

Test(amqp_memory_life, cancel_requeues_nothing_that_is_held, .init = setup, .fini = teardown)
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

Test(amqp_memory_life, a_consumer_that_is_stopped_says_when_it_is, .init = setup, .fini = teardown)
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

static void on_delivery_close(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct seen *s = ctx;

	(void)m;
	(void)epoch;
	s->deliveries++;
	og_amqp_close(s->c, on_closed, s);
	cr_assert_eq(s->closed, 0, "never from inside the call");
}

Test(amqp_memory_life, close_from_a_callback_loses_what_waits, .init = setup, .fini = teardown)
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

Test(amqp_memory_life, a_close_waits_for_the_confirms, .init = setup, .fini = teardown)
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

Test(amqp_memory_life, a_close_does_not_wait_for_a_broker_that_is_blocked, .init = setup, .fini = teardown)
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

static void on_down_rename(void *ctx, const struct og_error *why)
{
	struct seen *s = ctx;

	on_down(ctx, why);
	s->c->ops->recipe_clear(s->c);
	queue_with(s->c, "fresh", (struct og_queue_args){0}, true);
	s->c->ops->recipe_consume(s->c, "fresh", 1, 0, on_delivery, s);
}

Test(amqp_memory_life, a_cleared_recipe_is_filled_anew, .init = setup, .fini = teardown)
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
