/* Moves: a job's message from the intake or its lane to its lane or its tier's queue. One publish, and only when it
 * is confirmed the ack of where it came from. No copy is kept of what comes from the intake: it is still there until
 * it is acked. */
#ifndef OG_SCHEDULER_MOVE_H
#define OG_SCHEDULER_MOVE_H

#include "shell/answer.h"

/* Takes away from what a client says what is ours to say. */
void og_move_strip(struct og_envelope *said);
/* A job's headers from the intake on: what its client may say (`said`, decoded; stripped where it is a client's), and
 * what we know. */
struct og_envelope og_move_envelope(
	const struct og_scheduler *s, const struct og_envelope *said, const struct og_entry *e);

/* `request` is the job's envelope, complete but for what a placement adds. -1: no room in the publish window now,
 * nothing was done. `w`: to its own queue; NULL: to the tier's. On 0 the move owns `held` (NULL where the message is the intake's, at `source`). What comes from
 * og.retry is held, and goes back there (retry.h) where it cannot move. */
int og_move_to_work(struct og_scheduler *s, struct og_entry *e, const struct og_message *m,
	const struct og_envelope *request, const struct og_source *source, struct og_held *held, struct og_worker *w);
int og_move_to_lane(struct og_scheduler *s, struct og_entry *e, const struct og_message *m,
	const struct og_envelope *request, const struct og_source *source, struct og_held *held);

/* The job was delivered (`again`: by og.retry) while its move is under way. True: the same message again, after its
 * connection was lost; it is acked when the move has settled. False: another copy of it. */
bool og_move_redelivered(struct og_move *move, const struct og_source *source, bool again);
/* The entry goes before its move has settled. */
void og_move_detach(struct og_move *move);

/* The broker could not take a move: nothing is moved for a second. */
bool og_moves_blocked(const struct og_scheduler *s);

#endif
