/* A call that waits for the answer to what was asked of the store in its name (store.c, webhooks.c). */
#ifndef OG_API_ASKED_H
#define OG_API_ASKED_H

#include "api/api.h"

struct og_asked;

struct og_asked_as { /* statuses */
	int done;
	int invalid; /* there is nothing to do it to: 404, or 409 where the thing is not as it is to be, or 400 */
	int busy;    /* no more may be: 409; 503 where that passes */
};

/* Ends with one of the next two; its client may go before. */
struct og_asked *og_asked_new(struct og_web_call *c, struct og_asked_as as);
/* An og_store_admin_cb, with it as `ctx`. */
void og_asked_answer(void *ctx, json_t *answer, const struct og_error *err);
/* It was refused at once: where that is INVALID the request is wrong. */
void og_asked_wrong(struct og_asked *a, const struct og_error *err);

#endif
