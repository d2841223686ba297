/* A broker in memory, for unit tests of what stands on io/amqp.h: exchanges (direct, topic, fanout and the nameless
 * one), queues with max-length and reject-publish or drop-head, prefetch, consumer priority, acks, redelivery with
 * x-delivery-count on quorum queues, exclusive queues (a second declare keeps the second client down, which is the
 * leader lock), mandatory returns, user_id checks. Time does not pass in it: no TTL, no expiry, no backoff (a client
 * comes back at once, and one that waits for an exclusive queue when that is released; one that is closed waits for
 * the confirms that are on their way, and not for those that a test holds back).
 *
 * Callbacks run from the loop, never from inside the call that caused them. */
#ifndef OG_IO_AMQP_MEMORY_H
#define OG_IO_AMQP_MEMORY_H

#include "io/amqp.h"

struct og_memory_broker;

struct og_memory_broker *og_memory_broker_new(uv_loop_t *loop, const struct og_topology *t); /* t may be NULL */
/* When every client is closed. The loop must run once more: its handle is closed there. */
void og_memory_broker_free(struct og_memory_broker *b);
/* Of the configuration only window and republish count. */
struct og_amqp *og_memory_broker_connect(struct og_memory_broker *b, const char *user,
	const struct og_amqp_config *config, const struct og_amqp_events *events);

/* Faults and looks. */
/* The connection is cut; the client comes back by itself. */
void og_memory_broker_drop(struct og_memory_broker *b, struct og_amqp *c);
void og_memory_broker_hold_confirms(struct og_memory_broker *b, bool hold); /* then released in reverse order */
void og_memory_broker_block(struct og_memory_broker *b, bool blocked);
/* Its consumers hear on_cancelled, and come back. */
void og_memory_broker_delete(struct og_memory_broker *b, const char *queue);
size_t og_memory_broker_ready(struct og_memory_broker *b, const char *queue); /* messages waiting; 0: no such queue */
size_t og_memory_broker_unacked(struct og_memory_broker *b, const char *queue);

#endif
