/* The confirm window: what was published and is not settled yet. Pure, so that a test can be the broker.
 *
 * Tags count from 1 on each connection, as the broker's do; a publish lives in a ring, at its tag:
 *
 *       head              next              tail
 *   ─────┬──────────────────┬─────────────────┬────▶ tags
 *        │ sent, some holes │ not sent yet    │
 *        └──────────────────┴─────────────────┘
 *
 * Settling may call back into anything, also into og_window_add and og_window_close; every publish is settled
 * exactly once. */
#ifndef OG_IO_AMQP_WINDOW_H
#define OG_IO_AMQP_WINDOW_H

#include "io/amqp.h"

#define OG_WINDOW_BYTES (64u * 1024 * 1024) /* of bodies; a single larger one is let in when it is alone */

struct og_publish {
	struct og_message *m; /* NULL: settled */
	unsigned flags;
	bool returned;
	og_settled_cb *cb;
	void *ctx;
	struct og_joint *joint; /* a bundle's parts, and who waits beside `cb`; mostly NULL */
};

struct og_window {
	struct og_publish *ring;
	uint64_t room; /* slots of the ring, a power of two */
	uint64_t head, next, tail;
	unsigned count, limit; /* of messages, those that joined too */
	size_t bytes;
	bool starved; /* someone was told BUSY and waits for room */
};

void og_window_init(struct og_window *w, unsigned limit);
void og_window_close(struct og_window *w); /* settles all as LOST and frees */

/* Copies the message; -1: full. With OG_PUBLISH_BUNDLE it joins the last one, where that allows it too, goes to the same
 * place and was not sent. */
int og_window_add(struct og_window *w, const struct og_message *m, unsigned flags, og_settled_cb *cb, void *ctx);
/* The next one to send, now counted as sent with *ret_tag; NULL: none. Owned by the window. */
const struct og_publish *og_window_next(struct og_window *w, uint64_t *ret_tag);
/* The broker's ack (CONFIRMED) or nack (NACKED). -1: it names a publish that was never sent. */
int og_window_settle(struct og_window *w, uint64_t tag, bool multiple, enum og_settled how);
void og_window_returned(struct og_window *w, uint64_t tag); /* its ack, which follows, will mean RETURNED */

/* The connection is gone. What was sent settles as LOST, or (keep) is to be sent again, in its order, before what
 * was not sent yet. Returns how many are to be sent again. */
unsigned og_window_restart(struct og_window *w, bool keep);
/* True once after an add was refused and there is room again. */
bool og_window_room_again(struct og_window *w);

#endif
