/* The connection of who submits prompts (og, the gateway): the broker, a reply queue of its own, the RPC calls, and the bounds on waiting for any of
 * it.
 *
 * The client below reconnects by itself; each connection gets a new reply key (the old queue may still be held by the
 * dead connection), so after on_up whoever waits must ask again under og_session_reply. The bound: from the opening,
 * or from the loss of the connection, until the broker has confirmed or delivered something. When it passes, or when
 * the broker refuses who we are, on_over is called, once, and nothing after it. */
#ifndef OG_SERVICE_SESSION_H
#define OG_SERVICE_SESSION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "io/amqp.h"
#include "model/envelope.h"
#include "model/job.h"
#include "model/settings.h"

#define OG_LOST_MS 120000 /* how long a connection that once worked may stay away */

struct og_session_handler { /* each may be NULL */
	void (*on_up)(void *ctx);
	void (*on_down)(void *ctx, const struct og_error *why); /* it was up */
	/* A message on the reply queue, decoded; both live during the call. Those that do not decode are dropped. Of a
	 * type that is no job's (a ping), e->id may be NULL. */
	void (*on_message)(void *ctx, const struct og_envelope *e, const struct og_message *m);
	void (*on_over)(void *ctx, enum og_exit exit, const struct og_error *why);
	void *ctx;
};

struct og_session_config {
	const struct og_settings *settings;
	const char *role;   /* whose credentials: the name of their file; NULL: producer */
	const char *user;   /* whose reply key it is */
	bool deaf;          /* no reply queue: for who only submits */
	const char *name;   /* of the connection, for people who look at the broker; NULL: og */
	int64_t connect_ms; /* the bound on the first connection; 0: none */
	int64_t lost_ms;    /* and on each one after it; likewise */
	/* Opens the client: og_session_dial, or a test's twin. */
	struct og_amqp *(*dial)(void *ctx, uv_loop_t *loop, const struct og_session_config *config,
		const struct og_amqp_events *events, struct og_error *err);
	void *dial_ctx;
};

struct og_session;

struct og_amqp *og_session_dial(void *ctx, uv_loop_t *loop, const struct og_session_config *config,
	const struct og_amqp_events *events, struct og_error *err);

/* NULL: the configuration cannot be used (INVALID, FATAL). `config` is copied; what it points to is borrowed. */
struct og_session *og_session_open(uv_loop_t *loop, const struct og_session_config *config,
	const struct og_session_handler *handler, struct og_error *err);
void og_session_close(struct og_session *s, void (*cb)(void *ctx), void *ctx); /* `s` is gone when cb is called */

const char *og_session_reply(const struct og_session *s); /* the reply key of this connection */

/* Publishes, mandatory. `cb` (may be NULL) is called at most once; LOST: publish again at the next on_up. A message
 * that the broker does not even take (no such exchange, no permission) ends the session by on_over. */
int og_session_publish(
	struct og_session *s, const struct og_message *m, og_settled_cb *cb, void *ctx, struct og_error *err);

/* Asks the leading scheduler; takes over `body` (NULL: an empty object). The answer is a message of type rpc_reply
 * with `id`. A cluster without a queue for questions ends the session by on_over. */
int og_session_ask(
	struct og_session *s, const char *verb, json_t *body, char id[static OG_ID_LEN + 1], struct og_error *err);

#endif
