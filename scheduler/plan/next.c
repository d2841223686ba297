/* Who is next: admit.h says by what rule. */
#include "plan/admit.h"

unsigned og_plan_room_for_all(const struct og_plan *p, unsigned tier)
{
	uint64_t slots = p->nodes.tiers[tier].slots;
	uint64_t limit = slots + (slots * (uint64_t)p->lookahead_percent + 99) / 100;
	unsigned placed = p->index->tiers[tier].placed;

	return limit > placed && !p->paused[tier] ? (unsigned)(limit - placed) : 0;
}

unsigned og_plan_share(const struct og_plan *p, unsigned tier, enum og_class class)
{
	unsigned slots = p->nodes.tiers[tier].slots, leaves = (unsigned)p->batch_leaves;

	if (class != OG_CLASS_BATCH || !leaves || !slots)
		return slots;
	return slots > leaves ? slots - leaves : 1;
}

static unsigned or_probe(const struct og_plan *p, unsigned tier, unsigned room)
{
	if (room || p->paused[tier])
		return room;
	return p->breakers && og_plan_probe(p, tier, p->index->now) ? 1 : 0;
}

unsigned og_plan_room(const struct og_plan *p, unsigned tier)
{
	return or_probe(p, tier, og_plan_room_for_all(p, tier));
}

unsigned og_plan_room_of(const struct og_plan *p, unsigned tier, enum og_class class)
{
	unsigned room = og_plan_room_for_all(p, tier), share, placed;

	if (class == OG_CLASS_BATCH && p->batch_leaves) {
		share = og_plan_share(p, tier, class);
		placed = p->index->tiers[tier].placed_of[class];
		share = share > placed ? share - placed : 0;
		room = share < room ? share : room;
	}
	return or_probe(p, tier, room);
}

/* Its turn may come now. One whose age nobody knows is as old as our first look at it. */
static bool may_go(struct og_entry *e, int64_t now)
{
	if (!e->since)
		e->since = now;
	return !e->unsure && e->hold_until <= now && !og_account_full(e->flow->account);
}

static bool is_fairer(const struct og_entry *a, const struct og_entry *b)
{
	return a->flow->start != b->flow->start ? a->flow->start < b->flow->start : a->seq < b->seq;
}

/* The better of two by the rule of the turn; `best` may be NULL. */
typedef bool before(const struct og_entry *a, const struct og_entry *b);

static bool is_older(const struct og_entry *a, const struct og_entry *b)
{
	return a->since != b->since ? a->since < b->since : a->seq < b->seq;
}

static struct og_entry *first_of(struct og_tier_index *t, int class, before *rule, int64_t now)
{
	struct og_entry *best = NULL;

	for (struct og_entry *e = t->door[class]; e; e = e->next)
		if (may_go(e, now) && (!best || rule(e, best)))
			best = e;
	for (int k = 0; k < OG_LANES; k++) {
		const struct og_lane *l = &t->lanes[class][k];

		for (unsigned i = 0; i < l->n_heads; i++) {
			struct og_entry *e = l->heads[i];

			if (e->where == OG_WHERE_LANE && may_go(e, now) && (!best || rule(e, best)))
				best = e;
		}
	}
	return best;
}

static bool may_be_of(const struct og_plan *p, const struct og_tier_index *t, int class)
{
	return t->waiting[class] && og_plan_room_of(p, (unsigned)(t - p->index->tiers), (enum og_class) class);
}

/* The oldest of all, where it has waited for so long that it counts as aged. */
static struct og_entry *first_aged(const struct og_plan *p, struct og_tier_index *t, int64_t now)
{
	struct og_entry *best = NULL;

	for (int c = 0; c < OG_CLASSES; c++) {
		struct og_entry *e = may_be_of(p, t, c) ? first_of(t, c, is_older, now) : NULL;

		if (e && (!best || is_older(e, best)))
			best = e;
	}
	return best && now - best->since >= p->ageing_ms ? best : NULL;
}

struct og_entry *og_plan_next(const struct og_plan *p, unsigned tier, int64_t now)
{
	struct og_tier_index *t = &p->index->tiers[tier];
	struct og_entry *e = NULL;

	p->index->now = now;
	if (!og_plan_room(p, tier))
		return NULL;
	if (t->placements % OG_AGED_EVERY == OG_AGED_EVERY - 1)
		e = first_aged(p, t, now);
	for (int c = 0; c < OG_CLASSES && !e; c++)
		if (may_be_of(p, t, c))
			e = first_of(t, c, is_fairer, now);
	return e;
}
