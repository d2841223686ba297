/* The body of a request: the OpenAI-style JSON object that a client wrote. Only what says whether it is a prompt at
 * all is looked at here; everything else in it is the engine's to judge and goes to it as it is. */
#ifndef OG_WORKER_REQUEST_H
#define OG_WORKER_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/names.h"

struct og_request {
	char id[OG_ID_LEN + 1]; /* of the job */
	bool chat;              /* it has `messages` (chat completions); else a `prompt` (completions) */
	json_t *body;           /* owned */
};

/* INVALID, with words for the person who sent it: not JSON, not UTF-8, not an object, no messages or prompt, an empty
 * one. */
int og_request_parse(const char *id, const void *body, size_t len, struct og_request *ret, struct og_error *err);
void og_request_done(struct og_request *q);

/* The text of a message's `content`: a string, or the text parts of an array joined. The caller frees; "" where there
 * is none. */
char *og_request_content_text(const json_t *content);

#endif
