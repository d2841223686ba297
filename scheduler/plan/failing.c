/* The breakers (breaker.h) of the fleet's workers: each by "<user>~<key>", for two users' may have one name. */
#include <stdio.h>
#include <string.h>

#include "plan/admit.h"

static bool is_calm(const struct og_plan *p, int64_t now)
{
	return (!p->index || now - p->leading_since >= OG_CALM_MS) &&
	       (!p->disturbed_at || now - p->disturbed_at >= OG_CALM_MS);
}

static void name_breaker(const struct og_worker *w, char ret[static OG_KEY_MAX])
{
	snprintf(ret, OG_KEY_MAX, "%s~%.*s", w->node->user, OG_NAME_MAX - 1, w->key);
}

static struct og_breaker *find_breaker(const struct og_plan *p, const struct og_worker *w)
{
	char name[OG_KEY_MAX];

	if (!p->breakers)
		return NULL;
	name_breaker(w, name);
	return og_breaker_find(p->breakers, name);
}

void og_plan_disturbed(struct og_plan *p, int64_t now)
{
	p->disturbed_at = now;
}

void og_plan_worker_failed(struct og_plan *p, const struct og_worker *w, bool fast, int64_t now)
{
	char name[OG_KEY_MAX];

	if (!fast || !w->key[0] || !is_calm(p, now))
		return;
	name_breaker(w, name);
	og_breaker_failed(&p->breakers, name, p->random ? p->random() : 0, now);
}

void og_plan_worker_ran(struct og_plan *p, const struct og_worker *w)
{
	char name[OG_KEY_MAX];

	if (!p->breakers)
		return;
	name_breaker(w, name);
	og_breaker_ran(&p->breakers, name);
}

/* NULL: it is gone. */
static const struct og_worker *find_named(const struct og_plan *p, const char *name)
{
	char its[OG_KEY_MAX];

	for (const struct og_worker *w = p->nodes.workers; w; w = w->hh.next) {
		name_breaker(w, its);
		if (!strcmp(its, name))
			return w;
	}
	return NULL;
}

bool og_plan_pauses(struct og_plan *p, int64_t now, struct og_pause *ret)
{
	char name[OG_KEY_MAX];

	while (p->breakers && og_breaker_tell(&p->breakers, now, name, &ret->ms)) {
		ret->worker = find_named(p, name);
		if (ret->worker)
			return true;
	}
	return false;
}

bool og_worker_open(const struct og_plan *p, const struct og_worker *w)
{
	const struct og_breaker *b = find_breaker(p, w);

	return b && b->until && !b->ended;
}

struct og_worker *og_plan_probe(const struct og_plan *p, unsigned tier, int64_t now)
{
	struct og_worker *w = p->breakers ? p->nodes.of_tier[tier] : NULL;

	for (; w; w = w->next) {
		bool idle = !w->running && !w->reserved && !w->said.n_running;
		const struct og_breaker *b = idle && w->said.slots && !w->said.draining ? find_breaker(p, w) : NULL;

		if (b && b->until && !b->ended && now >= b->until)
			return w;
	}
	return NULL;
}
