#include "plan/admit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "base/alloc.h"
#include "model/envelope.h"

void og_plan_init(struct og_plan *p, const struct og_catalogue *c)
{
	*p = (struct og_plan){.catalogue = c};
	og_nodes_init(&p->nodes, c);
}

void og_plan_done(struct og_plan *p)
{
	og_plan_resign(p, NULL);
	og_breakers_free(&p->breakers);
	og_nodes_done(&p->nodes);
}

void og_plan_resign(struct og_plan *p, void (*release)(struct og_entry *e))
{
	og_index_free(p->index, release);
	og_recent_free(p->recent);
	og_sessions_free(OG_TAKE(p->sessions));
	p->index = NULL;
	p->recent = NULL;
}

void og_plan_set_tenants(struct og_plan *p, const struct og_tenants *t)
{
	p->tenants = t;
	if (p->index)
		og_accounts_ruled(p->index, t);
}

void og_plan_pause(struct og_plan *p, unsigned tier, bool paused, int64_t now)
{
	struct og_capacity *c = &p->nodes.tiers[tier];

	if (p->paused[tier] && !paused && c->seen)
		c->seen = now; /* its workers have from now on to come back */
	p->paused[tier] = paused;
}

/* --- a new job --- */

bool og_plan_grace_is_over(const struct og_plan *p, int64_t now)
{
	return now - p->leading_since >= OG_GRACE_PERIODS * OG_PRESENCE_PERIOD_MS;
}

static enum og_resolved resolve_auto(
	const struct og_plan *p, const struct og_ask *ask, int64_t now, unsigned *ret, struct og_error *err)
{
	const struct og_capacity *c = p->nodes.tiers;
	struct og_ask at = *ask;
	int first = -1, last = -1;
	double soonest = 0;

	for (int i = (int)p->catalogue->n - 1; i >= 0; i--) {
		double done;

		if (c[i].seen && (last < 0 || c[i].seen > c[last].seen))
			last = i;
		at.tier = (unsigned)i;
		if (!c[i].workers || p->paused[i] || !og_plan_fits(p, at.tier, &at))
			continue;
		done = (double)og_plan_eta_new_ms(p, &at, now) + og_plan_service_ms(p, at.tier);
		if (done <= (double)ask->left_ms) {
			*ret = at.tier;
			return OG_RESOLVED;
		}
		if (first < 0 || done < soonest) {
			first = i;
			soonest = done;
		}
	}
	if (first < 0 && last < 0) {
		if (!og_plan_grace_is_over(p, now))
			return OG_RESOLVE_LATER;
		og_fail(err, OG_INVALID, "no worker serves any tier: " OG_SERVE);
		return OG_RESOLVE_NO_CAPACITY;
	}
	*ret = (unsigned)(first >= 0 ? first : last);
	return OG_RESOLVED;
}

static bool is_auto(const char *name)
{
	return !name || !strcasecmp(name, OG_TIER_AUTO);
}

/* Who asked is to try one of the names: they are of what somebody serves. */
static enum og_resolved unknown(const struct og_plan *p, const char *name, struct og_error *err)
{
	bool served[OG_TIERS_MAX];

	for (size_t i = 0; i < p->catalogue->n; i++)
		served[i] = p->nodes.tiers[i].workers > 0;
	og_catalogue_unknown(p->catalogue, name, served, err);
	return OG_RESOLVE_UNKNOWN;
}

enum og_resolved og_plan_resolve(const struct og_plan *p, const char *tier, const char *model, const struct og_ask *ask,
	int64_t now, unsigned *ret, struct og_error *err)
{
	const char *name = is_auto(tier) ? model : tier;
	const struct og_tier *t;

	if (is_auto(name))
		return resolve_auto(p, ask, now, ret, err);
	t = og_catalogue_find(p->catalogue, name);
	if (!t)
		return unknown(p, name, err);
	*ret = (unsigned)(t - p->catalogue->tiers);
	return OG_RESOLVED;
}

/* In this class or a better one. */
static unsigned waiting_before(const struct og_tier_index *t, enum og_class class)
{
	unsigned n = 0;

	for (int c = 0; c <= (int)class; c++)
		n += t->waiting[c];
	return n;
}

/* Likewise, of those that their tenants' limits let go. */
static unsigned ready_before(const struct og_tier_index *t, enum og_class class)
{
	unsigned n = waiting_before(t, class);

	for (const struct og_flow *f = n ? t->flows : NULL; f; f = f->next)
		for (int c = 0; og_account_full(f->account) && c <= (int)class; c++)
			n -= f->waiting[c];
	return n;
}

/* In lanes, in this class or a better one. */
static unsigned in_lanes_before(const struct og_tier_index *t, enum og_class class)
{
	unsigned n = waiting_before(t, class);

	for (int c = 0; c <= (int)class; c++)
		n -= t->at_door[c];
	return n;
}

static bool may_wait_at_the_door(const struct og_plan *p, const struct og_ask *ask)
{
	const struct og_index *ix = p->index;

	return p->nodes.tiers[ask->tier].slots && !p->paused[ask->tier] &&
	       !in_lanes_before(&ix->tiers[ask->tier], ask->class) && ix->at_door < OG_DOOR_MAX &&
	       ix->door_bytes + ask->bytes <= OG_DOOR_BYTES;
}

/* Its tenant's limits; true: it is within them. */
static bool within_limits(
	const struct og_plan *p, struct og_account *a, const struct og_ask *ask, int64_t now, struct og_error *err)
{
	unsigned s;

	if (a->max_queued && a->waiting >= a->max_queued) {
		og_fail(err, OG_BUSY, "tenant %s has %u waiting, its limit; try in %u s", a->name, a->waiting,
			og_plan_retry_s(p, ask->tier, now));
		return false;
	}
	s = og_account_spent(a, now);
	if (s)
		og_fail(err, OG_BUSY, "tenant %s may submit %lld a minute; try in %u s", a->name,
			(long long)a->per_minute, s);
	return !s;
}

enum og_verdict og_plan_admit(struct og_plan *p, const struct og_ask *ask, int64_t now, struct og_error *err)
{
	struct og_tier_index *t = &p->index->tiers[ask->tier];
	struct og_flow *f = og_flow_of(p->index, ask->tenant, ask->tier);
	enum og_verdict verdict = og_plan_feasible(p, ask, now, err);
	bool full = og_account_full(f->account);

	if (verdict != OG_VERDICT_PLACE)
		return verdict;
	/* Nobody overtakes what waits in the same class or a better one. */
	if (!full && !ready_before(t, ask->class) && og_plan_room_of(p, ask->tier, ask->class))
		verdict = OG_VERDICT_PLACE;
	else
		verdict = may_wait_at_the_door(p, ask) && !full ? OG_VERDICT_DOOR : OG_VERDICT_WAIT;
	if (verdict != OG_VERDICT_PLACE && p->index->waiting_bytes + ask->bytes > (uint64_t)p->waiting_max_bytes) {
		og_fail(err, OG_BUSY, "%zu waiting, try in %u s", p->index->waiting,
			og_plan_retry_s(p, ask->tier, now));
		return OG_VERDICT_BUSY;
	}
	return within_limits(p, f->account, ask, now, err) ? verdict : OG_VERDICT_LIMITED;
}

void og_plan_admitted(struct og_plan *p, const struct og_entry *e, int64_t now)
{
	og_account_spend(e->flow->account, now);
	og_rate_count(&p->index->tiers[e->tier].came[e->class], OG_CAME_WINDOW_MS, now);
	og_rate_count(&e->flow->came[e->class], OG_CAME_WINDOW_MS, now);
}

/* --- what waits --- */

struct og_entry *og_plan_tired(const struct og_plan *p, unsigned tier, int64_t now)
{
	for (int c = 0; c < OG_CLASSES; c++) {
		struct og_entry *e = p->index->tiers[tier].door[c];

		if (e && now - e->placed_at >= OG_DOOR_MS)
			return e;
	}
	return NULL;
}

/* The oldest or the newest that waits in the tier's lanes, of any class; NULL: none. */
static struct og_entry *in_lanes(const struct og_tier_index *t, bool newest)
{
	struct og_entry *best = NULL;

	for (int class = 0; class < OG_CLASSES; class ++) {
		for (int k = 0; k < OG_LANES; k++) {
			struct og_entry *e = t->lanes[class][k].list;

			if (e && newest)
				e = e->prev; /* a utlist's head knows its tail */
			if (e && (!best || (newest ? e->accepted_ms > best->accepted_ms
						   : e->accepted_ms < best->accepted_ms)))
				best = e;
		}
	}
	return best;
}

struct og_entry *og_plan_hopeless(const struct og_plan *p, unsigned tier, int64_t now, struct og_error *err)
{
	const char *id = p->catalogue->tiers[tier].id;
	const struct og_tier_index *t = &p->index->tiers[tier];
	const struct og_capacity *c = &p->nodes.tiers[tier];
	bool heard_of = c->seen > p->leading_since;
	struct og_entry *newest;

	if (c->workers || p->paused[tier] || !waiting_before(t, OG_CLASSES - 1))
		return NULL;
	if (now - (heard_of ? c->seen : p->leading_since) >= OG_TIER_GONE_MS) {
		og_fail(err, OG_INVALID, "no worker has served %s for %d min", id, OG_TIER_GONE_MS / 60000);
		return in_lanes(t, false);
	}
	if (heard_of || !og_plan_is_gone(p, tier, now) || now - p->leading_since < p->no_capacity_after_ms)
		return NULL;
	og_plan_nobody(p, tier, err);
	newest = in_lanes(t, true);
	return newest && newest->accepted_ms >= p->leading_since_wall ? newest : NULL;
}

static unsigned mark_silent(struct og_index *ix, struct og_lane *l)
{
	struct og_entry *e;
	unsigned n = 0;

	DL_FOREACH(l->list, e)
	{
		if (e->where == OG_WHERE_LANE && !e->astray) {
			og_index_set_astray(ix, e, true);
			n++;
		}
	}
	return n;
}

static bool is_silent(struct og_lane *l, bool reading, int64_t now)
{
	if (!reading || !l->waiting || l->n_heads)
		l->silent_from = 0;
	else if (!l->silent_from)
		l->silent_from = now;
	return l->silent_from && now - l->silent_from >= OG_SILENT_MS;
}

unsigned og_plan_silent(struct og_plan *p, unsigned tier, bool reading, int64_t now)
{
	struct og_tier_index *t = &p->index->tiers[tier];
	unsigned n = 0;

	for (int c = 0; c < OG_CLASSES; c++)
		for (int k = 0; k < OG_LANES; k++)
			if (is_silent(&t->lanes[c][k], reading, now))
				n += mark_silent(p->index, &t->lanes[c][k]);
	return n;
}
