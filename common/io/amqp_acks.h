/* Which deliveries of a channel are to be acked, gathered over a turn of the loop. Pure, so that a test can be the channel.
 *
 * One ack may settle all deliveries up to its tag (AMQP 0-9-1, basic.ack, "multiple"). For the broker that is one entry of a
 * quorum queue's log instead of one a delivery. So what was acked in a turn and lies before all that is still held is said in
 * one; what lies behind a delivery that is held is acked on its own:
 *
 *       acked            held
 *   ──────────────────────┬─────────────────▶ tags
 *     one ack for all     │ an ack for each
 *                         └
 */
#ifndef OG_IO_AMQP_ACKS_H
#define OG_IO_AMQP_ACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct og_acks {
	uint64_t *held; /* tags that are not settled, the lowest at `first`; they come in their order */
	size_t first, n, room;
	uint64_t *turn; /* acked in this turn and not said */
	size_t n_turn, turn_room;
};

typedef void og_acks_say(void *ctx, uint64_t tag, bool multiple);

void og_acks_restart(struct og_acks *a); /* a new channel: tags begin anew */
void og_acks_done(struct og_acks *a);

void og_acks_delivered(struct og_acks *a, uint64_t tag);
void og_acks_rejected(struct og_acks *a, uint64_t tag); /* said by the caller */
void og_acks_add(struct og_acks *a, uint64_t tag);      /* one that is not held is not said */
/* The end of the turn: as few acks as do. */
void og_acks_flush(struct og_acks *a, og_acks_say *say, void *ctx);

#endif
