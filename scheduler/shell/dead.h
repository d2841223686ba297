/* Walking og.dead. AMQP can look into a queue only by taking from it: so a walk has a connection of its own, takes all that
 * there is, one after the other, acks what it is to take out, and closes the connection: the broker puts the rest back, in
 * its place. It has ended when nothing has come for OG_WALK_IDLE_MS, and what it requeues is confirmed.
 *
 * One walk a question, one at a time; the others wait. */
#ifndef OG_SCHEDULER_DEAD_H
#define OG_SCHEDULER_DEAD_H

#include "shell/rpc.h"

#define OG_WALK_IDLE_MS  500
#define OG_WALK_MAX_MS   60000       /* then what was found is answered */
#define OG_WALKS_MAX     32          /* questions that wait */
#define OG_WALK_IDS_MAX  10000       /* that are named in an answer */
#define OG_WALK_HELD_MAX (16u << 20) /* bytes of letters that wait to be requeued */

enum og_dead_verb { OG_DEAD_LIST, OG_DEAD_SHOW, OG_DEAD_REQUEUE, OG_DEAD_DROP };

/* What is asked, and what was found so far. */
struct og_walk {
	struct og_walk *prev, *next; /* those that wait; the first is under way */
	struct og_question *q;
	enum og_dead_verb verb;
	json_t *args; /* for the filters */
	int64_t limit;
	struct og_connection connection;
	bool open;
	int64_t began, last;   /* monotonic: when something came last */
	json_t *letters, *ids; /* arrays */
	size_t total, conflicts, refused;
	struct og_held_letter *waiting; /* to be requeued, when there is room to publish */
	size_t held;                    /* bytes of them */
	char why[256], why_type[32];    /* one could not be requeued */
};

/* Takes q; begins when its turn has come. */
void og_dead_ask(struct og_question *q, enum og_dead_verb verb, const json_t *args, int64_t limit);
void og_dead_tick(struct og_scheduler *s, int64_t now);
void og_dead_drop(struct og_scheduler *s);                                            /* the term ends */
bool og_dead_is_source(const struct og_scheduler *s, const struct og_source *source); /* it is the walk's */

/* --- between dead.c, requeue.c and rpc_dead.c --- */

void og_dead_answer(struct og_walk *w); /* it has ended; answers, and frees the question */
/* A letter, decoded, as an object; `body`: with its body. */
json_t *og_dead_object(
	const struct og_scheduler *s, const struct og_message *m, const struct og_envelope *e, bool body);
bool og_dead_fits(const struct og_walk *w, const struct og_message *m, const struct og_envelope *e);

/* The letter begins anew, as a job. */
void og_requeue(struct og_walk *w, const struct og_message *m, uint64_t epoch);
/* Its move was refused: it is not acked, and the broker puts it back when the walk ends. Within the walk that it is of. */
void og_requeue_stays(struct og_scheduler *s, const char *id);
void og_requeue_go_on(struct og_walk *w); /* those that found no room */
void og_requeue_drop(struct og_walk *w);

#endif
