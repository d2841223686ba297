/* A job's story, for people: what became of it and when, JSON objects with tabs between them in the field `history` of its
 * record, oldest first, at most 64 (the scripts count). They are written with the record itself, so a job that goes
 * straight through costs no call more. */
#ifndef OG_SCHEDULER_HISTORY_H
#define OG_SCHEDULER_HISTORY_H

#include <jansson.h>
#include <stdint.h>

#include "model/envelope.h"
#include "model/message.h"

#define OG_HISTORY_WORDS 400 /* bytes of the words kept of one event */

struct og_event {
	int64_t at_ms;    /* wall clock */
	const char *what; /* accepted, queued, placed, started, then what ended it; and what a retry does to it */
	int64_t attempt;  /* 0: of none */
	const char *node_name, *worker, *error, *words; /* each may be NULL or "" */
};

char *og_event_line(const struct og_event *event); /* the caller frees */
json_t *og_event_object(const struct og_event *event);

/* How a `done` is told: that it was started (NULL where no worker ran it), and how it ended. The caller frees both. */
void og_events_of_done(
	const struct og_envelope *done, const struct og_message *m, int64_t wall, char **ret_started, char **ret_ended);

json_t *og_history_read(const char *text); /* an array; what cannot be read is left out */

#endif
