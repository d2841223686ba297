/* The gateway's one line to the cluster: a connection with a reply queue of its own, questions to the leading
 * scheduler, and who gets which message that comes. Jobs (job.h) are what travels on it.
 *
 * It reconnects by itself. While it is away nothing is sent: og_link_is_up says so, and callers refuse at once. */
#ifndef OG_LINK_H
#define OG_LINK_H

#include <jansson.h>

#include "service/session.h"

struct og_link;

struct og_link_config {
	struct og_session_config session; /* its bounds and role are set here */
	void (*on_state)(void *ctx, bool up, const struct og_error *why);
	/* The broker refuses who we are, or has no exchanges for us: nothing will work until somebody mends that. */
	void (*on_refused)(void *ctx, const struct og_error *why);
	void *ctx;
};

/* What `config` points to is borrowed. */
struct og_link *og_link_open(uv_loop_t *loop, const struct og_link_config *config, struct og_error *err);
/* Who asked is told RETRY; of jobs only `dropped` is told. `cb` is called when all is freed. */
void og_link_close(struct og_link *l, void (*cb)(void *ctx), void *ctx);
bool og_link_is_up(const struct og_link *l);
size_t og_link_jobs(const struct og_link *l); /* that have not ended, and for which somebody waits here */

/* Exactly one of the two is not NULL. RETRY: no scheduler answered in time, or the connection went. INVALID: it said no; the
 * type of its error ("not_found") is in `err_type` then, else "". */
typedef void og_answer_cb(void *ctx, const json_t *answer, const char *err_type, const struct og_error *err);

struct og_question;       /* alive until it is answered */
#define OG_ANSWER_MS 5000 /* for what a scheduler answers at once */
/* Takes over `body` (NULL: an empty object). NULL and RETRY: the line is down, or full. */
struct og_question *og_link_ask(struct og_link *l, const char *verb, json_t *body, int64_t within_ms, og_answer_cb *cb,
	void *ctx, struct og_error *err);
void og_question_forget(struct og_question *q); /* whoever asked does not want to know any more; NULL: nothing */

#endif
