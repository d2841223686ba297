/* Whether a caller may have a prompt run, and what it is charged for: scopes and limits before, what was used after
 * (store/ledger.h).
 *
 *   open ──▶ (reserved, where the key or its tenant has limits) ──▶ settled: what was used
 *                                                              └──▶ refunded: nothing ran
 *
 * A bill that is closed by nobody, for its process died, is closed by another gateway when its lease has run out (orphans.c). */
#ifndef OG_API_BILL_H
#define OG_API_BILL_H

#include "api/api.h"
#include "model/envelope.h"
#include "store/ledger.h"

struct og_bill {
	struct og_api *api;
	struct og_key *key; /* held; NULL: nobody is charged (a caller without a key) */
	char job[OG_ID_LEN + 1], model[OG_NAME_MAX];
	int64_t prompt_tokens; /* estimated */
	/* Its job's id may be an earlier request's as well (an idempotency key). An end that was asked for tells not which of
	 * them it ran for; that of an id of its own is its own. */
	bool shared;
};

/* Called from the loop where og_bill_open returned 0. `why` NULL: it may go on. */
typedef void og_bill_cb(void *ctx, const struct og_refusal *why);

/* Whether the caller may ask for a model of that name; its key may have it under any other of its tier's names. */
bool og_bill_may_model(const struct og_api *api, const struct og_caller *who, const char *model);

/* 1: open. 0: the store is asked; `cb` is called once, and `ctx` must live until then. -1: refused, *why says it. `e` has the
 * job's id, model, class, region and max_tokens; `bytes` is how long the prompt is. */
int og_bill_open(struct og_bill *b, struct og_api *api, const struct og_caller *who, const struct og_envelope *e,
	size_t bytes, og_bill_cb *cb, void *ctx, struct og_refusal *why);

/* Each closes it; a bill that is closed, or was never opened, is left alone. */
void og_bill_settle(struct og_bill *b, const struct og_job_end *end); /* the job has ended */
/* Its client has gone, and took so much with it. Leaves its job (NULL: there is none any more), and closes it when the cluster has
 * said whether that ever ran: what only waited costs nothing. */
void og_bill_settle_left(struct og_bill *b, struct og_job *job, int64_t completion_tokens);
void og_bill_refund(struct og_bill *b); /* it never ran */
void og_bill_leave(struct og_bill *b);  /* nobody here will know: its lease runs out */

#endif
