/* The twin of redis_hiredis.c: commands wait in a queue until the loop's next turn, when the test answers them. */
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/alloc.h"
#include "io/redis.h"

struct pending {
	STAILQ_ENTRY(pending) next;
	og_redis_cb *cb;
	void *ctx;
	int argc;
	char **argv;
	size_t *lens;
};

struct client {
	struct og_redis base;
	struct og_redis_memory memory;
	struct og_redis_events events;
	bool up, told_up, closed;
	STAILQ_HEAD(, pending) queue;
	unsigned in_flight;
	uv_idle_t turn; /* active while there is something to answer or to tell */
	void (*closed_cb)(void *ctx);
	void *closed_ctx;
};

static void pending_free(struct pending *c)
{
	for (int i = 0; i < c->argc; i++)
		free(c->argv[i]);
	free(c->argv);
	free(c->lens);
	free(c);
}

static struct pending *shift(struct client *r)
{
	struct pending *c = STAILQ_FIRST(&r->queue);

	if (c) {
		STAILQ_REMOVE_HEAD(&r->queue, next);
		r->in_flight--;
	}
	return c;
}

static void fail_all(struct client *r, const struct og_error *err)
{
	struct pending *c;

	while ((c = shift(r))) {
		if (c->cb)
			c->cb(c->ctx, NULL, err);
		pending_free(c);
	}
}

static void answer_one(struct client *r, struct pending *c)
{
	struct og_redis_reply reply = {0};
	struct og_error err = {0};
	bool failed = r->memory.answer(r->memory.ctx, c->argc, (const char *const *)c->argv, c->lens, &reply, &err) < 0;

	if (c->cb)
		c->cb(c->ctx, failed ? NULL : &reply, failed ? &err : NULL);
	pending_free(c);
}

static void tell(struct client *r)
{
	struct og_error err = {0};

	r->told_up = r->up;
	if (r->up && r->events.on_up) {
		r->events.on_up(r->events.ctx);
	} else if (!r->up) {
		og_fail(&err, OG_RETRY, "Redis in memory is down");
		fail_all(r, &err);
		if (r->events.on_down && !r->closed)
			r->events.on_down(r->events.ctx, &err);
	}
}

static void on_turn(uv_idle_t *turn)
{
	struct client *r = turn->data;
	unsigned n = r->in_flight; /* what a callback asks is for the next turn */

	uv_idle_stop(turn);
	if (r->up != r->told_up)
		tell(r);
	while (n-- && r->up && !r->closed) {
		struct pending *c = shift(r);

		if (!c)
			break;
		answer_one(r, c);
	}
	if (r->in_flight && !r->closed)
		uv_idle_start(turn, on_turn);
}

static int submit(struct client *r, const char *name, int argc, const char *const *argv, const size_t *lens,
	og_redis_cb *cb, void *ctx, struct og_error *err)
{
	struct pending *c;
	int head = name ? 1 : 0;

	if (!r->up || r->closed)
		return og_fail(err, OG_RETRY, "Redis in memory is down");
	c = og_new(struct pending);
	c->cb = cb;
	c->ctx = ctx;
	c->argc = head + argc;
	c->argv = og_alloc((size_t)c->argc * sizeof(*c->argv));
	c->lens = og_alloc((size_t)c->argc * sizeof(*c->lens));
	for (int i = 0; i < c->argc; i++) {
		const char *s = i < head ? name : argv[i - head];

		c->lens[i] = i >= head && lens ? lens[i - head] : strlen(s);
		c->argv[i] = og_alloc(c->lens[i] + 1);
		memcpy(c->argv[i], s, c->lens[i]);
	}
	STAILQ_INSERT_TAIL(&r->queue, c, next);
	r->in_flight++;
	uv_idle_start(&r->turn, on_turn);
	return 0;
}

static int memory_command(struct og_redis *base, int argc, const char *const *argv, const size_t *lens, og_redis_cb *cb,
	void *ctx, struct og_error *err)
{
	return submit((struct client *)base, NULL, argc, argv, lens, cb, ctx, err);
}

static int memory_eval(struct og_redis *base, struct og_redis_script *script, int n_keys, int argc,
	const char *const *argv, const size_t *lens, og_redis_cb *cb, void *ctx, struct og_error *err)
{
	(void)n_keys;
	return submit((struct client *)base, script->name, argc, argv, lens, cb, ctx, err);
}

static bool memory_is_up(struct og_redis *base)
{
	return ((struct client *)base)->up;
}

static unsigned memory_in_flight(struct og_redis *base)
{
	return ((struct client *)base)->in_flight;
}

static void on_closed(uv_handle_t *handle)
{
	struct client *r = handle->data;
	void (*cb)(void *) = r->closed_cb;
	void *ctx = r->closed_ctx;

	free(r);
	if (cb)
		cb(ctx);
}

static void memory_close(struct og_redis *base, void (*cb)(void *ctx), void *ctx)
{
	struct client *r = (struct client *)base;
	struct og_error err = {0};

	r->closed = true;
	r->up = false;
	r->closed_cb = cb;
	r->closed_ctx = ctx;
	uv_close((uv_handle_t *)&r->turn, on_closed);
	og_fail(&err, OG_RETRY, "Redis in memory was closed");
	fail_all(r, &err);
}

void og_redis_memory_set_up(struct og_redis *base, bool up)
{
	struct client *r = (struct client *)base;

	r->up = up;
	uv_idle_start(&r->turn, on_turn);
}

struct og_redis *og_redis_memory_open(
	uv_loop_t *loop, const struct og_redis_memory *memory, const struct og_redis_events *events)
{
	static const struct og_redis_ops ops = {
		.command = memory_command,
		.eval = memory_eval,
		.is_up = memory_is_up,
		.in_flight = memory_in_flight,
		.close = memory_close,
	};
	struct client *r = og_new(struct client);

	r->base.ops = &ops;
	r->memory = *memory;
	if (events)
		r->events = *events;
	STAILQ_INIT(&r->queue);
	uv_idle_init(loop, &r->turn);
	r->turn.data = r;
	og_redis_memory_set_up(&r->base, true);
	return &r->base;
}
