/* The kinds of records (records.h) that the gateways keep, with their bounds.
 *
 * responses  {"id", "echo", "items", "background"}: what a response is beside its job; `items` is all its input, that of the
 *            responses before it included
 * files      the file object of OpenAI's API; its bytes lie in the folder gateway.files
 * batches    {"id", "tenant", "batch", "key", "region", "output_keep_s"}: the batch object of OpenAI's API, and for whom its
 *            lines run
 * webhooks   {"id", "tenant", "url", "events", "secret", "created_at", …}: where a tenant's events go (webhook/)
 * watches    {"id", "tenant", "of", "made_ms"}: a job or a batch whose end is to be told; due when somebody is to look at it
 * deliveries one event for one webhook, that has not come there yet; due when it is to be tried. Beyond so many for a webhook they
 *            are `undelivered` at once. These and the next two belong to
 *            the webhook, not to the tenant: they are listed by it
 * delivered, undelivered  what became of a delivery */
#ifndef OG_GATEWAY_KINDS_H
#define OG_GATEWAY_KINDS_H

#include "model/settings.h"
#include "store/records.h"

struct og_kinds {
	struct og_record_kind responses, files, batches;
	struct og_record_kind webhooks, watches, deliveries, delivered, undelivered;
};

/* Those of which a tenant has records; each is named in turn, with its `parts`, and NULL after the last. */
const struct og_record_kind *og_kind_of_tenants(size_t i);
void og_kinds_init(struct og_kinds *ret, const struct og_settings *s);

#endif
