/* The events that webhooks tell: OpenAI's of responses and batches, and ours of jobs. Pure. */
#ifndef OG_WEBHOOK_EVENT_H
#define OG_WEBHOOK_EVENT_H

#include <jansson.h>
#include <stdbool.h>

#include "model/names.h"

#define OG_EVENT_ID_SIZE (sizeof("evt_") + 32) /* of any id that is a word and 32 hex digits: "del_…" fits too */

extern const char *const og_event_types[]; /* NULL behind the last */
bool og_event_is_type(const char *type);

/* The type of what a job's end is; static. `of`: "response" or "job"; `state`: terminal; `response`: the engine's answer, NULL: it is not
 * known (any more). */
const char *og_event_of_job(const char *of, const char *state, const json_t *response);
/* NULL: a batch of this status has not ended. */
const char *og_event_of_batch(const char *status);

/* <word>_<32 hex digits> made of two texts: the same whoever makes it, and however often. */
void og_event_id(const char *word, const char *of, const char *what, char ret[static OG_EVENT_ID_SIZE]);
/* {"object": "event", "id", "type", "created_at", "data": {"id"}}; `id`: that of the response, batch or job. A new reference. */
json_t *og_event_new(const char *type, const char *id, int64_t created_s);

#endif
