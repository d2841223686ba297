/* The body of a request: the OpenAI-style JSON object that a client wrote. Only what says whether it is one of its
 * operation at all is looked at here; everything else in it is the engine's to judge and goes to it as it is. */
#ifndef OG_WORKER_REQUEST_H
#define OG_WORKER_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/names.h"
#include "model/operation.h"
#include "model/trace.h"

struct og_request {
	char id[OG_ID_LEN + 1]; /* of the job */
	enum og_operation operation;
	bool chat;    /* it has `messages` (chat completions); else a `prompt` (completions), or `input` */
	json_t *body; /* owned */
	char traceparent[OG_TRACEPARENT_LEN + 1]; /* "": none; likewise */
	char tracestate[OG_TRACESTATE_MAX + 1];
};

/* `operation`: og-operation, NULL for generate. INVALID, with words for the person who sent it: an unknown operation;
 * not JSON, not UTF-8, not an object; no messages, prompt or input where the operation wants them, or an empty one. */
int og_request_parse(const char *id, const char *operation, const void *body, size_t len, struct og_request *ret,
	struct og_error *err);
/* For the engine, where they are what the W3C says (trace.h). NULL: there is none. */
void og_request_trace(struct og_request *q, const char *traceparent, const char *tracestate);
void og_request_done(struct og_request *q);

/* The text of a message's `content`: a string, or the text parts of an array joined. The caller frees; "" where there
 * is none. */
char *og_request_content_text(const json_t *content);

#endif
