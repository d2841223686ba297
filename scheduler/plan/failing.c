/* The breakers (breaker.h) of the fleet's workers. */
#include <string.h>

#include "plan/admit.h"

static bool is_calm(const struct og_plan *p, int64_t now)
{
	return (!p->index || now - p->leading_since >= OG_CALM_MS) &&
	       (!p->disturbed_at || now - p->disturbed_at >= OG_CALM_MS);
}

void og_plan_disturbed(struct og_plan *p, int64_t now)
{
	p->disturbed_at = now;
}

void og_plan_worker_failed(struct og_plan *p, const struct og_worker *w, bool fast, int64_t now)
{
	if (fast && w->key[0] && is_calm(p, now))
		og_breaker_failed(&p->breakers, w->key, p->random ? p->random() : 0, now);
}

void og_plan_worker_ran(struct og_plan *p, const struct og_worker *w)
{
	if (p->breakers)
		og_breaker_ran(&p->breakers, w->key);
}

bool og_plan_pauses(struct og_plan *p, int64_t now, struct og_pause *ret)
{
	return p->breakers && og_breaker_tell(&p->breakers, now, ret->key, &ret->ms);
}

bool og_worker_open(const struct og_plan *p, const struct og_worker *w)
{
	const struct og_breaker *b = p->breakers ? og_breaker_find(p->breakers, w->key) : NULL;

	return b && b->until && !b->ended;
}

struct og_worker *og_plan_probe(const struct og_plan *p, unsigned tier, int64_t now)
{
	struct og_worker *w = p->breakers ? p->nodes.of_tier[tier] : NULL;

	for (; w; w = w->next) {
		const struct og_breaker *b = og_breaker_find(p->breakers, w->key);
		bool idle = !w->running && !w->reserved && !w->said.n_running;

		if (b && b->until && !b->ended && now >= b->until && idle && w->said.slots && !w->said.draining)
			return w;
	}
	return NULL;
}
