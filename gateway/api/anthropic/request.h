/* A request of Anthropic's Messages (https://docs.claude.com/en/api/messages), put into a chat completion, which is what
 * engines are asked for. Pure. */
#ifndef OG_ANTHROPIC_REQUEST_H
#define OG_ANTHROPIC_REQUEST_H

#include <jansson.h>

#include "api/refusal.h"
#include "model/names.h"

struct og_anthropic_request {
	char model[OG_NAME_MAX];
	json_t *body; /* the engine's */
	bool stream;
	bool hide_thinking; /* the client said that it wants none */
	int64_t max_tokens; /* 0: not said */
};

/* -1: refused. */
int og_anthropic_request(const json_t *q, struct og_anthropic_request *ret, struct og_refusal *why);
void og_anthropic_request_done(struct og_anthropic_request *r);

/* messages.c: `system` (a text, blocks, or NULL) and `messages` as messages of a chat. A new reference; NULL: refused. */
json_t *og_anthropic_messages(const json_t *system, const json_t *messages, struct og_refusal *why);

#endif
