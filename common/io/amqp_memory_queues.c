#include <stdlib.h>
#include <utlist.h>

#include "base/alloc.h"
#include "io/amqp_memory_broker.h"

/* consumers */

static struct og_memory_consuming *find_consuming(
	struct og_stored_queue *q, const struct og_memory_client *c, unsigned id)
{
	struct og_memory_consuming *k = q->consumers;

	while (k && (k->c != c || (id && k->id != id)))
		k = k->next;
	return k;
}

static struct og_memory_consuming *with_credit(struct og_stored_queue *q)
{
	struct og_memory_consuming *k = q->consumers;

	while (k && k->prefetch && k->held >= k->prefetch)
		k = q->def.args.single_active_consumer ? NULL : k->next;
	return k;
}

static void add_consuming(struct og_stored_queue *q, struct og_memory_consuming *k)
{
	struct og_memory_consuming *head = q->consumers, *place = head;

	while (place && place->priority >= k->priority)
		place = place->next;
	if (place)
		DL_PREPEND_ELEM(head, place, k);
	else
		DL_APPEND(head, k);
	q->consumers = head;
}

static void take_consuming(struct og_stored_queue *q, struct og_memory_consuming *k)
{
	struct og_memory_consuming *head = q->consumers;

	DL_DELETE(head, k);
	q->consumers = head;
}

void og_memory_consume(struct og_stored_queue *q, struct og_memory_client *c, const struct og_consumer *consumer)
{
	struct og_memory_consuming *k = og_new(struct og_memory_consuming);

	k->c = c;
	k->id = consumer->id;
	k->prefetch = consumer->prefetch;
	k->priority = consumer->priority;
	add_consuming(q, k);
	og_memory_schedule(c->b, q);
}

bool og_memory_stop_consuming(struct og_stored_queue *q, struct og_memory_client *c, unsigned id)
{
	struct og_memory_consuming *k = find_consuming(q, c, id);

	if (!k)
		return false;
	take_consuming(q, k);
	free(k);
	og_memory_schedule(c->b, q);
	return true;
}

void og_memory_retire(struct og_memory_broker *b, struct og_stored_queue *q)
{
	if (!q->consumers && q->def.auto_delete)
		og_memory_delete_queue(b, q);
}

/* deliveries */

void og_memory_schedule(void *broker, struct og_stored_queue *q)
{
	struct og_memory_broker *b = broker;

	if (q->scheduled || !q->ready)
		return;
	q->scheduled = true;
	og_memory_post(b, (struct og_memory_task){.kind = OG_MEMORY_DISPATCH, .q = q});
}

void og_memory_dispatch(struct og_memory_broker *b, struct og_stored_queue *q)
{
	struct og_memory_consuming *k = with_credit(q);
	const struct og_consumer *consumer;
	og_autofree struct og_message *m = NULL; /* lives during the callback, whatever is acked in it */
	struct og_memory_client *c;
	struct og_memory_held *h;

	q->scheduled = false;
	if (!k || !q->ready)
		return;
	c = k->c;
	consumer = og_recipe_consumer(&c->recipe, k->id);
	h = og_new(struct og_memory_held);
	*h = (struct og_memory_held){.tag = ++c->last_tag, .q = q, .x = og_store_pop(q), .consumer = k->id};
	HASH_ADD(hh, c->held, tag, sizeof(h->tag), h);
	k->held++;
	take_consuming(q, k);
	add_consuming(q, k);
	og_memory_schedule(b, q);

	m = og_message_copy(h->x->m);
	m->delivery_tag = h->tag;
	m->redelivered = h->x->returned > 0;
	if (q->def.args.quorum && m->redelivered && m->n_headers < OG_MESSAGE_HEADERS_MAX)
		m->headers[m->n_headers++] = (struct og_header){.name = "x-delivery-count", .number = h->x->returned};
	consumer->cb(consumer->ctx, m, c->epoch);
}

static void let_go(struct og_memory_client *c, struct og_memory_held *h)
{
	struct og_memory_consuming *k = find_consuming(h->q, c, h->consumer);

	HASH_DEL(c->held, h);
	if (k)
		k->held--;
	og_memory_schedule(c->b, h->q);
	free(h);
}

void og_memory_requeue(struct og_memory_client *c, struct og_memory_held *h)
{
	og_store_requeue(h->q, h->x);
	let_go(c, h);
}

void og_memory_forget(struct og_memory_client *c, struct og_memory_held *h)
{
	og_stored_free(h->x);
	let_go(c, h);
}

/* ends */

void og_memory_delete_queue(struct og_memory_broker *b, struct og_stored_queue *q)
{
	struct og_memory_client *c;

	DL_FOREACH(b->clients, c)
	{
		struct og_memory_held *h, *next;

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
		struct og_memory_consuming *k = q->consumers;

		take_consuming(q, k);
		free(k);
	}
	og_memory_forget_tasks(&b->tasks, NULL, q);
	og_store_delete(&b->store, q);
	og_memory_wake(b);
}

/* The queue is looked up anew after every callback. */
void og_memory_delete_under_consumers(struct og_memory_broker *b, struct og_stored_queue *q)
{
	og_autofree char *name = og_strdup(q->def.name);

	while ((q = og_store_find(&b->store, name)) && q->consumers) {
		struct og_memory_consuming *k = q->consumers;
		struct og_memory_client *c = k->c;

		take_consuming(q, k);
		free(k);
		og_memory_post(b, (struct og_memory_task){.kind = OG_MEMORY_DROP, .c = c});
		if (c->events.on_cancelled)
			c->events.on_cancelled(c->events.ctx, name);
	}
	if (q)
		og_memory_delete_queue(b, q);
}

void og_memory_disconnect(struct og_memory_client *c)
{
	struct og_stored_queue *q, *next;
	struct og_memory_held *h, *next_held;

	c->up = false;
	HASH_ITER(hh, c->held, h, next_held)
	{
		og_memory_requeue(c, h);
	}
	HASH_ITER(hh, c->b->store.queues, q, next)
	{
		bool consumed = false;

		while (og_memory_stop_consuming(q, c, 0))
			consumed = true;
		if (q->owner == c)
			og_memory_delete_queue(c->b, q);
		else if (consumed)
			og_memory_retire(c->b, q);
	}
}
