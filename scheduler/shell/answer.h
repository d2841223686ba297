/* What the scheduler itself says about a job: its end (cancelled, expired, refused, busy …), its progress, and dead
 * letters.
 *
 * An end is a `done` like a worker's, to og.replies, <reply>.done: so it reaches og.state too, and is recorded there
 * like any other. Only when it is confirmed may the job's message go from where it lies: acked in the intake, dropped
 * at the head of its lane. */
#ifndef OG_SCHEDULER_ANSWER_H
#define OG_SCHEDULER_ANSWER_H

#include "shell/letter.h"

/* A job's body, delivered to us and not acked. Bodies of lanes are held until it is their turn. */
struct og_held {
	struct og_source source;
	struct og_message *m; /* NULL: only to be acked */
};
struct og_held *og_held_new(const struct og_source *source, const struct og_message *m); /* copies m */
void og_held_free(struct og_held *h);                                                    /* NULL: none */

/* Ends a job that waits, or one placed long past its deadline. Its entry stays as ENDED until its body has come up,
 * or is gone at once where it had none. */
void og_answer_end(
	struct og_scheduler *s, struct og_entry *e, enum og_state state, const char *error_type, const char *words);
/* As above, for one whose body is in the intake, at `source`: its entry is gone at once. */
void og_answer_turn_away(struct og_scheduler *s, struct og_entry *e, enum og_state state, const char *error_type,
	const char *words, const struct og_source *source);
/* Refuses a request that has no entry, and acks it. */
void og_answer_refuse(struct og_scheduler *s, const struct og_envelope *request, const char *tenant,
	enum og_state state, const char *error_type, const char *words, const struct og_source *source);

/* A `done` of our own, with this body. `about` says what is known of the job, reply_to included. */
void og_answer_done(struct og_scheduler *s, const struct og_envelope *about, enum og_state state,
	const char *error_type, const char *body, og_letter_cb *cb, void *ctx);

/* Its `done` was seen: the job has ended, and its entry goes (or stays as ENDED until its body has come up). */
void og_answer_seen(struct og_scheduler *s, struct og_entry *e);
/* Its body has come up where it lay; h is taken. */
void og_answer_body_came(struct og_scheduler *s, struct og_entry *e, struct og_held *h);
/* Takes the entry away, with what hangs on it. */
void og_answer_forget(struct og_scheduler *s, struct og_entry *e);

bool og_answer_has_lease(const struct og_scheduler *s, const struct og_message *m); /* of a placement of ours */
/* What it says of its tenant and submitter is true: a scheduler wrote it, or a worker with our lease. The lease alone
 * is no proof: the submitter knows it too, from its `done`. */
bool og_answer_believes(const struct og_scheduler *s, const struct og_message *m);
/* Whose it is: its submitter and tenant as its headers say where it is to be believed, else as the broker has checked its
 * user; NULL: nobody's. Returns whether it was believed. */
bool og_answer_owner(
	const struct og_scheduler *s, const struct og_message *m, const char **ret_submitter, const char **ret_tenant);
/* To og.dead.intake with the reason; its submitter is told `failed` where `reply` says where (NULL: nobody is told).
 * Then acked. */
void og_answer_dead(struct og_scheduler *s, const struct og_message *m, const struct og_source *source,
	const char *error_type, const char *reason, const char *reply);

/* Cancels a live job: one that waits, or is placed and that nobody is seen to run, ends now (true); of one that runs its
 * worker is told to stop (false). */
bool og_answer_stop(struct og_scheduler *s, struct og_entry *e, const char *words);

/* `m` for a publish of ours: without the broker's headers, and with `ours` in the place of those of the same names (those
 * that are empty are only left out). Points into both. */
void og_answer_headers(const struct og_message *m, const struct og_header *ours, size_t n, struct og_message *ret);

/* "placed" or "queued", to those who want it. */
void og_answer_progress(struct og_scheduler *s, const struct og_entry *e, enum og_state state);
/* That there will be another attempt, and why (`said`: the hand-back), to those who want chunks or progress. */
void og_answer_again(struct og_scheduler *s, const struct og_entry *e, const struct og_envelope *said);
/* Tells a worker (or, where none is known to run it, all of the tier) to stop. */
void og_answer_cancel(struct og_scheduler *s, const char *id, const struct og_worker *worker, unsigned tier);
/* Tells a worker that its own queue is there. */
void og_answer_node_queue(struct og_scheduler *s, const struct og_worker *worker);

/* Tells a worker to take nothing from its tier's queue until then (wall clock), or to go on (0). */
void og_answer_pause(struct og_scheduler *s, const struct og_worker *worker, int64_t until_ms);

#endif
