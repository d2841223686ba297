#include "plan/admit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "base/alloc.h"
#include "model/envelope.h"

#define RETRY_MAX_S 3600
#define NOBODY      "no worker serves %s"

void og_plan_init(struct og_plan *p, const struct og_catalogue *c)
{
	*p = (struct og_plan){.catalogue = c};
	og_nodes_init(&p->nodes, c);
}

void og_plan_done(struct og_plan *p)
{
	og_plan_resign(p, NULL);
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

void og_plan_pause(struct og_plan *p, unsigned tier, bool paused, int64_t now)
{
	struct og_capacity *c = &p->nodes.tiers[tier];

	if (p->paused[tier] && !paused && c->seen)
		c->seen = now; /* its workers have from now on to come back */
	p->paused[tier] = paused;
}

/* --- a new job --- */

static bool grace_is_over(const struct og_plan *p, int64_t now)
{
	return now - p->leading_since >= OG_GRACE_PERIODS * OG_PRESENCE_PERIOD_MS;
}

/* Nobody serves the tier, and nobody has for so long that waiting would be a false promise. */
static bool is_gone(const struct og_plan *p, unsigned tier, int64_t now)
{
	const struct og_capacity *c = &p->nodes.tiers[tier];

	return !c->workers && !p->paused[tier] && grace_is_over(p, now) &&
	       (!c->seen || now - c->seen >= p->no_capacity_after_ms);
}

static bool has_free_slot(const struct og_plan *p, unsigned tier)
{
	return p->nodes.tiers[tier].slots > p->index->tiers[tier].placed;
}

static enum og_resolved resolve_auto(const struct og_plan *p, int64_t now, unsigned *ret, struct og_error *err)
{
	const struct og_capacity *c = p->nodes.tiers;
	int live = -1, last = -1;

	for (int i = (int)p->catalogue->n - 1; i >= 0; i--) {
		if (c[i].workers && !p->paused[i] && has_free_slot(p, (unsigned)i)) {
			*ret = (unsigned)i;
			return OG_RESOLVED;
		}
		if (c[i].workers && !p->paused[i] && live < 0)
			live = i;
		if (c[i].seen && (last < 0 || c[i].seen > c[last].seen))
			last = i;
	}
	if (live < 0 && last < 0) {
		if (!grace_is_over(p, now))
			return OG_RESOLVE_LATER;
		og_fail(err, OG_INVALID, "no worker serves any tier");
		return OG_RESOLVE_NO_CAPACITY;
	}
	*ret = (unsigned)(live >= 0 ? live : last);
	return OG_RESOLVED;
}

static bool is_auto(const char *name)
{
	return !name || !strcasecmp(name, OG_TIER_AUTO);
}

enum og_resolved og_plan_resolve(
	const struct og_plan *p, const char *tier, const char *model, int64_t now, unsigned *ret, struct og_error *err)
{
	const char *name = is_auto(tier) ? model : tier;
	const struct og_tier *t;

	if (is_auto(name))
		return resolve_auto(p, now, ret, err);
	t = og_catalogue_find(p->catalogue, name);
	if (!t) {
		og_catalogue_unknown(p->catalogue, name, err);
		return OG_RESOLVE_UNKNOWN;
	}
	*ret = (unsigned)(t - p->catalogue->tiers);
	return OG_RESOLVED;
}

static unsigned waiting_before(const struct og_tier_index *t, enum og_class class)
{
	unsigned n = 0;

	for (int c = 0; c <= (int)class; c++)
		n += t->waiting[c];
	return n;
}

static unsigned waiting_all(const struct og_tier_index *t)
{
	return waiting_before(t, OG_CLASSES - 1);
}

/* In lanes, in this class or a better one. */
static unsigned in_lanes_before(const struct og_tier_index *t, enum og_class class)
{
	unsigned n = waiting_before(t, class);

	for (int c = 0; c <= (int)class; c++)
		n -= t->at_door[c];
	return n;
}

static bool may_wait_at_the_door(const struct og_plan *p, unsigned tier, enum og_class class, size_t bytes)
{
	const struct og_index *ix = p->index;

	return p->nodes.tiers[tier].slots && !p->paused[tier] && !in_lanes_before(&ix->tiers[tier], class) &&
	       ix->at_door < OG_DOOR_MAX && ix->door_bytes + bytes <= OG_DOOR_BYTES;
}

enum og_verdict og_plan_admit(
	const struct og_plan *p, unsigned tier, enum og_class class, size_t bytes, int64_t now, struct og_error *err)
{
	const struct og_tier_index *t = &p->index->tiers[tier];

	if (is_gone(p, tier, now)) {
		og_fail(err, OG_INVALID, NOBODY, p->catalogue->tiers[tier].id);
		return OG_VERDICT_NO_CAPACITY;
	}
	/* Nobody overtakes what waits in the same class or a better one. */
	if (!waiting_before(t, class) && og_plan_room(p, tier))
		return OG_VERDICT_PLACE;
	if (p->index->waiting_bytes + bytes > (uint64_t)p->waiting_max_bytes) {
		og_fail(err, OG_BUSY, "%zu waiting, try in %u s", p->index->waiting, og_plan_retry_s(p, tier, now));
		return OG_VERDICT_BUSY;
	}
	return may_wait_at_the_door(p, tier, class, bytes) ? OG_VERDICT_DOOR : OG_VERDICT_WAIT;
}

/* --- what waits --- */

unsigned og_plan_room(const struct og_plan *p, unsigned tier)
{
	uint64_t slots = p->nodes.tiers[tier].slots;
	uint64_t limit = slots + (slots * (uint64_t)p->lookahead_percent + 99) / 100;
	unsigned placed = p->index->tiers[tier].placed;

	return limit > placed && !p->paused[tier] ? (unsigned)(limit - placed) : 0;
}

static bool may_go(const struct og_entry *e, int64_t now)
{
	return !e->unsure && e->hold_until <= now;
}

static struct og_entry *first_at_door(const struct og_tier_index *t, int class, int64_t now)
{
	struct og_entry *e = t->door[class];

	while (e && !may_go(e, now))
		e = e->next;
	return e;
}

/* The first of the bodies that we hold of a lane that may go. */
static struct og_entry *head_of(const struct og_lane *l, int64_t now)
{
	for (unsigned i = 0; i < l->n_heads; i++)
		if (l->heads[i]->where == OG_WHERE_LANE && may_go(l->heads[i], now))
			return l->heads[i];
	return NULL;
}

struct og_entry *og_plan_next(const struct og_plan *p, unsigned tier, int64_t now)
{
	const struct og_tier_index *t = &p->index->tiers[tier];

	if (!waiting_all(t) || !og_plan_room(p, tier))
		return NULL;
	for (int c = 0; c < OG_CLASSES; c++) {
		struct og_entry *best = first_at_door(t, c, now);

		for (int k = 0; t->waiting[c] && k < OG_LANES; k++) {
			struct og_entry *e = head_of(&t->lanes[c][k], now);

			if (e && (!best || e->seq < best->seq))
				best = e;
		}
		if (best)
			return best;
	}
	return NULL;
}

unsigned og_plan_ahead(const struct og_plan *p, const struct og_entry *e)
{
	const struct og_tier_index *t = &p->index->tiers[e->tier];
	unsigned better = e->class ? waiting_before(t, (enum og_class)(e->class - 1)) : 0;
	unsigned beside = t->waiting[e->class] ? t->waiting[e->class] - 1 : 0;
	const struct og_entry *door = t->door[e->class];
	uint64_t first = door && door->seq < e->seq ? door->seq : e->seq;

	if (!og_entry_waits(e))
		return 0;
	for (int k = 0; k < OG_LANES; k++) {
		const struct og_entry *oldest = t->lanes[e->class][k].list;

		if (oldest && oldest->seq < first)
			first = oldest->seq;
	}
	return better + (e->seq - first < beside ? (unsigned)(e->seq - first) : beside);
}

struct og_entry *og_plan_tired(const struct og_plan *p, unsigned tier, int64_t now)
{
	for (int c = 0; c < OG_CLASSES; c++) {
		struct og_entry *e = p->index->tiers[tier].door[c];

		if (e && now - e->placed_at >= OG_DOOR_MS)
			return e;
	}
	return NULL;
}

void og_plan_ended(struct og_plan *p, unsigned tier, int64_t now)
{
	struct og_rate *r = &p->rates[tier];

	if (now - r->began >= OG_RATE_WINDOW_MS) {
		r->before = now - r->began < 2 * OG_RATE_WINDOW_MS ? r->current : 0;
		r->current = 0;
		r->began = now;
	}
	r->current++;
}

unsigned og_plan_retry_s(const struct og_plan *p, unsigned tier, int64_t now)
{
	const struct og_rate *r = &p->rates[tier];
	int64_t span = OG_RATE_WINDOW_MS + (now - r->began);
	int64_t ended = r->before + r->current;
	int64_t waiting = waiting_all(&p->index->tiers[tier]);
	int64_t s = ended ? waiting * span / ended / 1000 + 1 : RETRY_MAX_S / 60;

	return (unsigned)(s < RETRY_MAX_S ? s : RETRY_MAX_S);
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

	if (c->workers || p->paused[tier] || !waiting_all(t))
		return NULL;
	if (now - (heard_of ? c->seen : p->leading_since) >= OG_TIER_GONE_MS) {
		og_fail(err, OG_INVALID, "no worker has served %s for %d min", id, OG_TIER_GONE_MS / 60000);
		return in_lanes(t, false);
	}
	if (heard_of || !is_gone(p, tier, now) || now - p->leading_since < p->no_capacity_after_ms)
		return NULL;
	og_fail(err, OG_INVALID, NOBODY, id);
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
