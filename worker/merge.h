/* Adds up the deltas of a stream: texts are joined, objects merged key by key, array items by their `index`.
 *
 *   {"index":0,"delta":{"content":"He"}}  +  {"index":0,"delta":{"content":"llo"},"finish_reason":"stop"}
 *     = {"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}
 *
 * So whatever an engine streams beside the content (tool calls, reasoning, log probabilities) ends up whole in the
 * answer without being known by name. Joined texts are kept in growing buffers, not as JSON strings: adding a token
 * costs what the token is long. */
#ifndef OG_WORKER_MERGE_H
#define OG_WORKER_MERGE_H

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"

#define OG_MERGE_DEPTH_MAX 16
#define OG_MERGE_INDEX_MAX 128 /* items of an array that are told apart by their index */

struct og_merge;

struct og_merge *og_merge_new(void);
void og_merge_free(struct og_merge *m);

/* What one add did, in bytes. */
struct og_merged {
	size_t bytes; /* kept by it, roughly */
	/* Of them: text joined to text. A token, in whichever field it came, counts; a role or an id does not. */
	size_t joined;
};

/* -1: nested too deep, or an index out of bounds; some of the delta may have been added by then. */
int og_merge_add(struct og_merge *m, const json_t *delta, struct og_merged *ret);

const struct og_merge *og_merge_first(const struct og_merge *m); /* the first item of an array; NULL: there is none */

json_t *og_merge_json(const struct og_merge *m); /* a new reference; null where nothing was added */

#endif
