/* What the parts of a prompt share: prompt.c (its request, its way to the cluster, its end), prompt_answer.c (what comes back and
 * goes out), prompt_wait.c (what goes out while nothing comes back). */
#ifndef OG_API_PROMPT_STATE_H
#define OG_API_PROMPT_STATE_H

#include "api/bill.h"
#include "api/prompt.h"
#include "api/sent.h"

#define OG_PROMPT_WAIT_MS 15000 /* so often a stream that has nothing says so: proxies cut those that are silent */
#define OG_PROMPT_OUT_MAX (16u * 1024 * 1024)

struct og_prompt {
	struct og_api *api;
	struct og_web_call *c; /* NULL: its client has gone, and may come back */
	struct og_job *job;    /* NULL: it has ended */
	const struct og_form *form;
	void *of_form;
	void (*form_done)(void *of_form);
	uv_timer_t timer;
	struct og_question *position;
	char id[OG_ID_LEN + 1];
	bool stream, streaming, resumable, attach, detached, at_once, watched;
	struct og_bill bill;
	struct og_key_watch watch;
	struct og_message *held; /* the request, while the store is asked whether it may go; NULL otherwise */
	struct og_sent sent;
	uint64_t events; /* that went out */
	int64_t since_us, heard_ms;
};

/* prompt.c */
void og_prompt_free(struct og_prompt *p);
/* Its job is cancelled where nobody else waits for it; what its client took is charged, and nothing where it only waited. */
void og_prompt_leave(struct og_prompt *p);
/* Its client has gone, and has the grace to come back, here or at another gateway. The job is followed to its end, for its
 * bill. */
void og_prompt_linger(struct og_prompt *p);

/* prompt_answer.c */
void og_prompt_begin_stream(
	struct og_prompt *p, struct og_buf *out); /* once; what the form begins with goes to `out` */
/* Writes what a form has put into `out`. -1: its reader is too slow and was cut off, or it broke a bound; the prompt is gone. */
int og_prompt_send(struct og_prompt *p, struct og_buf *out);
void og_prompt_refuse(struct og_prompt *p, const struct og_refusal *why); /* as a status, or as a stream's last event */
/* What its job calls (job/job.h). */
void og_prompt_on_chunk(void *ctx, const struct og_chunk_at *at, const char *data, size_t len);
bool og_prompt_on_restart(void *ctx);
void og_prompt_on_end(void *ctx, const struct og_job_end *end);

/* prompt_wait.c */
void og_prompt_on_timer(uv_timer_t *timer);

#endif
