/* Frames: bytes from the wire into methods and whole messages, and methods and messages into bytes. No I/O.
 *
 *   frame:    type 1 │ channel 2 │ size 4 │ payload │ 0xCE
 *   content:  method frame (deliver, return) → header frame → body frames until its size is reached */
#ifndef OG_IO_AMQP_FRAMES_H
#define OG_IO_AMQP_FRAMES_H

#include <amqp.h>
#include <amqp_framing.h>

#include "base/buf.h"
#include "base/error.h"
#include "io/amqp.h"

#define OG_FRAME_MAX     131072u /* what we offer; the broker may have less */
#define OG_FRAME_CHANNEL 1       /* the only one */

struct og_frames_events {
	/* `decoded` is the amqp_…_t of the method. -1 stops the feed (err filled). */
	int (*on_method)(void *ctx, amqp_method_number_t id, void *decoded, struct og_error *err);
	/* basic.deliver or basic.return with its content. m->body is NULL where it was over OG_AMQP_BODY_CAP and
	 * thrown away (body_len still tells its size). */
	int (*on_content)(void *ctx, amqp_method_number_t id, void *decoded, const struct og_message *m,
		uint64_t ticket, struct og_error *err);
};

struct og_frames {
	const struct og_frames_events *events;
	void *ctx;
	struct og_buf partial; /* the beginning of a frame whose end has not come yet */
	enum { OG_FRAMES_METHOD, OG_FRAMES_HEADER, OG_FRAMES_BODY } want;
	amqp_method_number_t method;
	struct og_buf method_args, header, body;
	uint64_t body_size, body_seen;
	amqp_pool_t pool;
};

void og_frames_init(struct og_frames *f, const struct og_frames_events *events, void *ctx);
void og_frames_done(struct og_frames *f);
void og_frames_reset(struct og_frames *f); /* a new connection */
/* All of the bytes are taken. -1: not AMQP, or an event stopped it. */
int og_frames_feed(struct og_frames *f, const char *data, size_t len, struct og_error *err);

/* Appended to `out`, which needs a cap that they do not reach. */
void og_frames_put_protocol(struct og_buf *out);
void og_frames_put_heartbeat(struct og_buf *out);
void og_frames_put_method(struct og_buf *out, uint16_t channel, amqp_method_number_t id, void *decoded);
/* `ticket` comes back with a basic.return; 0: none. */
void og_frames_put_publish(
	struct og_buf *out, const struct og_message *m, bool mandatory, uint64_t ticket, uint32_t frame_max);

#endif
