/* The scheduler's answer to `tiers`, as clients of any protocol ask of it. Pure. */
#ifndef OG_API_TIERS_H
#define OG_API_TIERS_H

#include <jansson.h>
#include <stdbool.h>

/* The tier of that name or alias (og_model_same), borrowed from `answer`. NULL: there is none. */
const json_t *og_tiers_find(const json_t *answer, const char *name);
bool og_tiers_is_served(const json_t *tier); /* by one worker at least */

#endif
