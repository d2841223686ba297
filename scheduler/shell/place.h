/* Placing: to the tier's queue, or to that of the one worker which the choice names (plan/choose.h). */
#ifndef OG_SCHEDULER_PLACE_H
#define OG_SCHEDULER_PLACE_H

#include "shell/answer.h"

enum og_placing {
	OG_PLACING_GOES,    /* its move has begun */
	OG_PLACING_LATER,   /* it waits for a worker: hold_until of the entry is set */
	OG_PLACING_NO_ROOM, /* in the publish window */
	OG_PLACING_NOBODY,  /* it may go to nobody that there is: it ends no_capacity */
};
/* As og_move_to_work. But for GOES nothing was done, and `held` is still the caller's. */
enum og_placing og_place(struct og_scheduler *s, struct og_entry *e, const struct og_message *m,
	const struct og_envelope *request, const struct og_source *source, struct og_held *held);

#define OG_PLACE_NOBODY "no worker that it may run on has been there: og-avoid and og-region leave none"

#endif
