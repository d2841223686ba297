/* A job's story, for people: what became of it and when. The times in its record tell that of a job that went straight
 * to its end, at no cost. From the first other event on (og_records_history: it was handed back, …) the record has it
 * in `history`: JSON objects with tabs between them, oldest first, at most 64. */
#ifndef OG_SCHEDULER_HISTORY_H
#define OG_SCHEDULER_HISTORY_H

#include <jansson.h>
#include <stdint.h>

#define OG_HISTORY_WORDS 400 /* bytes of the words kept of one event */

struct og_event {
	int64_t at_ms;    /* wall clock */
	const char *what; /* accepted, queued, placed, started, then what ended it; and what a retry does to it */
	int64_t attempt;  /* 0: of none */
	const char *node_name, *worker, *error, *words; /* each may be NULL or "" */
};

char *og_event_line(const struct og_event *event); /* the caller frees */
json_t *og_event_object(const struct og_event *event);

json_t *og_history_read(const char *text); /* an array; what cannot be read is left out */
/* From the fields of a job as RPC tells them. */
json_t *og_history_of_record(const json_t *job);

#endif
