/* Which tier a worker serves: what the operator said, what this machine may serve, and what the engine has. Pure. */
#ifndef OG_WORKER_TIER_CHOICE_H
#define OG_WORKER_TIER_CHOICE_H

#include "engine/engine.h"
#include "model/catalogue.h"
#include "model/profile.h"

struct og_tier_wish {
	const char *tier;  /* "auto", a tier's id or alias */
	const char *model; /* what the engine calls the model; "": what the catalogue says */
};

struct og_tier_choice {
	const struct og_tier *tier;
	char model[OG_NAME_MAX]; /* as the engine spells it */
	/* "": none. A tier that was asked for and that this machine is too small for is served all the same. */
	char warning[256];
};

/* `auto` takes the best tier (the catalogue's last) that the machine is eligible for and the engine serves.
 * -1: RETRY, the engine does not serve what is wanted now; INVALID: the wish cannot be fulfilled by any engine. */
int og_tier_choose(const struct og_catalogue *c, const struct og_profile *p, const struct og_serves *s,
	const struct og_tier_wish *wish, struct og_tier_choice *ret, struct og_error *err);

#endif
