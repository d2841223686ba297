#include "io/amqp_acks.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static void settle(struct og_acks *a, uint64_t tag)
{
	a->held--;
	a->settled[tag % OG_ACKS_SPAN / 8] |= (uint8_t)(1u << tag % 8);
}

/* A tag's bit is cleared as `below` passes it: it is the next round's. */
static bool take_settled(struct og_acks *a, uint64_t tag)
{
	uint8_t bit = (uint8_t)(1u << tag % 8);
	uint8_t *byte = &a->settled[tag % OG_ACKS_SPAN / 8];
	bool yes = *byte & bit;

	*byte &= (uint8_t)~bit;
	return yes;
}

void og_acks_restart(struct og_acks *a)
{
	a->below = a->last = a->held = 0;
	a->lost = false;
	a->n_turn = 0;
	memset(a->settled, 0, sizeof(a->settled));
}

void og_acks_done(struct og_acks *a)
{
	free(OG_TAKE(a->turn));
}

void og_acks_delivered(struct og_acks *a, uint64_t tag)
{
	a->last = tag;
	a->held++;
	if (tag - a->below > OG_ACKS_SPAN)
		a->lost = true;
}

void og_acks_rejected(struct og_acks *a, uint64_t tag)
{
	settle(a, tag);
}

void og_acks_add(struct og_acks *a, uint64_t tag)
{
	settle(a, tag);
	if (a->n_turn == a->room) {
		a->room = a->room ? 2 * a->room : 64;
		a->turn = og_realloc(a->turn, a->room * sizeof(*a->turn));
	}
	a->turn[a->n_turn++] = tag;
}

static void pass_settled(struct og_acks *a)
{
	if (a->lost)
		return;
	while (a->below < a->last && take_settled(a, a->below + 1))
		a->below++;
}

/* Nothing is held: all that was ever delivered is settled, however wide it lay. */
static void forget(struct og_acks *a)
{
	a->below = a->last;
	a->lost = false;
	memset(a->settled, 0, sizeof(a->settled));
}

void og_acks_flush(struct og_acks *a, og_acks_say *say, void *ctx)
{
	uint64_t top = 0;
	size_t together = 0;

	if (!a->n_turn)
		return;
	pass_settled(a);
	if (!a->held)
		forget(a);
	for (size_t i = 0; i < a->n_turn; i++) {
		uint64_t tag = a->turn[i];

		if (tag > a->below) {
			say(ctx, tag, false);
			continue;
		}
		together++;
		top = tag > top ? tag : top; /* the broker knows only a tag that it was not told yet */
	}
	if (together)
		say(ctx, top, together > 1);
	a->n_turn = 0;
}
