/* What a client is told when it gets no answer: one description, worded in the form of the protocol that it speaks.
 * Pure but for og_refuse. */
#ifndef OG_API_REFUSAL_H
#define OG_API_REFUSAL_H

#include <jansson.h>

#include "job/job.h"
#include "web/web.h"

enum og_protocol { OG_OPENAI, OG_OLLAMA, OG_ANTHROPIC, OG_OURS };
enum og_protocol og_protocol_of_path(const char *path);

struct og_refusal {
	int status;
	const char *type;  /* OpenAI's: "invalid_request_error", …; static */
	const char *code;  /* what programs look at: "model_not_found", …; static. NULL: none */
	const char *param; /* which parameter is to blame; static. NULL: none */
	int retry_after_s; /* 0: says nothing of it */
	char message[512];
};

/* -1, so that `return og_refuse_with(…)` reads well. */
int og_refuse_with(struct og_refusal *ret, int status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Of a job that did not end as done. */
void og_refusal_of_end(const struct og_job_end *end, struct og_refusal *ret);
/* Of what og_job_submit, og_link_ask or the store said. */
void og_refusal_of_error(const struct og_error *err, struct og_refusal *ret);

/* The body, a new reference. */
json_t *og_refusal_json(enum og_protocol protocol, const struct og_refusal *r, const char *request_id);
void og_refuse(struct og_web_call *c, const struct og_refusal *r); /* answers the call with it */

#endif
