#include "store/kinds.h"

#include "base/alloc.h"

#define BATCHES_KEEP_MS (INT64_C(30) * 86400 * 1000) /* after the last that happened to it */
#define BATCHES_MAX     (64 * 1024 * 1024)           /* bytes of all their records, about 2 KiB each */

#define DELIVERED_KEEP_MS   (INT64_C(3) * 86400 * 1000)
#define UNDELIVERED_KEEP_MS (INT64_C(30) * 86400 * 1000)
/* Bytes. A webhook or a watch is some 300, a delivery 500. What is under way is never dropped: beyond its bound a request that needs
 * a watch is refused, and the watch of what has ended waits for room. */
#define WEBHOOKS_MAX    (16 * 1024 * 1024)
#define WATCHES_MAX     (64 * 1024 * 1024)
#define DELIVERIES_MAX  (256 * 1024 * 1024)
#define DELIVERED_MAX   (16 * 1024 * 1024)
#define UNDELIVERED_MAX (64 * 1024 * 1024)
/* Of one tenant, and of one webhook: so that nobody's take all the room. All of a tenant's webhooks together may have a sixteenth of
 * the deliveries, an eighth of what was or was not delivered. */
#define WEBHOOKS_MOST    16
#define WATCHES_MOST     20000
#define DELIVERIES_MOST  2000
#define DELIVERED_MOST   250
#define UNDELIVERED_MOST 1000

#define WEBHOOK_PARTS "delivery delivered undelivered"

/* Webhooks first: nothing is told of what goes after them. */
static const struct og_record_kind of_tenants[] = {{.name = "webhook", .parts = WEBHOOK_PARTS}, {.name = "watch"},
	{.name = "batch"}, {.name = "file"}, {.name = "response"}};

const struct og_record_kind *og_kind_of_tenants(size_t i)
{
	return i < OG_COUNT(of_tenants) ? &of_tenants[i] : NULL;
}

void og_kinds_init(struct og_kinds *ret, const struct og_settings *s)
{
	*ret = (struct og_kinds){
		.responses = {.name = "response",
			.keep_ms = s->gateway_responses_ttl_ms,
			.bytes_max = s->gateway_responses_max,
			.oldest_go = true},
		.files = {.name = "file", .bytes_max = s->gateway_files_max},
		.batches = {.name = "batch", .keep_ms = BATCHES_KEEP_MS, .bytes_max = BATCHES_MAX},
		.webhooks = {.name = "webhook",
			.bytes_max = WEBHOOKS_MAX,
			.most = WEBHOOKS_MOST,
			.parts = WEBHOOK_PARTS},
		.watches = {.name = "watch", .bytes_max = WATCHES_MAX, .most = WATCHES_MOST},
		.deliveries = {.name = "delivery", .bytes_max = DELIVERIES_MAX, .most = DELIVERIES_MOST},
		.delivered = {.name = "delivered",
			.keep_ms = DELIVERED_KEEP_MS,
			.bytes_max = DELIVERED_MAX,
			.most = DELIVERED_MOST,
			.oldest_go = true},
		.undelivered = {.name = "undelivered",
			.keep_ms = UNDELIVERED_KEEP_MS,
			.bytes_max = UNDELIVERED_MAX,
			.most = UNDELIVERED_MOST,
			.oldest_go = true},
	};
}
