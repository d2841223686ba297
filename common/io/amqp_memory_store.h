/* Exchanges, bindings and queues of the broker in memory: where a message goes, and where it waits. No clients, no
 * callbacks. */
#ifndef OG_IO_AMQP_MEMORY_STORE_H
#define OG_IO_AMQP_MEMORY_STORE_H

#include <uthash.h>

#include "model/message.h"
#include "model/topology.h"

struct og_stored {
	struct og_message *m;
	uint64_t order;    /* of arrival: a requeued message goes back to its place */
	unsigned returned; /* times it was handed out and came back */
	struct og_stored *prev, *next;
};

struct og_stored_queue {
	struct og_queue def;
	const void *owner; /* of an exclusive queue */
	struct og_stored *ready;
	size_t n_ready, bytes;
	void *consumers; /* the broker's */
	bool scheduled;  /* the broker's */
	UT_hash_handle hh;
};

struct og_store {
	struct og_stored_exchange *exchanges;
	struct og_stored_queue *queues;
	struct og_stored_binding *bindings;
	uint64_t last_order;
};

enum og_routed { OG_ROUTED, OG_UNROUTED, OG_REFUSED, OG_NO_EXCHANGE };

void og_store_done(struct og_store *s);
void og_store_exchange(struct og_store *s, const char *name, enum og_exchange_type type);
/* NULL: it is exclusive and another's. */
struct og_stored_queue *og_store_queue(struct og_store *s, const struct og_queue *def, const void *owner);
struct og_stored_queue *og_store_find(struct og_store *s, const char *name);
void og_store_bind(struct og_store *s, const struct og_binding *b);
void og_store_delete(struct og_store *s, struct og_stored_queue *q);

/* Copies the message into each queue it reaches, and calls on_ready for those. REFUSED: one of them was full
 * (reject-publish); it has reached the others, as with a real broker. */
enum og_routed og_store_publish(struct og_store *s, const struct og_message *m,
	void (*on_ready)(void *ctx, struct og_stored_queue *q), void *ctx);
struct og_stored *og_store_pop(struct og_stored_queue *q); /* NULL: nothing waits */
/* Handed out and back. Past the delivery limit it is dropped. */
void og_store_requeue(struct og_stored_queue *q, struct og_stored *x);
void og_stored_free(struct og_stored *x);

bool og_topic_matches(
	const char *pattern, const char *key); /* '*' is one word, '#' any number, words lie between dots */

#endif
