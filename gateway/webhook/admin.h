/* What is done to webhooks, by name: for the pages under /api/v1, and for operators on the control socket.
 *
 *   webhooks_make       url, events (left out: all)   → the webhook with its secret, which is shown this once
 *   webhooks_list                                     → {"webhooks": […]}, the newest 100, without their secrets
 *   webhooks_remove     id                            → {"id", "deleted"}
 *   webhooks_enable     id                            → the webhook
 *   webhooks_rotate     id                            → the webhook with its new secret
 *   webhooks_deliveries id, state (failed)            → {"deliveries": […]}, the newest 50 that are failed, pending or delivered
 *   webhooks_redeliver  id, delivery                  → the delivery, pending again
 *
 * Each takes `tenant`, whose the webhook is; that who asks may do so is the caller's to check. */
#ifndef OG_WEBHOOK_ADMIN_H
#define OG_WEBHOOK_ADMIN_H

#include "api/api.h"

/* `request` is borrowed for the call. `cb` is called once, now or later: INVALID, the request is wrong or there is no such thing;
 * BUSY, it cannot be as things are (a bound, or the webhook is disabled); RETRY, the store is away. */
void og_webhook_admin(struct og_api *api, const char *verb, const json_t *request, og_store_admin_cb *cb, void *ctx);
/* The same for the control socket (service.h). False: the verb is none of these, and the ask is still the caller's. */
bool og_webhook_control(struct og_api *api, const char *verb, const json_t *request, struct og_control_ask *ask);

/* What is shown of a record; new references. */
json_t *og_webhook_shown(const json_t *webhook);
json_t *og_delivery_shown(const json_t *delivery);
/* The kind that has the deliveries of a state; NULL: failed. NULL is returned where there is no such state. */
const struct og_record_kind *og_delivery_kind(const struct og_api *api, const char *state);

#endif
