#include <stdlib.h>
#include <utlist.h>

#include "base/alloc.h"
#include "io/amqp_memory_broker.h"

void og_memory_connect_soon(struct og_memory_client *c)
{
	if (c->up || c->connecting)
		return;
	c->connecting = true;
	og_memory_post(c->b, (struct og_memory_task){.kind = OG_MEMORY_CONNECT, .c = c});
}

void og_memory_wake(struct og_memory_broker *b)
{
	struct og_memory_client *c;

	DL_FOREACH(b->clients, c)
	{
		og_memory_connect_soon(c);
	}
}

static void down(struct og_memory_client *c, const struct og_error *why)
{
	if (c->up && c->b->blocked && c->events.on_blocked)
		c->events.on_blocked(c->events.ctx, false, "");
	og_memory_disconnect(c);
	og_recipe_restart(&c->recipe);
	og_window_restart(&c->window, c->republish);
	if (c->events.on_down)
		c->events.on_down(c->events.ctx, why);
}

static int run_step(struct og_memory_client *c, const struct og_step *s, struct og_error *err)
{
	struct og_store *store = &c->b->store;
	struct og_stored_queue *q;

	switch (s->kind) {
	case OG_STEP_EXCHANGE:
		og_store_exchange(store, s->exchange.name, s->exchange.type);
		return 0;
	case OG_STEP_QUEUE:
		if (!og_store_find(store, s->queue->name))
			og_memory_wake(c->b);
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
		og_memory_consume(q, c, &s->consumer);
		return 0;
	}
	return 0;
}

static void steps(struct og_memory_client *c)
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
	og_memory_post(c->b, (struct og_memory_task){.kind = OG_MEMORY_SEND, .c = c});
	if (c->events.on_up)
		c->events.on_up(c->events.ctx, c->epoch);
	if (c->b->blocked)
		og_memory_post(c->b, (struct og_memory_task){.kind = OG_MEMORY_BLOCKED, .c = c});
}

static void connect_client(struct og_memory_client *c)
{
	c->epoch++;
	c->last_tag = 0;
	c->steps_done = 0;
	steps(c);
	c->connecting = false; /* not before: its own steps must not wake it */
}

static void tell_writable(struct og_memory_client *c)
{
	if (c->on_writable && !c->closing && og_window_room_again(&c->window))
		c->on_writable(c->writable_ctx);
}

static void drop(struct og_memory_client *c)
{
	struct og_error why;

	if (!c->up)
		return;
	og_fail(&why, OG_RETRY, "the connection was cut");
	down(c, &why);
	tell_writable(c);
	og_memory_connect_soon(c);
}

static void free_client(struct og_memory_client *c)
{
	struct og_memory_broker *b = c->b;

	og_memory_forget_tasks(&b->tasks, c, NULL);
	og_memory_forget_tasks(&b->held_confirms, c, NULL);
	DL_DELETE(b->clients, c);
	og_recipe_done(&c->recipe);
	free(c->user);
	free(c);
}

/* A broker that listens confirms what is on its way. Confirms that a test holds back come too late: as time does not
 * pass here, the second that a real one has is over at once. */
static bool hears_more(const struct og_memory_client *c)
{
	return c->up && c->window.count && !c->b->blocked && !c->b->hold;
}

static void close_client(struct og_memory_client *c)
{
	void (*cb)(void *) = c->on_closed;
	void *ctx = c->closed_ctx;

	if (hears_more(c)) {
		og_memory_post(c->b, (struct og_memory_task){.kind = OG_MEMORY_CLOSE, .c = c});
		return;
	}
	og_memory_disconnect(c);
	og_window_close(&c->window);
	free_client(c);
	if (cb)
		cb(ctx);
}

/* publishing */

static void send_waiting(struct og_memory_client *c)
{
	const struct og_publish *p;
	uint64_t tag;

	if (!c->up || c->b->blocked)
		return;
	while ((p = og_window_next(&c->window, &tag))) {
		enum og_routed routed = og_store_publish(&c->b->store, p->m, og_memory_schedule, c->b);
		bool ok = routed == OG_ROUTED || routed == OG_UNROUTED;

		if (routed == OG_UNROUTED && (p->flags & OG_PUBLISH_MANDATORY))
			og_window_returned(&c->window, tag);
		og_memory_post(c->b, (struct og_memory_task){.kind = OG_MEMORY_CONFIRM,
					     .c = c,
					     .epoch = c->epoch,
					     .tag = tag,
					     .how = ok ? OG_CONFIRMED : OG_NACKED});
	}
}

static void confirm(struct og_memory_broker *b, const struct og_memory_task *t)
{
	struct og_memory_client *c = t->c;

	if (!c->up || t->epoch != c->epoch)
		return;
	if (b->hold) {
		struct og_memory_task *copy = og_memdup(t, sizeof(*t));

		DL_PREPEND(b->held_confirms, copy);
		return;
	}
	og_window_settle(&c->window, t->tag, false, t->how);
	tell_writable(c);
}

static void stopped(const struct og_memory_task *t)
{
	struct og_consumer k;

	if (t->epoch == t->c->epoch && t->c->up && og_recipe_stopped(&t->c->recipe, (unsigned)t->tag, &k))
		k.on_stopped(k.stopped_ctx);
}

/* the tasks */

static void run_task(struct og_memory_broker *b, const struct og_memory_task *t)
{
	struct og_memory_client *c = t->c;

	if (c && c->closing && t->kind != OG_MEMORY_SEND && t->kind != OG_MEMORY_CONFIRM && t->kind != OG_MEMORY_CLOSE)
		return;
	switch (t->kind) {
	case OG_MEMORY_CONNECT:
		connect_client(c);
		break;
	case OG_MEMORY_STEPS:
		if (c->up)
			steps(c);
		break;
	case OG_MEMORY_SEND:
		send_waiting(c);
		break;
	case OG_MEMORY_CONFIRM:
		confirm(b, t);
		break;
	case OG_MEMORY_DISPATCH:
		og_memory_dispatch(b, t->q);
		break;
	case OG_MEMORY_DELETE:
		og_memory_delete_under_consumers(b, t->q);
		break;
	case OG_MEMORY_DROP:
		drop(c);
		break;
	case OG_MEMORY_BLOCKED:
		if (c->up && c->events.on_blocked)
			c->events.on_blocked(c->events.ctx, b->blocked, b->blocked ? "memory" : "");
		break;
	case OG_MEMORY_STOPPED:
		stopped(t);
		break;
	case OG_MEMORY_CLOSE:
		close_client(c);
		break;
	}
}

void og_memory_run_tasks(uv_idle_t *idle)
{
	struct og_memory_broker *b = idle->data;
	struct og_memory_task *t;
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

void og_memory_post(struct og_memory_broker *b, struct og_memory_task t)
{
	struct og_memory_task *copy = og_memdup(&t, sizeof(t));

	DL_APPEND(b->tasks, copy);
	uv_idle_start(&b->idle, og_memory_run_tasks);
}

void og_memory_forget_tasks(
	struct og_memory_task **list, const struct og_memory_client *c, const struct og_stored_queue *q)
{
	struct og_memory_task *t, *next;

	DL_FOREACH_SAFE(*list, t, next)
	{
		if ((c && t->c != c) || (q && t->q != q))
			continue;
		DL_DELETE(*list, t);
		free(t);
	}
}
