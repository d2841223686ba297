#include "store/kinds.h"

#define BATCHES_KEEP_MS (INT64_C(30) * 86400 * 1000) /* after the last that happened to it */
#define BATCHES_MAX     (64 * 1024 * 1024)           /* bytes of all their records, about 2 KiB each */

void og_kinds_init(struct og_kinds *ret, const struct og_settings *s)
{
	*ret = (struct og_kinds){
		.responses = {.name = "response",
			.keep_ms = s->gateway_responses_ttl_ms,
			.bytes_max = s->gateway_responses_max,
			.oldest_go = true},
		.files = {.name = "file", .bytes_max = s->gateway_files_max},
		.batches = {.name = "batch", .keep_ms = BATCHES_KEEP_MS, .bytes_max = BATCHES_MAX},
	};
}
