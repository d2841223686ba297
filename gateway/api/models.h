/* The tiers of the scheduler's answer to `tiers`, as far as they are the caller's: what its key may ask for. */
#ifndef OG_API_MODELS_H
#define OG_API_MODELS_H

#include "api/api.h"

/* Those that somebody serves; with `all` the rest of the catalogue too. A new array. */
json_t *og_models_list(const struct og_api *api, const struct og_web_call *c, const json_t *answer, bool all);
/* The one of that name or alias, served or not, borrowed from `answer`. NULL: there is none for this caller. */
const json_t *og_models_find(
	const struct og_api *api, const struct og_web_call *c, const json_t *answer, const char *name);

#endif
