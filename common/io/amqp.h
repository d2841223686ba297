/* An AMQP 0-9-1 client on a libuv loop: one connection, one channel, non-blocking.
 *
 * Programs see `struct og_amqp`, an ops table; there are two of it: amqp_rabbit.c (a real broker; librabbitmq is its
 * codec) and amqp_memory.c (a small broker in memory, for tests). Everything happens on the loop's thread, and no
 * callback is called from inside a call of this header; callbacks may call any function of it, og_amqp_close
 * included.
 *
 * Life. og_amqp_open returns at once. The client connects (trying each endpoint in turn, with backoff and jitter),
 * runs its *recipe* (the declares, binds and consumes it was given, in their order) and calls on_up. When the
 * connection is lost it calls on_down, and begins again by itself: same recipe, fresh consumer tags, and what was
 * published and not confirmed is published again, with the same message_id, unless `republish` is off: then it
 * settles as LOST. A connection is also given up when the broker cancels a consumer, closes the channel, or says
 * nothing for 2 heartbeats.
 *
 * The process must ignore SIGPIPE (og_service_start sees to it).
 *
 * Each connection is an *epoch*: acks for deliveries of an earlier one are dropped silently (the broker has requeued
 * them). */
#ifndef OG_IO_AMQP_H
#define OG_IO_AMQP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "model/message.h"
#include "model/topology.h"

struct og_amqp;

/* How a publish ended. Success is CONFIRMED alone: a returned message is confirmed by the broker too, and we tell
 * the two apart. */
enum og_settled {
	OG_CONFIRMED,
	OG_NACKED,   /* the broker refused it: a queue is full (reject-publish), no such exchange, no permission */
	OG_RETURNED, /* mandatory, and no queue took it */
	OG_LOST,     /* the connection went before the confirm, and `republish` is off, or the client was closed */
};

typedef void og_settled_cb(void *ctx, enum og_settled how);
/* `m` lives during the call. `epoch` and m->delivery_tag are what og_amqp_ack wants. */
typedef void og_delivery_cb(void *ctx, const struct og_message *m, uint64_t epoch);

struct og_amqp_events { /* each may be NULL */
	/* Never after a delivery of that epoch. */
	void (*on_up)(void *ctx, uint64_t epoch);
	/* Each failed attempt to connect as well; a step of the recipe that fails is one. FATAL: the broker refused
	 * who we are or what we ask for (password, vhost, permission, a queue that exists with other arguments).
	 * BUSY: an exclusive queue of the recipe is another's; asked again about every second. It goes on trying
	 * whatever the kind. */
	void (*on_down)(void *ctx, const struct og_error *why);
	/* connection.blocked: an alarm of the broker; publishes are kept meanwhile, up to the window. A blocked
	 * connection that goes down is told unblocked first. */
	void (*on_blocked)(void *ctx, bool blocked, const char *reason);
	/* A delivery over OG_AMQP_BODY_CAP: `m` has its length and no body. Whoever listens settles it; where nobody
	 * does it is rejected. */
	void (*on_oversized)(void *ctx, const struct og_message *m, uint64_t epoch);
	/* The broker cancelled a consumer (its queue was deleted); on_down follows, and the reconnect declares it
	 * again. */
	void (*on_cancelled)(void *ctx, const char *queue);
	void *ctx;
};

/* All of it is copied. */
struct og_amqp_config {
	const char *endpoints; /* "host:port,host:port", "[::1]:5672"; port 5672 (TLS: 5671) where left out */
	const char *vhost, *user, *password;
	const char *name; /* connection_name, for people who look at the broker */
	bool tls, tls_verify_host;
	const char *tls_ca, *tls_cert, *tls_key; /* PEM paths; ca is mandatory with tls, cert and key go together */
	int64_t heartbeat_ms, connect_timeout_ms;
	int64_t answer_timeout_ms; /* to a declare, bind or consume: then the connection is made anew; 0: 30 s */
	unsigned window;           /* publishes without their confirm, at most */
	bool republish;
	unsigned prefetch_global; /* of the channel, beside each consumer's own; 0: none. Quorum queues refuse it */
};

#define OG_PUBLISH_MANDATORY 1u
/* It may travel with others of this turn of the loop that go to the same place, in one message (amqp_bundle.h): for
 * readers that are known to open one, which our own clients do by themselves. None waits for company. */
#define OG_PUBLISH_BUNDLE 2u

/* Bytes of a message's body, both ways: an answer at its own cap and the JSON around it. A delivery above it is
 * not read into memory: see on_oversized. */
#define OG_AMQP_BODY_CAP (OG_BODY_MAX + 64u * 1024)

struct og_amqp_ops {
	/* 0, or -1: BUSY when the window is full (in messages or bytes: amqp_window.h; on_writable tells when there
	 * is room again), INVALID when the message cannot be sent (a string too long, a body over the cap, a user_id
	 * not our own; where the message has none it is set), RETRY after close. On 0 the message was copied, and
	 * `cb` (may be NULL) is called exactly once. While the connection is down or blocked publishes are kept and
	 * go out afterwards. */
	int (*publish)(struct og_amqp *c, const struct og_message *m, unsigned flags, og_settled_cb *cb, void *ctx,
		struct og_error *err);
	/* May be called before the loop first runs, and at any time later (then the step is also run at once where the
	 * connection is up). All is copied. A step that the broker refuses takes the connection down: see on_down. */
	void (*recipe_exchange)(struct og_amqp *c, const struct og_exchange *x);
	void (*recipe_queue)(struct og_amqp *c, const struct og_queue *q);
	void (*recipe_bind)(struct og_amqp *c, const struct og_binding *b);
	/* prefetch 0: no limit. priority: x-priority, 0 none. Returns a handle (not 0) for cancel. */
	unsigned (*recipe_consume)(
		struct og_amqp *c, const char *queue, unsigned prefetch, int priority, og_delivery_cb *cb, void *ctx);
	/* Forgets every step and cancels the consumers: for on_down, where a program wants the next connection to
	 * declare under fresh names. */
	void (*recipe_clear)(struct og_amqp *c);
	/* Out of the recipe as well; its callback is not called again. Deliveries already held stay held; those
	 * still on their way are requeued. */
	void (*cancel)(struct og_amqp *c, unsigned consumer);
	/* As cancel, but what is still on its way to us comes to the consumer's callback first, charged no delivery,
	 * and then `cb` is called: from there on its queue may be consumed again, once nothing of it is held. False:
	 * there is no connection or no such consumer, and nothing to wait for. `cb` is not called where the
	 * connection goes before (on_down tells), nor after cancel or recipe_clear.
	 * RabbitMQ 3.10 closes the connection (INTERNAL_ERROR) where a quorum queue is just sending to a consumer
	 * that is cancelled. One whose prefetch is all held is safe, and one whose queue is empty. */
	bool (*stop)(struct og_amqp *c, unsigned consumer, void (*cb)(void *ctx), void *ctx);
	/* Said at the end of the turn. A part of a bundle is settled with its last: until then all of it may come again. */
	void (*ack)(struct og_amqp *c, uint64_t epoch, uint64_t tag);
	void (*reject)(struct og_amqp *c, uint64_t epoch, uint64_t tag, bool requeue);
	/* Called once each time the window has room again after a BUSY. */
	void (*on_writable)(struct og_amqp *c, void (*cb)(void *ctx), void *ctx);
	unsigned (*in_flight)(struct og_amqp *c); /* publishes not settled yet */
	bool (*is_up)(struct og_amqp *c);
	const char *(*endpoint)(struct og_amqp *c); /* the one it is or was last connected to */
	uint64_t (*oversized)(struct og_amqp *c);   /* deliveries over OG_AMQP_BODY_CAP, since open */
	/* Closes without blocking, calls cb (may be NULL) when all is freed: `c` is gone then. No callbacks come any
	 * more but those of publishes: where the broker still listens it has a second to confirm them, the others
	 * are LOST. */
	void (*close)(struct og_amqp *c, void (*cb)(void *ctx), void *ctx);
};

struct og_amqp {
	const struct og_amqp_ops *ops;
};

/* NULL and INVALID when the configuration cannot be used: no endpoint, a bad port, a certificate that cannot be
 * read. */
struct og_amqp *og_amqp_open(uv_loop_t *loop, const struct og_amqp_config *config, const struct og_amqp_events *events,
	struct og_error *err);

static inline int og_amqp_publish(struct og_amqp *c, const struct og_message *m, unsigned flags, og_settled_cb *cb,
	void *ctx, struct og_error *err)
{
	return c->ops->publish(c, m, flags, cb, ctx, err);
}
static inline void og_amqp_ack(struct og_amqp *c, uint64_t epoch, uint64_t tag)
{
	c->ops->ack(c, epoch, tag);
}
static inline void og_amqp_reject(struct og_amqp *c, uint64_t epoch, uint64_t tag, bool requeue)
{
	c->ops->reject(c, epoch, tag, requeue);
}
static inline void og_amqp_close(struct og_amqp *c, void (*cb)(void *ctx), void *ctx)
{
	if (c)
		c->ops->close(c, cb, ctx);
	else if (cb)
		cb(ctx);
}

#endif
