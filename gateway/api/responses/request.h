/* A request of OpenAI's Responses (https://platform.openai.com/docs/api-reference/responses), put into a chat completion,
 * which is what engines understand. Pure.
 *
 *   input, instructions ──▶ items ──▶ messages ──▶ the engine's request
 *                             ▲
 *   previous_response_id ─────┘ its items and its output, before the new ones */
#ifndef OG_RESPONSES_REQUEST_H
#define OG_RESPONSES_REQUEST_H

#include <jansson.h>

#include "api/refusal.h"
#include "model/names.h"

#define OG_RESPONSE_HEX 32 /* digits of a job's id without its dashes */

/* A response is its job: resp_<hex> and back. -1: not of that form. */
void og_response_hex(const char *job, char ret[static OG_RESPONSE_HEX + 1]);
int og_response_job(const char *response, char ret[static OG_ID_LEN + 1]);

struct og_responses_flags {
	bool stream, background, store;
	int64_t max_tokens;   /* 0: not said */
	const char *previous; /* previous_response_id; NULL: none. Borrowed from the body */
};

/* What is wrong with the request as a whole; the rest shows when it is translated. -1: refused. */
int og_responses_flags(const json_t *body, struct og_responses_flags *ret, struct og_refusal *why);
/* The input as a list of items, each with an id made of `hex`. A new reference. -1: refused. */
int og_responses_items(const json_t *body, const char *hex, json_t **ret, struct og_refusal *why);
/* The engine's request. `items`: all there is to know, the oldest first. A new reference. -1: refused. */
int og_responses_chat(const json_t *body, const json_t *items, json_t **ret, struct og_refusal *why);
/* What a response object repeats of its request. A new reference. */
json_t *og_responses_echo(const json_t *body, int64_t created_s);

/* messages.c: items into messages. A new reference. -1: refused. */
int og_responses_messages(const json_t *instructions, const json_t *items, json_t **ret, struct og_refusal *why);

#endif
