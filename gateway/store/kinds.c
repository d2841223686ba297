#include "store/kinds.h"

void og_kinds_init(struct og_kinds *ret, const struct og_settings *s)
{
	*ret = (struct og_kinds){
		.responses = {.name = "response",
			.keep_ms = s->gateway_responses_ttl_ms,
			.bytes_max = s->gateway_responses_max,
			.oldest_go = true},
		.files = {.name = "file", .bytes_max = s->gateway_files_max},
	};
}
