/* Messages that have to arrive: kept until the broker has confirmed them, sent again when it refuses, however long
 * that takes (or until the term ends: then whoever leads next does it again, from what the broker requeues).
 *
 * Work and lane moves do not go this way: they keep no copy, because what they move is still in the queue it came
 * from. */
#ifndef OG_SCHEDULER_LETTER_H
#define OG_SCHEDULER_LETTER_H

#include "shell/scheduler.h"

#define OG_LETTERS_HIGH 10000 /* beyond it ends that can wait do */

/* It has arrived (returned: somewhere, or nowhere, where OG_PUBLISH_MANDATORY was asked for). Called in the same
 * term, or not at all: then `ctx` is freed with free(). */
typedef void og_letter_cb(struct og_scheduler *s, void *ctx, bool returned);

/* Takes `ctx` (from og_alloc; may be NULL), which cb has to free. cb may be NULL. */
void og_letter_send(struct og_scheduler *s, const struct og_message *m, unsigned flags, og_letter_cb *cb, void *ctx);
void og_letters_kick(struct og_scheduler *s, int64_t now); /* sends what waits, as far as there is room */
void og_letters_drop(struct og_scheduler *s);              /* the term ends */

#endif
