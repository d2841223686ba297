/* Whether anybody there could run a job: refused at once and by name, where it would wait in vain. */
#include <string.h>

#include "plan/admit.h"

/* Bytes of a request that are a token at the very least: what tokenizers make of running text is 3 to 5 bytes a token, of
 * code and other scripts less. What is above that is longer than any context by more than a guess. */
#define BYTES_A_TOKEN 8
#define LANE_BYTES    (4 << 20) /* of the bodies of one lane that we hold, where the tier's context bounds them */
#define NAMED         3         /* of what is served: the best of it */

bool og_plan_is_gone(const struct og_plan *p, unsigned tier, int64_t now)
{
	const struct og_capacity *c = &p->nodes.tiers[tier];

	return !c->workers && !p->paused[tier] && og_plan_grace_is_over(p, now) &&
	       (!c->seen || now - c->seen >= p->no_capacity_after_ms);
}

void og_plan_nobody(const struct og_plan *p, unsigned tier, struct og_error *err)
{
	const char *named[NAMED] = {0};
	size_t n = 0;

	for (size_t i = p->catalogue->n; i-- > 0 && n < NAMED;)
		if (p->nodes.tiers[i].workers)
			named[n++] = p->catalogue->tiers[i].id;
	if (n)
		og_fail(err, OG_INVALID, OG_NOBODY ": what is served now is %s%s%s%s%s", p->catalogue->tiers[tier].id,
			named[0], n > 1 ? ", " : "", n > 1 ? named[1] : "", n > 2 ? ", " : "", n > 2 ? named[2] : "");
	else
		og_fail(err, OG_INVALID, OG_NOBODY ", nor any other model: " OG_SERVE, p->catalogue->tiers[tier].id);
}

static const struct og_wish no_wish;

static int64_t tokens_at_least(const struct og_ask *ask)
{
	return (int64_t)(ask->bytes / BYTES_A_TOKEN) + ask->max_tokens;
}

/* In tokens; 0: not known. */
static int64_t context_of(const struct og_plan *p, const struct og_worker *w)
{
	return w->said.context ? w->said.context : p->catalogue->tiers[w->tier].context_tokens;
}

static bool is_long_enough(const struct og_plan *p, const struct og_worker *w, const struct og_ask *ask)
{
	int64_t context = context_of(p, w);

	return ask->any_length || !context || context >= tokens_at_least(ask);
}

bool og_plan_fits(const struct og_plan *p, unsigned tier, const struct og_ask *ask)
{
	for (const struct og_worker *w = p->nodes.of_tier[tier]; w; w = w->next)
		if (og_worker_allowed(w, ask->wish ? ask->wish : &no_wish) && is_long_enough(p, w, ask))
			return true;
	return false;
}

static enum og_verdict too_long(const struct og_plan *p, const struct og_ask *ask, struct og_error *err)
{
	int64_t longest = 0;

	for (const struct og_worker *w = p->nodes.of_tier[ask->tier]; w; w = w->next)
		if (context_of(p, w) > longest)
			longest = context_of(p, w);
	og_fail(err, OG_INVALID,
		"the context of %s is %lld tokens, the prompt and its answer are %lld at least: shorten it, or ask for "
		"a "
		"smaller max_tokens",
		p->catalogue->tiers[ask->tier].id, (long long)longest, (long long)tokens_at_least(ask));
	return OG_VERDICT_TOO_LONG;
}

unsigned og_plan_lane_prefetch(const struct og_plan *p, unsigned tier)
{
	int64_t context = p->catalogue->tiers[tier].context_tokens;
	int64_t fit = context ? LANE_BYTES / (context * BYTES_A_TOKEN) : 0;

	return (unsigned)(fit < OG_LANE_PREFETCH ? OG_LANE_PREFETCH : fit > OG_LANE_HEADS ? OG_LANE_HEADS : fit);
}

enum og_verdict og_plan_feasible(const struct og_plan *p, const struct og_ask *ask, int64_t now, struct og_error *err)
{
	const char *id = p->catalogue->tiers[ask->tier].id;
	const struct og_wish *wish = ask->wish ? ask->wish : &no_wish;
	bool in_region = false, allowed = false, holds = false;

	if (og_plan_is_gone(p, ask->tier, now)) {
		og_plan_nobody(p, ask->tier, err);
		return OG_VERDICT_NO_CAPACITY;
	}
	for (const struct og_worker *w = p->nodes.of_tier[ask->tier]; w && !(allowed && holds); w = w->next) {
		in_region = in_region || !wish->region || !strcmp(wish->region, w->said.region);
		allowed = allowed || og_worker_allowed(w, wish);
		holds = holds || is_long_enough(p, w, ask);
	}
	if (!p->nodes.of_tier[ask->tier])
		return OG_VERDICT_PLACE;
	if (!holds)
		return too_long(p, ask, err);
	if (allowed || !og_plan_grace_is_over(p, now))
		return OG_VERDICT_PLACE;
	if (!in_region)
		og_fail(err, OG_INVALID, OG_NOBODY " in region %s", id, wish->region);
	else
		og_fail(err, OG_INVALID, OG_NOBODY " but nodes that the request avoids", id);
	return OG_VERDICT_NO_CAPACITY;
}
