/* Inside of og_webhook_admin: a verb is a row (admin.c) and a function that ends the call, now or later. */
#ifndef OG_WEBHOOK_ADMIN_CALL_H
#define OG_WEBHOOK_ADMIN_CALL_H

#include "webhook/admin.h"
#include "webhook/target.h"

struct og_webhook_call {
	struct og_api *api;
	json_t *request;         /* held */
	const char *tenant, *id; /* of it; id: "" where it says none */
	og_store_admin_cb *cb;
	void *ctx;
	void (*then)(struct og_webhook_call *k);
	json_t *webhook, *delivery; /* held, or NULL */
	/* changing one */
	void (*change)(json_t *webhook);
	void (*changed)(struct og_webhook_call *k);
	/* making one */
	struct og_webhook_target target;
	uv_getaddrinfo_t names;
	/* sending one anew: where the delivery is looked for */
	const struct og_record_kind *from;
};

typedef void og_webhook_run(struct og_webhook_call *k);
og_webhook_run og_webhook_make, og_webhook_enable, og_webhook_rotate, og_webhook_redeliver;

/* Each ends the call. The answer is taken over. */
void og_webhook_answer(struct og_webhook_call *k, json_t *answer);
void og_webhook_refuse(struct og_webhook_call *k, const struct og_error *err);

/* Goes on with `then` when k->webhook is there. */
void og_webhook_find(struct og_webhook_call *k, og_webhook_run *then);
/* Writes k->webhook, a new one, and goes on when that is done. */
void og_webhook_put(struct og_webhook_call *k, og_webhook_run *then);
/* Changes it, and goes on with `then` when k->webhook is as it was written. Where another changed it meanwhile `change` is called
 * again, for what that one has left. */
void og_webhook_change(struct og_webhook_call *k, void (*change)(json_t *webhook), og_webhook_run *then);
json_t *og_webhook_with_secret(const json_t *webhook); /* a new reference */

#endif
