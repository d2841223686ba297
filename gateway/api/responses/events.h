/* The stream of a response: chunks of a chat completion in, events of the Responses out. Pure.
 *
 *   created, in_progress
 *     { output_item.added, [content_part.added], …delta, ….done, [content_part.done], output_item.done }   an item: what it
 *   completed | incomplete | failed                                                  thought, its message, each call
 *
 * A sequence number counts the bytes of the output: a delta has that of its last byte, any other event is one byte. So the
 * same numbers come out however the answer is cut into chunks, also of the whole answer where the chunks are no longer kept,
 * and a client that lost its connection goes on to the byte (`starting_after`), at any gateway. */
#ifndef OG_RESPONSES_EVENTS_H
#define OG_RESPONSES_EVENTS_H

#include "api/responses/answer.h"
#include "base/buf.h"

#define OG_RESPONSE_TEXT_MAX (8u * 1024 * 1024) /* bytes of one item: no answer is larger */

enum og_item_kind { OG_ITEM_NONE, OG_ITEM_REASONING, OG_ITEM_MESSAGE, OG_ITEM_CALL };

struct og_response_events {
	char hex[OG_RESPONSE_HEX + 1];
	json_t *echo;
	int64_t next;  /* sequence number */
	int64_t after; /* the client has all up to this one; -1: nothing */
	json_t *output;
	/* The item that is written. */
	enum og_item_kind open;
	struct og_buf text;
	json_t *logprobs;
	char *call_id, *name;
	/* How much there was of each, of the calls: of the last. */
	size_t thought, said, calls;
};

/* `echo` is shared. */
void og_response_events_init(struct og_response_events *e, const char *hex, const json_t *echo, int64_t after);
void og_response_events_done(struct og_response_events *e);

void og_response_events_begin(struct og_response_events *e, struct og_buf *out);
void og_response_events_chunk(struct og_response_events *e, const char *data, size_t len, struct og_buf *out);
/* What the chunks have left out of it comes first. */
void og_response_events_end(struct og_response_events *e, const json_t *completion, struct og_buf *out);
/* `status`: "failed", or "cancelled", which has no event of its own. */
void og_response_events_broken(
	struct og_response_events *e, const char *status, const struct og_refusal *why, struct og_buf *out);

#endif
