#include "io/amqp_acks.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define FIRST_ROOM 64

void og_acks_restart(struct og_acks *a)
{
	a->first = a->n = a->n_turn = 0;
}

void og_acks_done(struct og_acks *a)
{
	free(OG_TAKE(a->held));
	free(OG_TAKE(a->turn));
	*a = (struct og_acks){0};
}

void og_acks_delivered(struct og_acks *a, uint64_t tag)
{
	if (a->first + a->n == a->room) {
		if (a->first < a->room / 2 || !a->room) {
			a->room = a->room ? 2 * a->room : FIRST_ROOM;
			a->held = og_realloc(a->held, a->room * sizeof(*a->held));
		} else {
			memmove(a->held, a->held + a->first, a->n * sizeof(*a->held));
			a->first = 0;
		}
	}
	a->held[a->first + a->n++] = tag;
}

static int by_tag(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* False: it is not held. The lower ones move up, or the higher ones down, whichever are fewer: those that are settled in
 * their order move nobody. */
static bool let_go(struct og_acks *a, uint64_t tag)
{
	uint64_t *from = a->held + a->first, *at = a->n ? bsearch(&tag, from, a->n, sizeof(tag), by_tag) : NULL;
	size_t below, above;

	if (!at)
		return false;
	below = (size_t)(at - from);
	above = --a->n - below;
	if (below <= above) {
		memmove(from + 1, from, below * sizeof(tag));
		a->first++;
	} else {
		memmove(at, at + 1, above * sizeof(tag));
	}
	return true;
}

void og_acks_rejected(struct og_acks *a, uint64_t tag)
{
	let_go(a, tag);
}

void og_acks_add(struct og_acks *a, uint64_t tag)
{
	if (!let_go(a, tag))
		return;
	if (a->n_turn == a->turn_room) {
		a->turn_room = a->turn_room ? 2 * a->turn_room : FIRST_ROOM;
		a->turn = og_realloc(a->turn, a->turn_room * sizeof(*a->turn));
	}
	a->turn[a->n_turn++] = tag;
}

void og_acks_flush(struct og_acks *a, og_acks_say *say, void *ctx)
{
	uint64_t lowest_held = a->n ? a->held[a->first] : UINT64_MAX, top = 0;
	size_t together = 0;

	for (size_t i = 0; i < a->n_turn; i++) {
		uint64_t tag = a->turn[i];

		if (tag > lowest_held) {
			say(ctx, tag, false);
			continue;
		}
		together++;
		top = tag > top ? tag : top;
	}
	if (together) /* it names the highest of this turn: the broker knows no tag that it was told before */
		say(ctx, top, together > 1);
	a->n_turn = 0;
}
