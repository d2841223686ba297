/* Tenants that are accepted keep their bounds, and each is found by its name. */
#include <stdlib.h>

#include "model/tenants.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_tenants *t;
	struct og_error err = {0};

	if (og_tenants_parse((const char *)data, size, "fuzz", &t, &err) < 0) {
		if (err.kind != OG_INVALID)
			abort();
		return 0;
	}
	for (size_t i = 0; i < t->n; i++) {
		const struct og_tenant_rule *r = &t->rules[i];

		if (og_tenants_find(t, r->name) != r || r->weight < 1 || r->weight > OG_WEIGHT_MAX ||
			r->max_running < 0 || r->max_queued < 0 || r->per_minute < 0)
			abort();
	}
	og_tenants_free(t);
	return 0;
}
