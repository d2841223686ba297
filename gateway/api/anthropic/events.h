/* What the cluster answers, put into Anthropic's message, whole or as its events. Pure.
 *
 *   message_start
 *     { content_block_start, content_block_delta…, content_block_stop }   what it thinks, its text, each call of a tool
 *   message_delta (why it stopped, usage), message_stop */
#ifndef OG_ANTHROPIC_EVENTS_H
#define OG_ANTHROPIC_EVENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "model/names.h"

enum og_block { OG_BLOCK_NONE, OG_BLOCK_THINKING, OG_BLOCK_TEXT, OG_BLOCK_TOOL };

struct og_anthropic_events {
	char hex[OG_ID_LEN + 1]; /* of the job's id: what ours are made of */
	char model[OG_NAME_MAX];
	bool hide_thinking;
	enum og_block open;
	int index;    /* of the open block, or of the next one */
	size_t calls; /* of tools, so far */
};

/* `job`: its id. */
void og_anthropic_events_init(struct og_anthropic_events *e, const char *job, const char *model, bool hide_thinking);

void og_anthropic_events_begin(struct og_anthropic_events *e, struct og_buf *out);
void og_anthropic_events_chunk(struct og_anthropic_events *e, const char *data, size_t len, struct og_buf *out);
/* `completion`: the whole chat completion. -1: it is none, and nothing was appended. */
int og_anthropic_events_end(struct og_anthropic_events *e, const json_t *completion, struct og_buf *out);

/* answer.c */
/* The whole message; a new reference. NULL: it is no chat completion. */
json_t *og_anthropic_message(const struct og_anthropic_events *e, const json_t *completion);
json_t *og_anthropic_usage(const json_t *completion); /* NULL: nothing is known yet. A new reference */
/* {"stop_reason", "stop_sequence"}; a new reference. */
json_t *og_anthropic_stop(const json_t *choice);
/* The id of the n-th call, where the engine gave none; a new reference. */
json_t *og_anthropic_call_id(const struct og_anthropic_events *e, const json_t *call, size_t n);
const json_t *og_anthropic_thinking(const json_t *said); /* of a message or a delta; NULL: none */

#endif
