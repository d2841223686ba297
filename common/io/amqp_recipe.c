#include "io/amqp_recipe.h"

#include <stdlib.h>

#include "base/alloc.h"

static struct og_step *add(struct og_recipe *r, enum og_step_kind kind)
{
	if (r->n == r->room) {
		r->room = r->room ? 2 * r->room : 16;
		r->steps = og_realloc(r->steps, r->room * sizeof(*r->steps));
	}
	r->steps[r->n] = og_new(struct og_step);
	r->steps[r->n]->kind = kind;
	return r->steps[r->n++];
}

static void step_free(struct og_step *s)
{
	switch (s->kind) {
	case OG_STEP_EXCHANGE:
		free(s->exchange.name);
		break;
	case OG_STEP_QUEUE:
		free(s->queue);
		break;
	case OG_STEP_BIND:
		free(s->binding);
		break;
	case OG_STEP_CONSUME:
		free(s->consumer.queue);
		break;
	}
	free(s);
}

void og_recipe_done(struct og_recipe *r)
{
	og_recipe_clear(r);
	og_recipe_restart(r);
	free(r->steps);
	*r = (struct og_recipe){0};
}

void og_recipe_add_exchange(struct og_recipe *r, const struct og_exchange *x)
{
	struct og_step *s = add(r, OG_STEP_EXCHANGE);

	s->exchange.name = og_strdup(x->name);
	s->exchange.type = x->type;
}

void og_recipe_add_queue(struct og_recipe *r, const struct og_queue *q)
{
	add(r, OG_STEP_QUEUE)->queue = og_memdup(q, sizeof(*q));
}

void og_recipe_add_bind(struct og_recipe *r, const struct og_binding *b)
{
	add(r, OG_STEP_BIND)->binding = og_memdup(b, sizeof(*b));
}

unsigned og_recipe_add_consume(
	struct og_recipe *r, const char *queue, unsigned prefetch, int priority, og_delivery_cb *cb, void *ctx)
{
	struct og_step *s = add(r, OG_STEP_CONSUME);

	s->consumer = (struct og_consumer){
		.id = ++r->last_id,
		.queue = og_strdup(queue),
		.prefetch = prefetch,
		.priority = priority,
		.cb = cb,
		.ctx = ctx,
	};
	s->listed = true;
	HASH_ADD_INT(r->consumers, consumer.id, s);
	return r->last_id;
}

static void unlist(struct og_recipe *r, struct og_step *s)
{
	if (s->listed)
		HASH_DEL(r->consumers, s);
	s->listed = false;
}

static void drop(struct og_recipe *r, struct og_step *s)
{
	unlist(r, s);
	s->dropped = true;
}

void og_recipe_clear(struct og_recipe *r)
{
	for (size_t i = 0; i < r->n; i++)
		drop(r, r->steps[i]);
}

static struct og_step *find(const struct og_recipe *r, unsigned id)
{
	struct og_step *s;

	HASH_FIND_INT(r->consumers, &id, s);
	return s;
}

struct og_step *og_recipe_drop_consumer(struct og_recipe *r, unsigned id)
{
	struct og_step *s = find(r, id);

	if (s)
		drop(r, s);
	return s;
}

struct og_step *og_recipe_stop_consumer(struct og_recipe *r, unsigned id, void (*cb)(void *ctx), void *ctx)
{
	struct og_step *s = find(r, id);

	if (!s || s->dropped)
		return NULL;
	s->dropped = true;
	s->consumer.on_stopped = cb;
	s->consumer.stopped_ctx = ctx;
	return s;
}

bool og_recipe_stopped(struct og_recipe *r, unsigned id, struct og_consumer *ret)
{
	struct og_step *s = find(r, id);

	if (!s || !s->dropped)
		return false;
	*ret = s->consumer;
	unlist(r, s);
	return true;
}

const struct og_consumer *og_recipe_consumer(const struct og_recipe *r, unsigned id)
{
	struct og_step *s = find(r, id);

	return s ? &s->consumer : NULL;
}

bool og_recipe_is_stopping(const struct og_recipe *r, unsigned id)
{
	struct og_step *s = find(r, id);

	return s && s->dropped;
}

void og_recipe_restart(struct og_recipe *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (r->steps[i]->dropped) {
			unlist(r, r->steps[i]);
			step_free(r->steps[i]);
		} else {
			r->steps[kept++] = r->steps[i];
		}
	}
	r->n = kept;
}
