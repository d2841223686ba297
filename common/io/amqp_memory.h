/* A broker in memory, for unit tests of what stands on io/amqp.h: exchanges (direct, topic, fanout), queues with max-length and
 * reject-publish or drop-head, prefetch, acks, redelivery with x-delivery-count on quorum queues, exclusive queues (a second declare keeps the second client down, which is
 * the leader lock), mandatory returns, user_id checks. Callbacks run from the loop, never from inside the call that caused them. */
#ifndef OG_IO_AMQP_MEMORY_H
#define OG_IO_AMQP_MEMORY_H

#include "io/amqp.h"

struct og_memory_broker;

struct og_memory_broker *og_memory_broker_new(uv_loop_t *loop, const struct og_topology *t); /* t may be NULL */
void og_memory_broker_free(struct og_memory_broker *b);
struct og_amqp *og_memory_broker_connect(struct og_memory_broker *b, const char *user,
	const struct og_amqp_config *config, const struct og_amqp_events *events);

/* Faults and looks. */
void og_memory_broker_drop(
	struct og_memory_broker *b, struct og_amqp *c); /* the connection is cut; the client comes back by itself */
void og_memory_broker_hold_confirms(struct og_memory_broker *b, bool hold); /* then released in reverse order */
void og_memory_broker_block(struct og_memory_broker *b, bool blocked);
size_t og_memory_broker_ready(
	struct og_memory_broker *b, const char *queue); /* messages waiting; 0 for no such queue */
size_t og_memory_broker_unacked(struct og_memory_broker *b, const char *queue);

#endif
