/* What became of a Responses request, as OpenAI's response object. Pure.
 *
 * `echo`: of request.h; `hex`: the job's id without dashes. All return new references. */
#ifndef OG_RESPONSES_ANSWER_H
#define OG_RESPONSES_ANSWER_H

#include "api/responses/request.h"

/* Without an output: "queued", "in_progress", "cancelled". */
json_t *og_response_bare(const char *hex, const json_t *echo, const char *status);
json_t *og_response_failed(const char *hex, const json_t *echo, const struct og_refusal *why);
/* Of a chat completion: completed, or incomplete where the answer was cut by its bound. Takes over `output` (NULL: it is made
 * of the completion's message). */
json_t *og_response_ended(const char *hex, const json_t *echo, const json_t *completion, json_t *output);

/* The message of a chat completion's first choice, borrowed; NULL: none. */
const json_t *og_completion_message(const json_t *completion);
json_t *og_response_output(const char *hex, const json_t *message);

/* Items of an output. `status`: "in_progress" or "completed"; `n`: which call it is. */
json_t *og_item_message(const char *hex, const char *status, const char *text, size_t len, json_t *logprobs);
json_t *og_item_reasoning(const char *hex, const char *status, const char *text, size_t len);
json_t *og_item_call(const char *hex, size_t n, const char *status, const char *call_id, const char *name,
	const char *arguments, size_t len);
json_t *og_part_text(const char *text, size_t len, json_t *logprobs); /* takes over `logprobs`; NULL: none */
json_t *og_part_reasoning(const char *text, size_t len);

#endif
