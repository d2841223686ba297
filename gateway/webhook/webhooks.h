/* Webhooks: what ends is told to the URLs that a tenant has named. Everything is in the store, so any gateway may be killed at any
 * step, and any other goes on.
 *
 *   a request that is to be told of ──▶ watch ── its end ──▶ a delivery for each webhook ── 2xx ──▶ delivered
 *                                                                │  ▲                └── attempts spent, 410 ──▶ undelivered
 *                                                                └──┘ anything else: later again
 *
 * The watch is written before the job (or the batch) is, and goes when the deliveries are there. Whether what it watches has ended is
 * asked of who knows (the scheduler; the batch's record), never remembered: by the gateway that saw the end, at once (og_watch_look),
 * and from time to time by whichever gateway claims the watch. Deliveries have ids made of what they tell and to whom: when two
 * gateways come to the same end, there is one of each all the same. A delivery is one gateway's for the length of a lease; so an event
 * comes at least once, and more than once only where a gateway died between the answer and the note of it. */
#ifndef OG_WEBHOOK_WEBHOOKS_H
#define OG_WEBHOOK_WEBHOOKS_H

#include "api/api.h"

struct og_webhooks *og_webhooks_open(struct og_api *api, struct og_error *err);
void og_webhooks_stop(struct og_webhooks *w);           /* claims no more: what is under way ends */
bool og_webhooks_are_idle(const struct og_webhooks *w); /* nothing is under way */
/* Before the line and the store are closed; it is freed when they are. NULL is fine. */
void og_webhooks_close(struct og_webhooks *w);

/* The end of `id` is to be told, where the tenant has webhooks. `of`: "response", "job" (`id` is the job's) or "batch"; static. Before
 * the thing itself begins. 0: `cb` is called, with `yes` where it is watched now. 1: not watched: the store is away, and the tenant is
 * not known to have webhooks. -1: RETRY or BUSY; without the watch it must not begin (the callback's `err` likewise). */
int og_watch_begin(struct og_api *api, const char *of, const char *id, const char *tenant, og_record_said_cb *cb,
	void *ctx, struct og_error *err);
/* It has ended, or may have: whoever watches it looks now. Of one that is not watched nothing comes. */
void og_watch_look(struct og_api *api, const char *id);
/* It did not begin, and who asked for it was told; or it had ended before, for another request. */
void og_watch_drop(struct og_api *api, const char *id);

/* A new delivery for this webhook, as a record of kinds.deliveries; a new reference. */
json_t *og_delivery_new(const json_t *webhook, json_t *event);
/* There may be deliveries that are due. */
void og_webhooks_hurry(struct og_webhooks *w);

#endif
