/* A line of a batch, in OpenAI's form, into a request, and what became of it into a line. Pure.
 *
 *   {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": […], …}}
 *   {"id": "batch_req_<job>", "custom_id": "a", "response": {"status_code": 200, "request_id": "<job>", "body": {…}},
 *    "error": null}
 *   {"id": …, "custom_id": "b", "response": null, "error": {"code": "engine_error", "message": "…"}, "line": 7} */
#ifndef OG_BATCH_REQUEST_H
#define OG_BATCH_REQUEST_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "model/names.h"

#define OG_CUSTOM_ID_MAX 512 /* bytes */

/* What is the same for all lines. */
struct og_batch_ask {
	const char *tenant;
	const char *tier, *model; /* NULL: the body's model says it */
	const char *salt;         /* NULL: none. Another one makes other ids of the same lines */
};

struct og_batch_request {
	char *custom_id, *body;
	size_t body_len;
	char *model; /* NULL: none */
	int64_t max_tokens;
	/* The same for the same custom id, body and ask: it never runs twice. */
	char id[OG_ID_LEN + 1];
};

/* The line as JSON, and its custom id, borrowed from it. INVALID: it is none, or has none. */
int og_batch_read(const char *line, size_t len, json_t **ret, const char **ret_custom_id, struct og_error *err);

/* INVALID: another method or URL than we have, a body that is none. `line` is changed. `stream` is taken out of the body: an
 * answer is a line. */
int og_batch_request_make(
	json_t *line, const struct og_batch_ask *ask, struct og_batch_request *ret, struct og_error *err);
void og_batch_request_done(struct og_batch_request *r);

/* The line of an answer (`result` is the done body), with its newline; NULL: there is no answer in it. The caller frees. */
char *og_batch_answer_line(const char *custom_id, const char *id, const json_t *result);
/* The line of an error, likewise; custom_id and id may be NULL. */
char *og_batch_error_line(const char *custom_id, const char *id, int64_t number, const char *type, const char *words);

/* Reads a line that is one of the two. INVALID: it is none. Custom id (NULL: none) and error type (NULL: it is an answer)
 * are borrowed from *ret. */
int og_batch_read_back(const char *line, size_t len, json_t **ret, const char **ret_custom_id, const char **ret_error,
	int64_t *ret_number, struct og_error *err);

#endif
