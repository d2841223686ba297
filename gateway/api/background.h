/* Calls that chat UIs make on the side of a conversation: its title, its tags, what one might ask next. Nobody waits for
 * them as for an answer, so they go to the low class (og_prompt_aside). Pure.
 *
 * They are told by a rule (gateway.background), a list with commas between. Each item is one of
 *   task:NAME    `metadata.task` of the request is NAME
 *   prompt:TEXT  what the user says last begins with TEXT; case does not matter, white space is one blank */
#ifndef OG_API_BACKGROUND_H
#define OG_API_BACKGROUND_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* INVALID: names the item that is neither. An empty rule is fine, and nothing is of it. */
int og_background_check(const char *rule, struct og_error *err);
/* `body`: a request in OpenAI's form, of chat completions or completions. */
bool og_background_is(const char *rule, const json_t *body);

#endif
