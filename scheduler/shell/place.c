#include "shell/place.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "shell/move.h"
#include "shell/node_queue.h"

#define LOOK_MS 200 /* a queue that was just made is looked at again */

enum og_placing og_place(struct og_scheduler *s, struct og_entry *e, const struct og_message *m,
	const struct og_envelope *request, const struct og_source *source, struct og_held *held)
{
	const struct og_wish wish = {.session = request->session,
		.avoid = request->avoid,
		.tried = request->tried,
		.region = request->region,
		.alone = request->suspect};
	int64_t now = og_clock_mono_ms();
	struct og_worker *w = NULL;
	enum og_node_queue_state queue;

	switch (og_plan_choose(&s->plan, e, &wish, now, &w)) {
	case OG_CHOICE_LATER:
		return OG_PLACING_LATER;
	case OG_CHOICE_NONE:
		return OG_PLACING_NOBODY;
	case OG_CHOICE_ANY: /* one that is to show that it works again takes the next that comes */
		w = s->plan.breakers ? og_plan_probe(&s->plan, e->tier, now) : NULL;
		if (!w || og_node_queue_want(s, w, now) == OG_NODE_QUEUE_READ)
			break;
		w = NULL; /* not yet: the others need not wait for it */
		if (!og_plan_room_for_all(&s->plan, e->tier)) {
			e->hold_until = now + LOOK_MS;
			return OG_PLACING_LATER;
		}
		break;
	case OG_CHOICE_WORKER:
		queue = og_node_queue_want(s, w, now);
		if (queue == OG_NODE_QUEUE_READ)
			break;
		/* Where it must not run it must not run, however long that takes. */
		if (queue == OG_NODE_QUEUE_COMING || wish.avoid || wish.region) {
			e->hold_until = now + LOOK_MS;
			return OG_PLACING_LATER;
		}
		w = NULL;
		break;
	}
	if (og_move_to_work(s, e, m, request, source, held, w) != 0)
		return OG_PLACING_NO_ROOM;
	free(e->session);
	e->session = og_strdup(wish.session);
	return OG_PLACING_GOES;
}
