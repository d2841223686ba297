/* A catalogue that is accepted keeps its promises: every tier is found by its id, key and aliases, and can be
 * judged. */
#include <stdlib.h>

#include "base/alloc.h"
#include "model/catalogue.h"
#include "model/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct og_profile machine;
	og_autofree struct og_catalogue *c = NULL;
	struct og_error err = {0};
	char why[64];

	if (og_catalogue_parse((const char *)data, size, "fuzz", &c, &err) < 0) {
		if (err.kind != OG_INVALID)
			abort();
		return 0;
	}
	for (size_t i = 0; i < c->n; i++) {
		const struct og_tier *t = &c->tiers[i];

		if (og_catalogue_find(c, t->id) != t || og_catalogue_find_key(c, t->key) != t)
			abort();
		for (size_t k = 0; k < t->n_aliases; k++)
			if (og_catalogue_find(c, t->aliases[k]) != t)
				abort();
		og_profile_judge(&machine, t, why, sizeof(why));
		og_catalogue_unknown(c, t->engine_model, NULL, &err);
	}
	return 0;
}
