/* Which deliveries of a channel are to be acked, gathered over a turn of the loop. Pure, so that a test can be the channel.
 *
 * One ack may settle all deliveries up to its tag (AMQP 0-9-1, basic.ack, "multiple"). For the broker that is one entry of a
 * quorum queue's log instead of one a delivery. So what is settled without a hole from the lowest tag on is said in one ack,
 * and only what lies behind a hole is acked on its own:
 *
 *       below            hole
 *   ─────┬─────────────────┬────────────────▶ tags
 *        │ one ack for all │ an ack for each
 *        └─────────────────┘
 *
 * A delivery that is held long (the head of a lane) makes a hole that the tags run away from. Beyond OG_ACKS_SPAN it is not
 * known any more what is settled: each is acked on its own then, until nothing is held. */
#ifndef OG_IO_AMQP_ACKS_H
#define OG_IO_AMQP_ACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OG_ACKS_SPAN 4096 /* tags, a power of two */

struct og_acks {
	uint64_t below; /* this tag and all before are settled */
	uint64_t last;  /* the newest delivery */
	uint64_t held;  /* deliveries that are not settled */
	bool lost;      /* the span was too small */
	uint8_t settled[OG_ACKS_SPAN / 8];
	uint64_t *turn; /* acked in this turn and not said */
	size_t n_turn, room;
};

typedef void og_acks_say(void *ctx, uint64_t tag, bool multiple);

void og_acks_restart(struct og_acks *a); /* a new channel: tags begin anew */
void og_acks_done(struct og_acks *a);

void og_acks_delivered(struct og_acks *a, uint64_t tag);
void og_acks_rejected(struct og_acks *a, uint64_t tag); /* said by the caller */
void og_acks_add(struct og_acks *a, uint64_t tag);
/* The end of the turn: as few acks as do. */
void og_acks_flush(struct og_acks *a, og_acks_say *say, void *ctx);

#endif
