/* All that happens is a task in one queue, run one by one from an idle handle: so no callback is ever called from inside a call,
 * the order is the same in every run, and a task needs to look after one client or queue only. */
#include "io/amqp_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "io/amqp_header.h"
#include "io/amqp_memory_store.h"
#include "io/amqp_recipe.h"
#include "io/amqp_window.h"

enum task_kind { CONNECT, STEPS, SEND, CONFIRM, DISPATCH, DELETE, DROP, BLOCKED, CLOSE };

struct task {
	enum task_kind kind;
	struct client *c;
	struct og_stored_queue *q;
	uint64_t epoch, tag;
	enum og_settled how;
	struct task *prev, *next;
};

/* A delivery that is not acked yet. */
struct held {
	uint64_t tag;
	struct og_stored_queue *q;
	struct og_stored *x;
	unsigned consumer;
	UT_hash_handle hh;
};

/* Of a queue, highest priority first; among equals the one that waited longest. */
struct consuming {
	struct client *c;
	unsigned id, prefetch, held;
	int priority;
	struct consuming *prev, *next;
};

struct client {
	struct og_amqp base;
	struct og_memory_broker *b;
	char *user;
	struct og_amqp_events events;
	bool republish, up, closing, connecting; /* connecting: its CONNECT is posted */
	uint64_t epoch, last_tag;
	struct og_recipe recipe;
	size_t steps_done;
	struct og_window window;
	struct held *held;
	void (*on_writable)(void *ctx);
	void *writable_ctx;
	void (*on_closed)(void *ctx);
	void *closed_ctx;
	struct client *prev, *next;
};

struct og_memory_broker {
	uv_idle_t idle;
	struct og_store store;
	struct client *clients;
	struct task *tasks, *held_confirms;
	bool hold, blocked;
};

static const struct og_amqp_ops memory_ops;

static void post(struct og_memory_broker *b, struct task t);

static struct client *client_of(struct og_amqp *c)
{
	return (struct client *)c;
}

/* Those of a client or of a queue; with neither, all. */
static void forget_tasks(struct task **list, const struct client *c, const struct og_stored_queue *q)
{
	struct task *t, *next;

	DL_FOREACH_SAFE(*list, t, next)
	{
		if ((c && t->c != c) || (q && t->q != q))
			continue;
		DL_DELETE(*list, t);
		free(t);
	}
}

/* queues and their consumers */

static void schedule(void *ctx, struct og_stored_queue *q)
{
	struct og_memory_broker *b = ctx;

	if (q->scheduled || !q->ready)
		return;
	q->scheduled = true;
	post(b, (struct task){.kind = DISPATCH, .q = q});
}

static struct consuming *find_consuming(struct og_stored_queue *q, const struct client *c, unsigned id)
{
	struct consuming *k = q->consumers;

	while (k && (k->c != c || k->id != id))
		k = k->next;
	return k;
}

static struct consuming *with_credit(struct og_stored_queue *q)
{
	struct consuming *k = q->consumers;

	while (k && k->prefetch && k->held >= k->prefetch)
		k = q->def.args.single_active_consumer ? NULL : k->next;
	return k;
}

static void add_consuming(struct og_stored_queue *q, struct consuming *k)
{
	struct consuming *head = q->consumers, *place = head;

	while (place && place->priority >= k->priority)
		place = place->next;
	if (place)
		DL_PREPEND_ELEM(head, place, k);
	else
		DL_APPEND(head, k);
	q->consumers = head;
}

static void take_consuming(struct og_stored_queue *q, struct consuming *k)
{
	struct consuming *head = q->consumers;

	DL_DELETE(head, k);
	q->consumers = head;
}

static struct held *take_held(struct client *c, struct held *h)
{
	struct consuming *k = find_consuming(h->q, c, h->consumer);

	HASH_DEL(c->held, h);
	if (k)
		k->held--;
	return h;
}

static void requeue_held(struct client *c, struct held *h)
{
	take_held(c, h);
	og_store_requeue(h->q, h->x);
	schedule(c->b, h->q);
	free(h);
}

static void connect_soon(struct client *c)
{
	if (c->up || c->connecting)
		return;
	c->connecting = true;
	post(c->b, (struct task){.kind = CONNECT, .c = c});
}

/* Something changed for which a client that is down may have waited: a lock, a queue of another's. */
static void wake_clients(struct og_memory_broker *b)
{
	struct client *c;

	DL_FOREACH(b->clients, c)
	{
		connect_soon(c);
	}
}

static void delete_queue(struct og_memory_broker *b, struct og_stored_queue *q)
{
	struct client *c;

	DL_FOREACH(b->clients, c)
	{
		struct held *h, *next;

		HASH_ITER(hh, c->held, h, next)
		{
			if (h->q != q)
				continue;
			HASH_DEL(c->held, h);
			og_stored_free(h->x);
			free(h);
		}
	}
	while (q->consumers) {
		struct consuming *k = q->consumers;

		take_consuming(q, k);
		free(k);
	}
	forget_tasks(&b->tasks, NULL, q);
	og_store_delete(&b->store, q);
	wake_clients(b);
}

static void stop_consuming(struct og_memory_broker *b, struct og_stored_queue *q, struct consuming *k)
{
	take_consuming(q, k);
	free(k);
	if (!q->consumers && q->def.auto_delete)
		delete_queue(b, q);
	else
		schedule(b, q);
}

static void dispatch(struct og_memory_broker *b, struct og_stored_queue *q)
{
	struct consuming *k = with_credit(q);
	const struct og_consumer *consumer;
	struct og_message m;
	struct client *c;
	struct held *h;

	q->scheduled = false;
	if (!k || !q->ready)
		return;
	c = k->c;
	consumer = og_recipe_consumer(&c->recipe, k->id);
	h = og_new(struct held);
	*h = (struct held){.tag = ++c->last_tag, .q = q, .x = og_store_pop(q), .consumer = k->id};
	HASH_ADD(hh, c->held, tag, sizeof(h->tag), h);
	k->held++;
	take_consuming(q, k);
	add_consuming(q, k);
	schedule(b, q);

	m = *h->x->m;
	m.delivery_tag = h->tag;
	m.redelivered = h->x->returned > 0;
	if (q->def.args.quorum && m.redelivered && m.n_headers < OG_MESSAGE_HEADERS_MAX)
		m.headers[m.n_headers++] = (struct og_header){.name = "x-delivery-count", .number = h->x->returned};
	consumer->cb(consumer->ctx, &m, c->epoch);
}

/* the life of a client */

static struct consuming *any_consuming(struct og_stored_queue *q, const struct client *c)
{
	struct consuming *k = q->consumers;

	while (k && k->c != c)
		k = k->next;
	return k;
}

static void disconnect(struct client *c)
{
	struct og_stored_queue *q, *next;
	struct held *h, *next_held;

	c->up = false;
	HASH_ITER(hh, c->held, h, next_held)
	{
		requeue_held(c, h);
	}
	HASH_ITER(hh, c->b->store.queues, q, next)
	{
		struct consuming *k = any_consuming(q, c);

		if (q->owner == c) {
			delete_queue(c->b, q);
			continue;
		}
		while (k) {
			bool last = k == q->consumers && !k->next;

			stop_consuming(c->b, q, k);
			k = last ? NULL : any_consuming(q, c);
		}
	}
}

static void down(struct client *c, const struct og_error *why)
{
	if (c->up && c->b->blocked && c->events.on_blocked)
		c->events.on_blocked(c->events.ctx, false, "");
	disconnect(c);
	og_recipe_restart(&c->recipe);
	og_window_restart(&c->window, c->republish);
	if (c->events.on_down)
		c->events.on_down(c->events.ctx, why);
}

static int run_step(struct client *c, const struct og_step *s, struct og_error *err)
{
	struct og_store *store = &c->b->store;
	struct og_stored_queue *q;
	struct consuming *k;

	switch (s->kind) {
	case OG_STEP_EXCHANGE:
		og_store_exchange(store, s->exchange.name, s->exchange.type);
		return 0;
	case OG_STEP_QUEUE:
		if (!og_store_find(store, s->queue->name))
			wake_clients(c->b);
		if (og_store_queue(store, s->queue, c))
			return 0;
		return og_fail(err, OG_BUSY, "queue '%s' is exclusive and another connection has it", s->queue->name);
	case OG_STEP_BIND:
		og_store_bind(store, s->binding);
		return 0;
	case OG_STEP_CONSUME:
		q = og_store_find(store, s->consumer.queue);
		if (!q)
			return og_fail(err, OG_RETRY, "no queue '%s'", s->consumer.queue);
		if (q->def.exclusive && q->owner != c)
			return og_fail(
				err, OG_BUSY, "queue '%s' is exclusive and another connection has it", q->def.name);
		k = og_new(struct consuming);
		*k = (struct consuming){.c = c,
			.id = s->consumer.id,
			.prefetch = s->consumer.prefetch,
			.priority = s->consumer.priority};
		add_consuming(q, k);
		schedule(c->b, q);
		return 0;
	}
	return 0;
}

static void steps(struct client *c)
{
	struct og_error why = {0};

	for (; c->steps_done < c->recipe.n; c->steps_done++) {
		const struct og_step *s = c->recipe.steps[c->steps_done];

		if (!s->dropped && run_step(c, s, &why) < 0) {
			down(c, &why);
			return;
		}
	}
	if (c->up)
		return;
	c->up = true;
	post(c->b, (struct task){.kind = SEND, .c = c});
	if (c->events.on_up)
		c->events.on_up(c->events.ctx, c->epoch);
	if (c->b->blocked)
		post(c->b, (struct task){.kind = BLOCKED, .c = c});
}

static void connect_client(struct client *c)
{
	c->epoch++;
	c->last_tag = 0;
	c->steps_done = 0;
	steps(c);
	c->connecting = false; /* not before: its own steps must not wake it */
}

static void tell_writable(struct client *c)
{
	if (c->on_writable && !c->closing && og_window_room_again(&c->window))
		c->on_writable(c->writable_ctx);
}

static void drop(struct client *c)
{
	struct og_error why;

	if (!c->up)
		return;
	og_fail(&why, OG_RETRY, "the connection was cut");
	down(c, &why);
	tell_writable(c);
	connect_soon(c);
}

/* The broker cancels the consumers, and each client begins again. The queue is looked up anew after every callback. */
static void delete_under_consumers(struct og_memory_broker *b, struct og_stored_queue *q)
{
	og_autofree char *name = og_strdup(q->def.name);

	while ((q = og_store_find(&b->store, name)) && q->consumers) {
		struct consuming *k = q->consumers;
		struct client *c = k->c;

		take_consuming(q, k);
		free(k);
		post(b, (struct task){.kind = DROP, .c = c});
		if (c->events.on_cancelled)
			c->events.on_cancelled(c->events.ctx, name);
	}
	if (q)
		delete_queue(b, q);
}

static void free_client(struct client *c)
{
	struct og_memory_broker *b = c->b;

	forget_tasks(&b->tasks, c, NULL);
	forget_tasks(&b->held_confirms, c, NULL);
	DL_DELETE(b->clients, c);
	og_recipe_done(&c->recipe);
	free(c->user);
	free(c);
}

static void close_client(struct client *c)
{
	void (*cb)(void *) = c->on_closed;
	void *ctx = c->closed_ctx;

	og_window_close(&c->window);
	free_client(c);
	if (cb)
		cb(ctx);
}

/* publishing */

static void send_waiting(struct client *c)
{
	const struct og_publish *p;
	uint64_t tag;

	if (!c->up || c->b->blocked)
		return;
	while ((p = og_window_next(&c->window, &tag))) {
		enum og_routed routed = og_store_publish(&c->b->store, p->m, schedule, c->b);
		bool ok = routed == OG_ROUTED || routed == OG_UNROUTED;

		if (routed == OG_UNROUTED && (p->flags & OG_PUBLISH_MANDATORY))
			og_window_returned(&c->window, tag);
		post(c->b, (struct task){.kind = CONFIRM,
				   .c = c,
				   .epoch = c->epoch,
				   .tag = tag,
				   .how = ok ? OG_CONFIRMED : OG_NACKED});
	}
}

static void confirm(struct og_memory_broker *b, const struct task *t)
{
	struct client *c = t->c;

	if (!c->up || t->epoch != c->epoch)
		return;
	if (b->hold) {
		struct task *copy = og_memdup(t, sizeof(*t));

		DL_PREPEND(b->held_confirms, copy);
		return;
	}
	og_window_settle(&c->window, t->tag, false, t->how);
	tell_writable(c);
}

/* the tasks */

static void run_task(struct og_memory_broker *b, const struct task *t)
{
	struct client *c = t->c;

	if (c && c->closing && t->kind != CLOSE)
		return;
	switch (t->kind) {
	case CONNECT:
		connect_client(c);
		break;
	case STEPS:
		if (c->up)
			steps(c);
		break;
	case SEND:
		send_waiting(c);
		break;
	case CONFIRM:
		confirm(b, t);
		break;
	case DISPATCH:
		dispatch(b, t->q);
		break;
	case DELETE:
		delete_under_consumers(b, t->q);
		break;
	case DROP:
		drop(c);
		break;
	case BLOCKED:
		if (c->up && c->events.on_blocked)
			c->events.on_blocked(c->events.ctx, b->blocked, b->blocked ? "memory" : "");
		break;
	case CLOSE:
		close_client(c);
		break;
	}
}

static void on_idle(uv_idle_t *idle)
{
	struct og_memory_broker *b = idle->data;
	struct task *t;
	size_t n;

	DL_COUNT(b->tasks, t, n);
	for (; n && (t = b->tasks); n--) {
		DL_DELETE(b->tasks, t);
		run_task(b, t);
		free(t);
	}
	if (!b->tasks)
		uv_idle_stop(idle);
}

static void post(struct og_memory_broker *b, struct task t)
{
	struct task *copy = og_memdup(&t, sizeof(t));

	DL_APPEND(b->tasks, copy);
	uv_idle_start(&b->idle, on_idle);
}

/* the ops */

static int memory_publish(struct og_amqp *amqp, const struct og_message *m, unsigned flags, og_settled_cb *cb,
	void *ctx, struct og_error *err)
{
	struct client *c = client_of(amqp);
	struct og_message own = *m;

	if (c->closing)
		return og_fail(err, OG_RETRY, "the connection is being closed");
	if (og_message_sendable(m, c->user, err) < 0)
		return -1;
	own.user_id = c->user;
	if (og_window_add(&c->window, &own, flags, cb, ctx) < 0)
		return og_fail(err, OG_BUSY, "%u publishes wait for their confirm", c->window.count);
	post(c->b, (struct task){.kind = SEND, .c = c});
	return 0;
}

static void step_added(struct client *c)
{
	post(c->b, (struct task){.kind = STEPS, .c = c});
}

static void memory_exchange(struct og_amqp *amqp, const struct og_exchange *x)
{
	struct client *c = client_of(amqp);

	og_recipe_add_exchange(&c->recipe, x);
	step_added(c);
}

static void memory_queue(struct og_amqp *amqp, const struct og_queue *q)
{
	struct client *c = client_of(amqp);

	og_recipe_add_queue(&c->recipe, q);
	step_added(c);
}

static void memory_bind(struct og_amqp *amqp, const struct og_binding *b)
{
	struct client *c = client_of(amqp);

	og_recipe_add_bind(&c->recipe, b);
	step_added(c);
}

static unsigned memory_consume(
	struct og_amqp *amqp, const char *queue, unsigned prefetch, int priority, og_delivery_cb *cb, void *ctx)
{
	struct client *c = client_of(amqp);

	step_added(c);
	return og_recipe_add_consume(&c->recipe, queue, prefetch, priority, cb, ctx);
}

static void memory_cancel(struct og_amqp *amqp, unsigned consumer)
{
	struct client *c = client_of(amqp);
	struct og_step *s = og_recipe_drop_consumer(&c->recipe, consumer);
	struct og_stored_queue *q = s && c->up ? og_store_find(&c->b->store, s->consumer.queue) : NULL;
	struct consuming *k = q ? find_consuming(q, c, consumer) : NULL;

	if (k)
		stop_consuming(c->b, q, k);
}

static void memory_clear(struct og_amqp *amqp)
{
	struct client *c = client_of(amqp);

	while (c->recipe.consumers)
		memory_cancel(amqp, c->recipe.consumers->consumer.id);
	og_recipe_clear(&c->recipe);
}

static struct held *held_of(struct client *c, uint64_t epoch, uint64_t tag)
{
	struct held *h = NULL;

	if (epoch == c->epoch)
		HASH_FIND(hh, c->held, &tag, sizeof(tag), h);
	return h;
}

static void drop_held(struct client *c, struct held *h)
{
	take_held(c, h);
	og_stored_free(h->x);
	schedule(c->b, h->q);
	free(h);
}

static void memory_ack(struct og_amqp *amqp, uint64_t epoch, uint64_t tag)
{
	struct client *c = client_of(amqp);
	struct held *h = held_of(c, epoch, tag);

	if (h)
		drop_held(c, h);
}

static void memory_reject(struct og_amqp *amqp, uint64_t epoch, uint64_t tag, bool requeue)
{
	struct client *c = client_of(amqp);
	struct held *h = held_of(c, epoch, tag);

	if (h && requeue)
		requeue_held(c, h);
	else if (h)
		drop_held(c, h);
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
	return client_of(amqp)->up;
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

static void memory_close(struct og_amqp *amqp, void (*cb)(void *ctx), void *ctx)
{
	struct client *c = client_of(amqp);

	if (c->closing)
		return;
	c->closing = true;
	c->on_closed = cb;
	c->closed_ctx = ctx;
	disconnect(c);
	post(c->b, (struct task){.kind = CLOSE, .c = c});
}

static const struct og_amqp_ops memory_ops = {
	.publish = memory_publish,
	.recipe_exchange = memory_exchange,
	.recipe_queue = memory_queue,
	.recipe_bind = memory_bind,
	.recipe_consume = memory_consume,
	.recipe_clear = memory_clear,
	.cancel = memory_cancel,
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
	forget_tasks(&b->tasks, NULL, NULL);
	forget_tasks(&b->held_confirms, NULL, NULL);
	og_store_done(&b->store);
	uv_close((uv_handle_t *)&b->idle, on_idle_closed);
}

struct og_amqp *og_memory_broker_connect(struct og_memory_broker *b, const char *user,
	const struct og_amqp_config *config, const struct og_amqp_events *events)
{
	struct client *c = og_new(struct client);

	c->base.ops = &memory_ops;
	c->b = b;
	c->user = og_strdup(user);
	c->events = *events;
	c->republish = config->republish;
	og_window_init(&c->window, config->window);
	DL_APPEND(b->clients, c);
	connect_soon(c);
	return &c->base;
}

void og_memory_broker_drop(struct og_memory_broker *b, struct og_amqp *c)
{
	post(b, (struct task){.kind = DROP, .c = client_of(c)});
}

void og_memory_broker_hold_confirms(struct og_memory_broker *b, bool hold)
{
	b->hold = hold;
	if (hold)
		return;
	DL_CONCAT(b->tasks, b->held_confirms);
	b->held_confirms = NULL;
	if (b->tasks)
		uv_idle_start(&b->idle, on_idle);
}

void og_memory_broker_block(struct og_memory_broker *b, bool blocked)
{
	struct client *c;

	b->blocked = blocked;
	DL_FOREACH(b->clients, c)
	{
		if (!c->up)
			continue;
		post(b, (struct task){.kind = BLOCKED, .c = c});
		post(b, (struct task){.kind = SEND, .c = c});
	}
}

void og_memory_broker_delete(struct og_memory_broker *b, const char *queue)
{
	struct og_stored_queue *q = og_store_find(&b->store, queue);

	if (q)
		post(b, (struct task){.kind = DELETE, .q = q});
}

size_t og_memory_broker_ready(struct og_memory_broker *b, const char *queue)
{
	const struct og_stored_queue *q = og_store_find(&b->store, queue);

	return q ? q->n_ready : 0;
}

size_t og_memory_broker_unacked(struct og_memory_broker *b, const char *queue)
{
	struct client *c;
	size_t n = 0;

	DL_FOREACH(b->clients, c)
	{
		struct held *h, *next;

		HASH_ITER(hh, c->held, h, next)
		{
			n += !strcmp(h->q->def.name, queue);
		}
	}
	return n;
}
