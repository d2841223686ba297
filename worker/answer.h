/* The answer of a run, put together from the chunks that were streamed: chat completion chunks into one chat
 * completion, completion chunks into one text completion. Of an operation that does not stream it is one object. Pure. */
#ifndef OG_WORKER_ANSWER_H
#define OG_WORKER_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"

struct og_merge;

struct og_answer {
	bool chat;
	json_t *head;             /* what the first chunk says of the whole: id, created, model, … */
	struct og_merge *choices; /* merged, `delta` and all */
	json_t *whole;            /* the one object; NULL: it streams, or has not come yet */
	json_t *usage, *timings;  /* the last ones seen; NULL: none */
	size_t bytes;
};

void og_answer_init(struct og_answer *a, bool chat);
void og_answer_done(struct og_answer *a); /* zeroed is done already */

/* NONE, GARBAGE (no such chunk as is known), or TOO_LARGE (above OG_BODY_MAX in all). Choices without an
 * index are given theirs. *ret_token: the chunk brought some of the answer's text. */
enum og_fault og_answer_add(struct og_answer *a, json_t *chunk, bool *ret_token);

/* The answer of an operation that does not stream. */
void og_answer_whole(struct og_answer *a, json_t *response);

bool og_answer_any(const struct og_answer *a);                       /* at least one choice was seen, or the whole */
int64_t og_answer_usage(const struct og_answer *a, const char *key); /* "prompt_tokens"; 0: not told */

/* The whole response object, under the model's name as the client knows it. A new reference. */
json_t *og_answer_response(const struct og_answer *a, const char *model);

#endif
