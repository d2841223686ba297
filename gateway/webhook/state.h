/* What the parts share: keeper.c (claims, life), watch_begin.c, watch.c (what has ended), deliver.c (what is sent). */
#ifndef OG_WEBHOOK_STATE_H
#define OG_WEBHOOK_STATE_H

#include <uthash.h>

#include "io/http.h"
#include "webhook/webhooks.h"

#define OG_WEBHOOK_LEASE_MS 30000 /* above gateway.webhook_timeout's most */

/* A tenant that had webhooks when the store was last asked. */
struct og_webhook_tenant {
	UT_hash_handle hh;
	char name[OG_NAME_MAX];
};

struct og_attempt;
struct og_webhook_lane;

struct og_webhooks {
	struct og_api *api;
	struct og_http *http;
	uv_timer_t timer;
	char owner[OG_ID_LEN + 1];              /* of what is claimed here */
	char maker[sizeof("new ") + OG_ID_LEN]; /* of watches that were begun here, and by nobody else */
	struct og_webhook_tenant *tenants;
	struct og_attempt *attempts;
	struct og_webhook_lane *lanes; /* by tenant */
	size_t n_attempts, n_looks, n_lookups;
	size_t parts; /* calls under way, the timer, the HTTP client: those that still come back to us */
	bool claims_watches, claims_deliveries, stopped, closed;
};

void og_webhooks_part_gone(struct og_webhooks *w);

/* Each takes a claimed record; shared. */
void og_watch_take(struct og_webhooks *w, json_t *watch);
void og_delivery_take(struct og_webhooks *w, json_t *delivery);
/* Those that are being sent are left: they come again when their lease has run out. */
void og_deliveries_drop(struct og_webhooks *w);

#endif
