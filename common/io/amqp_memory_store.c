#include "io/amqp_memory_store.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"

struct og_stored_exchange {
	char *name;
	enum og_exchange_type type;
	UT_hash_handle hh;
};

struct og_stored_binding {
	struct og_binding def;
	struct og_stored_binding *prev, *next;
};

void og_stored_free(struct og_stored *x)
{
	free(x->m);
	free(x);
}

void og_store_exchange(struct og_store *s, const char *name, enum og_exchange_type type)
{
	struct og_stored_exchange *x;

	HASH_FIND_STR(s->exchanges, name, x);
	if (x)
		return;
	x = og_new(struct og_stored_exchange);
	x->name = og_strdup(name);
	x->type = type;
	HASH_ADD_KEYPTR(hh, s->exchanges, x->name, strlen(x->name), x);
}

struct og_stored_queue *og_store_find(struct og_store *s, const char *name)
{
	struct og_stored_queue *q;

	HASH_FIND_STR(s->queues, name, q);
	return q;
}

struct og_stored_queue *og_store_queue(struct og_store *s, const struct og_queue *def, const void *owner)
{
	struct og_stored_queue *q = og_store_find(s, def->name);

	if (q)
		return q->def.exclusive && q->owner != owner ? NULL : q;
	q = og_new(struct og_stored_queue);
	q->def = *def;
	q->owner = def->exclusive ? owner : NULL;
	HASH_ADD_STR(s->queues, def.name, q);
	return q;
}

void og_store_bind(struct og_store *s, const struct og_binding *b)
{
	struct og_stored_binding *x;

	DL_FOREACH(s->bindings, x)
	{
		if (!strcmp(x->def.exchange, b->exchange) && !strcmp(x->def.queue, b->queue) &&
			!strcmp(x->def.key, b->key))
			return;
	}
	x = og_new(struct og_stored_binding);
	x->def = *b;
	DL_APPEND(s->bindings, x);
}

void og_store_delete(struct og_store *s, struct og_stored_queue *q)
{
	struct og_stored_binding *b, *next;
	struct og_stored *x;

	DL_FOREACH_SAFE(s->bindings, b, next)
	{
		if (strcmp(b->def.queue, q->def.name) != 0)
			continue;
		DL_DELETE(s->bindings, b);
		free(b);
	}
	while ((x = og_store_pop(q)))
		og_stored_free(x);
	HASH_DEL(s->queues, q);
	free(q);
}

void og_store_done(struct og_store *s)
{
	struct og_stored_exchange *x, *next;

	while (s->queues)
		og_store_delete(s, s->queues);
	HASH_ITER(hh, s->exchanges, x, next)
	{
		HASH_DEL(s->exchanges, x);
		free(x->name);
		free(x);
	}
}

struct og_stored *og_store_pop(struct og_stored_queue *q)
{
	struct og_stored *x = q->ready;

	if (!x)
		return NULL;
	DL_DELETE(q->ready, x);
	q->n_ready--;
	q->bytes -= x->m->body_len;
	return x;
}

static void insert_before(struct og_stored_queue *q, struct og_stored *place, struct og_stored *x)
{
	if (place)
		DL_PREPEND_ELEM(q->ready, place, x);
	else
		DL_APPEND(q->ready, x);
	q->n_ready++;
	q->bytes += x->m->body_len;
}

void og_store_requeue(struct og_stored_queue *q, struct og_stored *x)
{
	struct og_stored *place = q->ready;

	x->returned++;
	if (q->def.args.delivery_limit && x->returned > q->def.args.delivery_limit) {
		og_stored_free(x);
		return;
	}
	while (place && place->order < x->order)
		place = place->next;
	insert_before(q, place, x);
}

static bool is_full(const struct og_stored_queue *q, size_t more)
{
	const struct og_queue_args *a = &q->def.args;

	return (a->max_length && q->n_ready + 1 > (size_t)a->max_length) ||
	       (a->max_length_bytes && q->bytes + more > (size_t)a->max_length_bytes);
}

static bool enqueue(struct og_store *s, struct og_stored_queue *q, const struct og_message *m)
{
	struct og_stored *x;

	if (q->def.args.reject_publish && is_full(q, m->body_len))
		return false;
	while (q->ready && is_full(q, m->body_len))
		og_stored_free(og_store_pop(q));
	x = og_new(struct og_stored);
	x->m = og_message_copy(m);
	x->order = ++s->last_order;
	insert_before(q, NULL, x);
	return true;
}

bool og_topic_matches(const char *pattern, const char *key)
{
	size_t p = strcspn(pattern, "."), k = strcspn(key, ".");

	if (p == 1 && *pattern == '#') {
		if (!pattern[1])
			return true;
		for (; key; key = strchr(key, '.') ? strchr(key, '.') + 1 : NULL) {
			if (og_topic_matches(pattern + 2, key))
				return true;
		}
		return false;
	}
	if (!(p == 1 && *pattern == '*') && (p != k || memcmp(pattern, key, p) != 0))
		return false;
	if (!pattern[p] || !key[k])
		return (!pattern[p] || !strcmp(pattern + p, ".#")) && !key[k];
	return og_topic_matches(pattern + p + 1, key + k + 1);
}

static bool binding_matches(enum og_exchange_type type, const char *pattern, const char *key)
{
	switch (type) {
	case OG_EXCHANGE_DIRECT:
		return !strcmp(pattern, key);
	case OG_EXCHANGE_TOPIC:
		return og_topic_matches(pattern, key);
	case OG_EXCHANGE_FANOUT:
		return true;
	}
	return false;
}

/* The queues a message reaches, each once, in an array of its own: putting it into one must not disturb the walk. */
static size_t destinations(
	struct og_store *s, const struct og_stored_exchange *x, const char *key, struct og_stored_queue ***ret)
{
	struct og_stored_queue **found = og_alloc(HASH_COUNT(s->queues) * sizeof(struct og_stored_queue *));
	struct og_stored_binding *b;
	size_t n = 0;

	DL_FOREACH(s->bindings, b)
	{
		struct og_stored_queue *q;
		size_t seen = 0;

		if (strcmp(b->def.exchange, x->name) != 0 || !binding_matches(x->type, b->def.key, key))
			continue;
		q = og_store_find(s, b->def.queue);
		while (seen < n && found[seen] != q)
			seen++;
		if (q && seen == n)
			found[n++] = q;
	}
	*ret = found;
	return n;
}

enum og_routed og_store_publish(struct og_store *s, const struct og_message *m,
	void (*on_ready)(void *ctx, struct og_stored_queue *q), void *ctx)
{
	const char *exchange = m->exchange ? m->exchange : "", *key = m->routing_key ? m->routing_key : "";
	og_autofree struct og_stored_queue **found = NULL;
	enum og_routed how = OG_ROUTED;
	struct og_stored_exchange *x;
	size_t n;

	if (!*exchange) {
		found = og_alloc(sizeof(struct og_stored_queue *));
		found[0] = og_store_find(s, key);
		n = found[0] != NULL;
	} else {
		HASH_FIND_STR(s->exchanges, exchange, x);
		if (!x)
			return OG_NO_EXCHANGE;
		n = destinations(s, x, key, &found);
	}
	for (size_t i = 0; i < n; i++) {
		if (enqueue(s, found[i], m))
			on_ready(ctx, found[i]);
		else
			how = OG_REFUSED;
	}
	return n ? how : OG_UNROUTED;
}
