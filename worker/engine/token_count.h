/* How many tokens a request is: what has to be counted in it, and what a client is told. Pure. */
#ifndef OG_WORKER_TOKEN_COUNT_H
#define OG_WORKER_TOKEN_COUNT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The texts of its `prompt` or `input`, for a tokenizer. A new reference. */
json_t *og_token_texts(const json_t *request);

/* For an engine without a tokenizer: four bytes of text are a token, and each message has some of its own. Tools count
 * with their JSON. Images are not counted. */
int64_t og_token_estimate(const json_t *request);

/* {"object":"token_count","prompt_tokens":n}, and "estimated":true where it is. A new reference. */
json_t *og_token_response(int64_t tokens, bool estimated);

#endif
