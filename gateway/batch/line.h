/* A line of a batch file, OpenAI's way, into a request, and what became of it into a line. Pure.
 *
 *   {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": …, …}}
 *   {"id": "batch_req_<job>", "custom_id": "a", "response": {"status_code": 200, "request_id": "<job>", "body": {…}}, "error": null}
 *   {"id": …, "custom_id": "b", "response": null, "error": {"code": "engine_error", "message": "…"}} */
#ifndef OG_GATEWAY_BATCH_LINE_H
#define OG_GATEWAY_BATCH_LINE_H

#include <jansson.h>

#include "api/refusal.h"
#include "model/names.h"

#define OG_BATCH_CUSTOM_ID_MAX 512 /* bytes */

bool og_batch_endpoint(const char *url); /* whether it can be in a batch */

struct og_batch_line {
	char job[OG_ID_LEN + 1]; /* the same for the same batch and number: it never runs twice */
	char *custom_id;         /* NULL: the line has none */
	char *model;
	char *body; /* for the engine */
	size_t len;
	int64_t max_tokens;
	json_t *echo;          /* of one for /v1/responses, else NULL */
	const char *operation; /* NULL: it is answered in words */
};

/* `endpoint`: the batch's, which each line has to name. -1: refused; the custom id is there if the line has one. */
int og_batch_line_read(const char *text, size_t len, const char *batch, int64_t number, const char *endpoint,
	struct og_batch_line *ret, struct og_refusal *why);
void og_batch_line_done(struct og_batch_line *l);

/* With their newline; the caller frees. `result` is a done body. NULL: there is no answer in it. */
char *og_batch_answer(const struct og_batch_line *l, const json_t *result);
char *og_batch_failure(const struct og_batch_line *l, const struct og_refusal *why);

#endif
