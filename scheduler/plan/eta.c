/* How many are ahead of a job, and how long that takes.
 *
 * By start-time fair queueing (tenants.h) a job whose flow has `rank` jobs before it is served at the virtual time S = the
 * flow's tag + rank × what its jobs cost; of every other flow of its class those are served before it whose tags are not
 * above S. Better classes are served first, all of them.
 *
 * For the time, those that will come meanwhile count too, at the rate at which they came lately: what is left of the tier
 * for this class is what better ones do not take, and at least the share that ageing gives. The result appears on both
 * sides of the equation; a few rounds settle it.
 *
 * Jobs of one class may run for far longer than those of another, and hold the slots that they have for as long: a slot is free
 * again when one of what is placed now ends, each of its own class's time. */
#include <math.h>

#include "plan/admit.h"

#define RETRY_MAX_S 3600
#define ROUNDS      6
#define ENOUGH      0.02
#define SMOOTH      0.05
#define TEMPER      2.0
#define ETA_MAX_MS  (INT64_C(30) * 24 * 3600 * 1000)

struct place {                      /* in a tier and class */
	const struct og_flow *flow; /* NULL: a tenant that never came */
	unsigned tier, class, rank;
};

static double came_per_ms(const struct og_rate *r, int64_t now)
{
	return og_rate_per_ms(r, OG_CAME_WINDOW_MS, OG_CAME_LEAST_MS, now);
}

static double unit_of(const struct og_flow *f)
{
	return (f->cost > 0 ? f->cost : OG_COST_USUAL) / (double)f->account->weight;
}

/* Its tag in `ms`, when better classes will have been served meanwhile as they come now. One that does not wait begins at
 * the virtual time. */
static double tag_of(const struct og_flow *f, unsigned class, double virtual_time, double ms, int64_t now)
{
	double tag = f->start, per_ms = 0;

	if (!f->waiting[class] && tag < virtual_time)
		tag = virtual_time;
	for (unsigned c = 0; c < class && ms > 0; c++)
		per_ms += came_per_ms(&f->came[c], now);
	return tag + per_ms * ms * unit_of(f);
}

/* When it is served, in the tier's virtual time. */
static double virtual_start(const struct place *at, double virtual_time, double ms, int64_t now)
{
	const struct og_flow *f = at->flow;

	return f ? tag_of(f, at->class, virtual_time, ms, now) + at->rank * unit_of(f) : virtual_time;
}

/* Of all other flows of its class, those served before it, of what waits now and what comes within `ms`: of the flows that
 * wait one by one; what others bring is served as it comes. */
static double beside(const struct og_plan *p, const struct place *at, double ms, int64_t now)
{
	const struct og_tier_index *t = &p->index->tiers[at->tier];
	double virtual_time = og_virtual_time(p->index, at->tier);
	double start = virtual_start(at, virtual_time, ms, now), n = 0;
	double others = ms > 0 ? came_per_ms(&t->came[at->class], now) : 0;

	if (ms > 0 && at->flow && !at->flow->waiting[at->class])
		others -= came_per_ms(&at->flow->came[at->class], now);
	for (const struct og_flow *f = t->waiting_flows; f; f = f->wait_next) {
		double per_ms = ms > 0 ? came_per_ms(&f->came[at->class], now) : 0;
		double there = f->waiting[at->class] + per_ms * ms, share;

		others -= per_ms;
		if (f == at->flow || there <= 0 || og_account_full(f->account))
			continue;
		share = floor((start - tag_of(f, at->class, virtual_time, ms, now)) / unit_of(f)) + 1;
		n += share <= 0 ? 0 : share < there ? share : there;
	}
	return others > 0 ? n + others * ms : n;
}

static unsigned better(const struct og_tier_index *t, unsigned class)
{
	unsigned n = 0;

	for (unsigned c = 0; c < class; c++)
		n += t->waiting[c];
	return n;
}

/* Where it is among its own: they are served in turn. */
static struct place place_of(const struct og_entry *e)
{
	const struct og_flow *f = e->flow;
	uint32_t first = f->next_nth[e->class] - f->waiting[e->class];
	unsigned rank = (int32_t)(e->nth - first) > 0 ? e->nth - first : 0, last = f->waiting[e->class];

	return (struct place){
		.flow = f, .tier = e->tier, .class = e->class, .rank = last && rank >= last ? last - 1 : rank};
}

unsigned og_plan_ahead(const struct og_plan *p, const struct og_entry *e)
{
	const struct og_tier_index *t = &p->index->tiers[e->tier];
	struct place at;

	if (!og_entry_waits(e) || !e->flow)
		return 0;
	at = place_of(e);
	return better(t, e->class) + at.rank + (unsigned)beside(p, &at, 0, 0);
}

double og_plan_service_ms(const struct og_plan *p, unsigned tier)
{
	return p->service[tier].run_ms > 0 ? p->service[tier].run_ms : OG_SERVICE_USUAL_MS;
}

/* What was reckoned, against how fast the flow's own went lately, which knows what the reckoning leaves out (lanes that are
 * read in their order, ageing): the more of them, the more that counts. */
static double temper(const struct place *at, double ms, int64_t now)
{
	const struct og_rate *went = at->flow ? &at->flow->went[at->class] : NULL;
	unsigned seen = went ? og_rate_seen(went, OG_WENT_WINDOW_MS, now) : 0;
	double weight = seen / (seen + TEMPER), lately;

	if (seen < 2 || !at->rank || ms <= 0)
		return ms;
	lately = (at->rank + 0.5) / og_rate_per_ms(went, OG_WENT_WINDOW_MS, OG_CAME_LEAST_MS, now);
	return exp((1 - weight) * log(ms) + weight * log(lately));
}

/* For how long a job of the class runs; where none has ended, as those of its tier do. */
static double class_ms(const struct og_plan *p, unsigned tier, unsigned class)
{
	double ms = p->service[tier].class_ms[class];

	return ms > 0 ? ms : og_plan_service_ms(p, tier);
}

/* How many of the tier's slots are free again in a ms, when all are taken by what is placed now. */
static double ends_per_ms(const struct og_plan *p, unsigned tier)
{
	const struct og_tier_index *t = &p->index->tiers[tier];
	double slots = p->nodes.tiers[tier].slots ? p->nodes.tiers[tier].slots : 1, per_ms = 0;

	for (unsigned c = 0; c < OG_CLASSES; c++)
		per_ms += t->placed_of[c] / class_ms(p, tier, c);
	return t->placed ? per_ms * slots / t->placed : slots / og_plan_service_ms(p, tier);
}

static int64_t eta(const struct og_plan *p, const struct place *at, int64_t now)
{
	const struct og_tier_index *t = &p->index->tiers[at->tier];
	double slots = p->nodes.tiers[at->tier].slots, per_ms = ends_per_ms(p, at->tier), left = per_ms, ms = 0;
	double share = og_plan_share(p, at->tier, (enum og_class)at->class);
	unsigned ahead = better(t, at->class) + at->rank;

	if (slots > t->placed && (share >= slots || share > t->placed_of[at->class]) && !ahead &&
		!t->waiting[at->class])
		return 0;
	for (unsigned c = 0; c < at->class; c++)
		left -= came_per_ms(&t->came[c], now);
	if (left < per_ms / OG_AGED_EVERY)
		left = per_ms / OG_AGED_EVERY;
	if (share < slots && left > share / class_ms(p, at->tier, at->class))
		left = per_ms = share / class_ms(p, at->tier, at->class);
	for (int i = 0; i < ROUNDS; i++) {
		double beyond = t->placed > slots ? t->placed - slots : 0; /* placed, and not running yet */
		double last = ms;

		ms = (ahead + beside(p, at, ms, now)) / left + (beyond + 0.5) / per_ms;
		if (fabs(ms - last) < ms * ENOUGH)
			break;
	}
	ms = temper(at, ms, now);
	return ms < (double)ETA_MAX_MS ? (int64_t)ms : ETA_MAX_MS;
}

int64_t og_plan_eta_ms(const struct og_plan *p, const struct og_entry *e, int64_t now)
{
	struct place at;

	if (!og_entry_waits(e) || !e->flow)
		return 0;
	at = place_of(e);
	return eta(p, &at, now);
}

int64_t og_plan_eta_new_ms(const struct og_plan *p, const struct og_ask *ask, int64_t now)
{
	const struct og_account *a = ask->tenant ? og_account_find(p->index, ask->tenant) : NULL;
	const struct og_flow *f = a ? a->flows[ask->tier] : NULL;
	const struct place at = {
		.flow = f, .tier = ask->tier, .class = ask->class, .rank = f ? f->waiting[ask->class] : 0};

	return eta(p, &at, now);
}

static void smooth(double *average, double ms)
{
	*average = *average > 0 ? *average + SMOOTH * (ms - *average) : ms;
}

void og_plan_ended(struct og_plan *p, struct og_entry *e, int64_t run_ms, int64_t tokens, int64_t now)
{
	struct og_service_time *s = &p->service[e->tier];

	og_rate_count(&s->ended, OG_RATE_WINDOW_MS, now);
	if (run_ms > 0) {
		smooth(&s->run_ms, (double)run_ms);
		smooth(&s->class_ms[e->class], (double)run_ms);
	}
	og_flow_used(e, tokens);
}

unsigned og_plan_retry_s(const struct og_plan *p, unsigned tier, int64_t now)
{
	double per_ms = og_rate_per_ms(&p->service[tier].ended, OG_RATE_WINDOW_MS, OG_RATE_WINDOW_MS, now);
	double waiting = better(&p->index->tiers[tier], OG_CLASSES);
	double s = per_ms > 0 ? waiting / per_ms / 1000 + 1 : RETRY_MAX_S / 60;

	return s < RETRY_MAX_S ? (unsigned)s : RETRY_MAX_S;
}
