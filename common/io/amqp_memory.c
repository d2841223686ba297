#include "io/amqp_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "io/amqp_header.h"
#include "io/amqp_memory_broker.h"

/* the ops */

static struct og_memory_client *client_of(struct og_amqp *c)
{
	return (struct og_memory_client *)c;
}

static int memory_publish(struct og_amqp *amqp, const struct og_message *m, unsigned flags, og_settled_cb *cb,
	void *ctx, struct og_error *err)
{
	struct og_memory_client *c = client_of(amqp);
	struct og_message own = *m;

	if (c->closing)
		return og_fail(err, OG_RETRY, "the connection is being closed");
	if (og_message_sendable(m, c->user, err) < 0)
		return -1;
	own.user_id = c->user;
	if (og_window_add(&c->window, &own, flags & ~OG_PUBLISH_BUNDLE, cb, ctx) < 0)
		return og_fail(err, OG_BUSY, "%u publishes wait for their confirm", c->window.count);
	og_memory_post(c->b, (struct og_memory_task){.kind = OG_MEMORY_SEND, .c = c});
	return 0;
}

static void step_added(struct og_memory_client *c)
{
	og_memory_post(c->b, (struct og_memory_task){.kind = OG_MEMORY_STEPS, .c = c});
}

static void memory_exchange(struct og_amqp *amqp, const struct og_exchange *x)
{
	struct og_memory_client *c = client_of(amqp);

	og_recipe_add_exchange(&c->recipe, x);
	step_added(c);
}

static void memory_queue(struct og_amqp *amqp, const struct og_queue *q)
{
	struct og_memory_client *c = client_of(amqp);

	og_recipe_add_queue(&c->recipe, q);
	step_added(c);
}

static void memory_bind(struct og_amqp *amqp, const struct og_binding *b)
{
	struct og_memory_client *c = client_of(amqp);

	og_recipe_add_bind(&c->recipe, b);
	step_added(c);
}

static unsigned memory_consume(
	struct og_amqp *amqp, const char *queue, unsigned prefetch, int priority, og_delivery_cb *cb, void *ctx)
{
	struct og_memory_client *c = client_of(amqp);

	step_added(c);
	return og_recipe_add_consume(&c->recipe, queue, prefetch, priority, cb, ctx);
}

static void stop_consuming(struct og_memory_client *c, const struct og_step *s, unsigned consumer)
{
	struct og_stored_queue *q = s && c->up ? og_store_find(&c->b->store, s->consumer.queue) : NULL;

	if (q && og_memory_stop_consuming(q, c, consumer))
		og_memory_retire(c->b, q);
}

static void memory_cancel(struct og_amqp *amqp, unsigned consumer)
{
	struct og_memory_client *c = client_of(amqp);

	stop_consuming(c, og_recipe_drop_consumer(&c->recipe, consumer), consumer);
}

/* Nothing is ever on its way here: a delivery is made and told in one. */
static bool memory_stop(struct og_amqp *amqp, unsigned consumer, void (*cb)(void *ctx), void *ctx)
{
	struct og_memory_client *c = client_of(amqp);
	struct og_step *s;

	if (!c->up) {
		og_recipe_drop_consumer(&c->recipe, consumer);
		return false;
	}
	s = og_recipe_stop_consumer(&c->recipe, consumer, cb, ctx);
	if (!s)
		return false;
	stop_consuming(c, s, consumer);
	og_memory_post(
		c->b, (struct og_memory_task){.kind = OG_MEMORY_STOPPED, .c = c, .epoch = c->epoch, .tag = consumer});
	return true;
}

static void memory_clear(struct og_amqp *amqp)
{
	struct og_memory_client *c = client_of(amqp);

	while (c->recipe.consumers)
		memory_cancel(amqp, c->recipe.consumers->consumer.id);
	og_recipe_clear(&c->recipe);
}

static struct og_memory_held *held_of(struct og_memory_client *c, uint64_t epoch, uint64_t tag)
{
	struct og_memory_held *h = NULL;

	if (epoch == c->epoch && !c->closing)
		HASH_FIND(hh, c->held, &tag, sizeof(tag), h);
	return h;
}

static void memory_ack(struct og_amqp *amqp, uint64_t epoch, uint64_t tag)
{
	struct og_memory_client *c = client_of(amqp);
	struct og_memory_held *h = held_of(c, epoch, tag);

	if (h)
		og_memory_forget(c, h);
}

static void memory_reject(struct og_amqp *amqp, uint64_t epoch, uint64_t tag, bool requeue)
{
	struct og_memory_client *c = client_of(amqp);
	struct og_memory_held *h = held_of(c, epoch, tag);

	if (h && requeue)
		og_memory_requeue(c, h);
	else if (h)
		og_memory_forget(c, h);
}

static void memory_on_writable(struct og_amqp *amqp, void (*cb)(void *ctx), void *ctx)
{
	client_of(amqp)->on_writable = cb;
	client_of(amqp)->writable_ctx = ctx;
}

static unsigned memory_in_flight(struct og_amqp *amqp)
{
	return client_of(amqp)->window.count;
}

static bool memory_is_up(struct og_amqp *amqp)
{
	return client_of(amqp)->up && !client_of(amqp)->closing;
}

static const char *memory_endpoint(struct og_amqp *amqp)
{
	(void)amqp;
	return "memory";
}

static uint64_t memory_oversized(struct og_amqp *amqp)
{
	(void)amqp;
	return 0; /* its publish lets none in */
}

/* What it holds and owns goes back with the goodbye only, which waits for the confirms: see close_client. */
static void memory_close(struct og_amqp *amqp, void (*cb)(void *ctx), void *ctx)
{
	struct og_memory_client *c = client_of(amqp);

	if (c->closing)
		return;
	memory_clear(amqp);
	c->closing = true;
	c->on_closed = cb;
	c->closed_ctx = ctx;
	og_memory_post(c->b, (struct og_memory_task){.kind = OG_MEMORY_CLOSE, .c = c});
}

static const struct og_amqp_ops memory_ops = {
	.publish = memory_publish,
	.recipe_exchange = memory_exchange,
	.recipe_queue = memory_queue,
	.recipe_bind = memory_bind,
	.recipe_consume = memory_consume,
	.recipe_clear = memory_clear,
	.cancel = memory_cancel,
	.stop = memory_stop,
	.ack = memory_ack,
	.reject = memory_reject,
	.on_writable = memory_on_writable,
	.in_flight = memory_in_flight,
	.is_up = memory_is_up,
	.endpoint = memory_endpoint,
	.oversized = memory_oversized,
	.close = memory_close,
};

/* the broker */

struct og_memory_broker *og_memory_broker_new(uv_loop_t *loop, const struct og_topology *t)
{
	struct og_memory_broker *b = og_new(struct og_memory_broker);

	uv_idle_init(loop, &b->idle);
	b->idle.data = b;
	for (size_t i = 0; t && i < t->n_exchanges; i++)
		og_store_exchange(&b->store, t->exchanges[i].name, t->exchanges[i].type);
	for (size_t i = 0; t && i < t->n_queues; i++)
		og_store_queue(&b->store, &t->queues[i], NULL);
	for (size_t i = 0; t && i < t->n_bindings; i++)
		og_store_bind(&b->store, &t->bindings[i]);
	return b;
}

static void on_idle_closed(uv_handle_t *idle)
{
	free(idle->data);
}

void og_memory_broker_free(struct og_memory_broker *b)
{
	assert(!b->clients);
	og_memory_forget_tasks(&b->tasks, NULL, NULL);
	og_memory_forget_tasks(&b->held_confirms, NULL, NULL);
	og_store_done(&b->store);
	uv_close((uv_handle_t *)&b->idle, on_idle_closed);
}

struct og_amqp *og_memory_broker_connect(struct og_memory_broker *b, const char *user,
	const struct og_amqp_config *config, const struct og_amqp_events *events)
{
	struct og_memory_client *c = og_new(struct og_memory_client);

	c->base.ops = &memory_ops;
	c->b = b;
	c->user = og_strdup(user);
	c->events = *events;
	c->republish = config->republish;
	og_window_init(&c->window, config->window);
	DL_APPEND(b->clients, c);
	og_memory_connect_soon(c);
	return &c->base;
}

void og_memory_broker_drop(struct og_memory_broker *b, struct og_amqp *c)
{
	og_memory_post(b, (struct og_memory_task){.kind = OG_MEMORY_DROP, .c = client_of(c)});
}

void og_memory_broker_hold_confirms(struct og_memory_broker *b, bool hold)
{
	b->hold = hold;
	if (hold)
		return;
	DL_CONCAT(b->tasks, b->held_confirms);
	b->held_confirms = NULL;
	if (b->tasks)
		uv_idle_start(&b->idle, og_memory_run_tasks);
}

void og_memory_broker_block(struct og_memory_broker *b, bool blocked)
{
	struct og_memory_client *c;

	b->blocked = blocked;
	DL_FOREACH(b->clients, c)
	{
		if (!c->up)
			continue;
		og_memory_post(b, (struct og_memory_task){.kind = OG_MEMORY_BLOCKED, .c = c});
		og_memory_post(b, (struct og_memory_task){.kind = OG_MEMORY_SEND, .c = c});
	}
}

void og_memory_broker_delete(struct og_memory_broker *b, const char *queue)
{
	struct og_stored_queue *q = og_store_find(&b->store, queue);

	if (q)
		og_memory_post(b, (struct og_memory_task){.kind = OG_MEMORY_DELETE, .q = q});
}

size_t og_memory_broker_ready(struct og_memory_broker *b, const char *queue)
{
	const struct og_stored_queue *q = og_store_find(&b->store, queue);

	return q ? q->n_ready : 0;
}

size_t og_memory_broker_unacked(struct og_memory_broker *b, const char *queue)
{
	struct og_memory_client *c;
	size_t n = 0;

	DL_FOREACH(b->clients, c)
	{
		struct og_memory_held *h, *next;

		HASH_ITER(hh, c->held, h, next)
		{
			n += !strcmp(h->q->def.name, queue);
		}
	}
	return n;
}
