/* One prompt of a client's, from its request to its answer, whatever protocol the client speaks: the protocol is a *form*,
 * which puts what comes from the cluster into its own words.
 *
 * A streamed answer's head goes out with the first event, or after 250 ms: what refuses the prompt before is a proper
 * HTTP status, what goes wrong after is an event of the stream. While nothing comes, the stream says so every 15 s. A
 * client that goes away has its job cancelled, after a grace where it may come back for it.
 *
 *           first event, or 250 ms
 *   waits ──────────────────────────▶ streams ──▶ its end, or an error as an event
 *     └── its end: a whole answer, or a refusal
 */
#ifndef OG_API_PROMPT_H
#define OG_API_PROMPT_H

#include "api/api.h"
#include "job/job.h"

struct og_prompt;

struct og_form {
	const char *stream_type; /* content type of a stream */
	bool fills_gaps;         /* its tail makes up for chunks that never came */
	/* An answer that is `done`, whole: to be put into *ret (malloc'ed) as what the client gets. */
	int (*whole)(struct og_prompt *p, const struct og_job_end *end, char **ret, size_t *ret_len);
	char *(*accepted)(struct og_prompt *p); /* what who does not wait is told, malloc'ed; may be NULL */
	/* Each appends to `out` what goes out; nothing is fine. A chunk that was made up, to fill a gap, has no `at` (NULL). */
	void (*head)(struct og_prompt *p, struct og_buf *out); /* before all else; may be NULL */
	void (*chunk)(
		struct og_prompt *p, const struct og_chunk_at *at, const char *data, size_t len, struct og_buf *out);
	void (*wait)(struct og_prompt *p, int64_t ahead, struct og_buf *out); /* ahead -1: unknown; may be NULL */
	void (*tail)(struct og_prompt *p, const struct og_job_end *end, struct og_buf *out); /* it is done */
	void (*broken)(struct og_prompt *p, const struct og_refusal *why, struct og_buf *out);
};

struct og_prompt_request {
	struct og_envelope e; /* id and what the headers and the body say; strings are borrowed during the call */
	const char *body;
	size_t len;
	bool stream;
	bool attach;   /* the job is there already: e.id says which, and a stream begins at once */
	bool detached; /* it goes on without its client */
	bool watched;  /* by webhooks: dropped where the job does not begin, looked at when it has ended */
	bool at_once;  /* with `detached`: answered by the form's `accepted` as soon as the cluster has it */
	const struct og_form *form;
	void *of_form; /* the form's own; freed by `form_done` */
	void (*form_done)(void *of_form);
};

/* What a client says of its job, as texts; NULL: nothing. Borrowed. */
struct og_prompt_about {
	const char *class_name, *deadline, *region, *tier, *session, *avoid, *idempotency_key;
};
void og_prompt_about(struct og_web_call *c, struct og_prompt_about *ret); /* in its headers */
/* The envelope of a prompt of which `about` is said, wherever that stood; as the next. */
int og_prompt_envelope_about(struct og_web_call *c, const struct og_prompt_about *about, char id[static OG_ID_LEN + 1],
	struct og_envelope *ret, struct og_refusal *why);
/* What the headers of a request say of its job: og-class, og-deadline, og-region, og-tier, og-session, og-avoid,
 * idempotency-key; and the tenant of the caller. Who says no class gets `normal`, or `batch` where that is all that its key may
 * have. `id` gets the job's id; both must outlive `ret`. -1: refused. */
int og_prompt_envelope(
	struct og_web_call *c, char id[static OG_ID_LEN + 1], struct og_envelope *ret, struct og_refusal *why);
/* Of a body in OpenAI's form that is asked on the side of a conversation (gateway.background): the low class, where the client
 * said none and its key may have it. */
void og_prompt_aside(const struct og_api *api, const struct og_web_call *c, const json_t *body, struct og_envelope *e);
/* Answers the call, now or later. Takes over of_form. */
void og_prompt_start(struct og_api *api, struct og_web_call *c, const struct og_prompt_request *request);

/* For forms. */
void *og_prompt_of_form(const struct og_prompt *p);
const char *og_prompt_id(const struct og_prompt *p); /* the job's */

/* The `response` object of a done body, as it stands there: its bytes, borrowed. -1: there is none. */
int og_prompt_response(const struct og_job_end *end, const char **ret, size_t *ret_len);

/* Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
void og_sse_data(struct og_buf *out, const struct og_chunk_at *at, const char *data, size_t len); /* at NULL: no id */
void og_sse_event(struct og_buf *out, const char *name, const char *data, size_t len);
void og_sse_waiting(struct og_buf *out, int64_t ahead); /* a comment */

#endif
