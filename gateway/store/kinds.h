/* The kinds of records (records.h) that the gateways keep, with their bounds.
 *
 * responses  {"id", "echo", "items", "background"}: what a response is beside its job; `items` is all its input, that of the
 *            responses before it included
 * files      the file object of OpenAI's API; its bytes lie in the folder gateway.files
 * batches    {"id", "tenant", "batch", "key", "models", "weight"}: the batch object of OpenAI's API, and for whom its lines run */
#ifndef OG_GATEWAY_KINDS_H
#define OG_GATEWAY_KINDS_H

#include "model/settings.h"
#include "store/records.h"

struct og_kinds {
	struct og_record_kind responses, files, batches;
};

void og_kinds_init(struct og_kinds *ret, const struct og_settings *s);

#endif
