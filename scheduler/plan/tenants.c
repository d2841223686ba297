#include "plan/tenants.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "plan/index.h"

#define MINUTE_MS  60000
#define SMOOTH     0.05 /* of the moving average of costs */
#define LOOK_EVERY 16

/* --- rates --- */

static void roll(struct og_rate *r, int64_t window_ms, int64_t now)
{
	int64_t span = now - r->began;

	if (r->began && span < window_ms)
		return;
	/* A window without a word between is as good as none. */
	r->before = r->began && span < 2 * window_ms ? r->current : 0;
	r->before_ms = r->began && span < 2 * window_ms ? span : 0;
	r->current = 0;
	r->began = now;
}

void og_rate_count(struct og_rate *r, int64_t window_ms, int64_t now)
{
	roll(r, window_ms, now);
	r->current++;
}

unsigned og_rate_seen(const struct og_rate *r, int64_t window_ms, int64_t now)
{
	struct og_rate at = *r;

	if (!at.began)
		return 0;
	roll(&at, window_ms, now);
	return at.before + at.current;
}

double og_rate_per_ms(const struct og_rate *r, int64_t window_ms, int64_t least_ms, int64_t now)
{
	struct og_rate at = *r;
	double span;

	if (!at.began)
		return 0;
	roll(&at, window_ms, now);
	span = (double)(at.before_ms + (now - at.began));
	return (at.before + at.current) / (span < (double)least_ms ? (double)least_ms : span);
}

/* --- accounts --- */

static void rule(struct og_account *a, const struct og_tenants *rules)
{
	const struct og_tenant_rule *r = og_tenants_find(rules, a->name);
	bool other = a->per_minute != r->per_minute;

	a->weight = a->told_weight ? a->told_weight : r->weight;
	a->max_running = r->max_running;
	a->max_queued = r->max_queued;
	a->per_minute = r->per_minute;
	if (other)
		a->tokens = (double)a->per_minute;
}

static void account_free(struct og_index *ix, struct og_account *a)
{
	for (size_t i = 0; i < ix->n_tiers; i++) {
		if (!a->flows[i])
			continue;
		DL_DELETE(ix->tiers[i].flows, a->flows[i]);
		free(a->flows[i]);
	}
	HASH_DEL(ix->accounts, a);
	ix->idle_accounts -= !a->refs;
	free(a->flows);
	free(a);
}

static bool owes(const struct og_index *ix, const struct og_account *a)
{
	for (size_t i = 0; i < ix->n_tiers; i++)
		if (a->flows[i] && a->flows[i]->start > og_virtual_time(ix, (unsigned)i))
			return true;
	return a->per_minute && a->tokens < (double)a->per_minute;
}

static void forget_idle(struct og_index *ix)
{
	struct og_account *a, *tmp;

	for (int all = 0; all < 2 && ix->idle_accounts > OG_ACCOUNTS_IDLE / 2; all++) {
		HASH_ITER(hh, ix->accounts, a, tmp)
		if (!a->refs && (all || !owes(ix, a)))
			account_free(ix, a);
	}
}

struct og_account *og_account_find(const struct og_index *ix, const char *tenant)
{
	struct og_account *a;

	HASH_FIND(hh, ix->accounts, tenant, strnlen(tenant, OG_NAME_MAX - 1), a);
	return a;
}

static struct og_account *account_of(struct og_index *ix, const char *tenant)
{
	struct og_account *a = og_account_find(ix, tenant);

	if (a)
		return a;
	if (ix->idle_accounts > OG_ACCOUNTS_IDLE)
		forget_idle(ix);
	a = og_new(struct og_account);
	a->flows = og_alloc(ix->n_tiers * sizeof(struct og_flow *));
	snprintf(a->name, sizeof(a->name), "%s", tenant);
	rule(a, ix->rules);
	HASH_ADD_STR(ix->accounts, name, a);
	ix->idle_accounts++;
	return a;
}

void og_accounts_ruled(struct og_index *ix, const struct og_tenants *rules)
{
	ix->rules = rules;
	for (struct og_account *a = ix->accounts; a; a = a->hh.next)
		rule(a, rules);
}

void og_accounts_free(struct og_index *ix)
{
	struct og_account *a, *tmp;

	HASH_ITER(hh, ix->accounts, a, tmp)
	account_free(ix, a);
}

void og_account_weigh(struct og_account *a, int64_t weight)
{
	if (weight)
		a->weight = a->told_weight = weight;
}

bool og_account_full(const struct og_account *a)
{
	return a->max_running && (int64_t)a->placed >= a->max_running;
}

static double per_ms(const struct og_account *a)
{
	return (double)a->per_minute / MINUTE_MS;
}

static void refill(struct og_account *a, int64_t now)
{
	if (a->filled_at && now > a->filled_at)
		a->tokens += per_ms(a) * (double)(now - a->filled_at);
	if (a->tokens > (double)a->per_minute)
		a->tokens = (double)a->per_minute;
	a->filled_at = now;
}

unsigned og_account_spent(struct og_account *a, int64_t now)
{
	if (!a->per_minute)
		return 0;
	refill(a, now);
	return a->tokens < 1 ? (unsigned)ceil((1 - a->tokens) / per_ms(a) / 1000) : 0;
}

void og_account_spend(struct og_account *a, int64_t now)
{
	if (!a->per_minute)
		return;
	refill(a, now);
	a->tokens--;
}

/* --- flows --- */

struct og_flow *og_flow_of(struct og_index *ix, const char *tenant, unsigned tier)
{
	struct og_account *a = account_of(ix, tenant);
	struct og_flow *f = a->flows[tier];

	if (f)
		return f;
	f = a->flows[tier] = og_new(struct og_flow);
	f->account = a;
	f->tier = tier;
	f->idle_at = UINT64_MAX;
	DL_APPEND(ix->tiers[tier].flows, f);
	return f;
}

struct og_flow *og_flow_take(struct og_index *ix, const char *tenant, unsigned tier)
{
	struct og_flow *f = og_flow_of(ix, tenant, tier);

	ix->idle_accounts -= !f->account->refs;
	f->account->refs++;
	f->refs++;
	return f;
}

void og_flow_drop(struct og_index *ix, struct og_flow *f)
{
	if (!f)
		return;
	f->refs--;
	f->account->refs--;
	ix->idle_accounts += !f->account->refs;
}

static bool is_idle(const struct og_flow *f)
{
	unsigned n = 0;

	for (int c = 0; c < OG_CLASSES; c++)
		n += f->waiting[c];
	return !n;
}

double og_virtual_time(const struct og_index *ix, unsigned tier)
{
	const struct og_tier_index *t = &ix->tiers[tier];
	const struct og_flow *f = t->waiting_flows;
	double least = f ? f->start : t->greatest_tag;

	for (; f; f = f->wait_next)
		if (f->start < least)
			least = f->start;
	return least > t->virtual_time ? least : t->virtual_time;
}

/* A flow that waits anew begins at the tier's virtual time; but not one that only went from one list to another, while
 * nothing was placed. Where many wait, the time is looked at less often than it changes. */
static void begin(struct og_index *ix, struct og_flow *f)
{
	struct og_tier_index *t = &ix->tiers[f->tier];

	if (f->idle_at == t->placements)
		return;
	if (t->placements - t->looked_at >= t->n_waiting_flows / LOOK_EVERY) {
		t->virtual_time = og_virtual_time(ix, f->tier);
		t->looked_at = t->placements;
	}
	if (f->start < t->virtual_time)
		f->start = t->virtual_time;
}

static void begin_to_wait(struct og_index *ix, struct og_flow *f)
{
	struct og_tier_index *t = &ix->tiers[f->tier];

	begin(ix, f);
	DL_APPEND2(t->waiting_flows, f, wait_prev, wait_next);
	t->n_waiting_flows++;
}

static void wait_no_more(struct og_index *ix, struct og_flow *f)
{
	struct og_tier_index *t = &ix->tiers[f->tier];

	DL_DELETE2(t->waiting_flows, f, wait_prev, wait_next);
	t->n_waiting_flows--;
	f->idle_at = t->placements;
}

void og_flow_count(struct og_index *ix, const struct og_entry *e, int sign)
{
	struct og_flow *f = e->flow;
	unsigned one = (unsigned)sign;

	if (!f)
		return;
	if (og_entry_placed(e)) {
		f->account->placed += one;
		return;
	}
	if (!og_entry_waits(e))
		return;
	if (sign > 0 && is_idle(f))
		begin_to_wait(ix, f);
	f->waiting[e->class] += one;
	f->account->waiting += one;
	if (sign < 0 && is_idle(f))
		wait_no_more(ix, f);
}

static double price(const struct og_flow *f, double tokens)
{
	return tokens / (double)f->account->weight;
}

void og_flow_charge(struct og_index *ix, struct og_entry *e)
{
	struct og_tier_index *t = &ix->tiers[e->tier];
	struct og_flow *f = e->flow;

	t->placements++;
	if (!f)
		return;
	if (is_idle(f))
		begin(ix, f);
	if (og_entry_waits(e))
		og_rate_count(&f->went[e->class], OG_WENT_WINDOW_MS, ix->now);
	f->start += price(f, e->cost);
	if (t->greatest_tag < f->start)
		t->greatest_tag = f->start;
	f->cost = f->cost > 0 ? f->cost + SMOOTH * (e->cost - f->cost) : e->cost;
}

void og_flow_refund(struct og_index *ix, struct og_entry *e)
{
	ix->tiers[e->tier].placements--;
	if (!e->flow)
		return;
	e->flow->start -= price(e->flow, e->cost);
	if (is_idle(e->flow))
		e->flow->idle_at = ix->tiers[e->tier].placements;
}

void og_flow_used(struct og_entry *e, int64_t tokens)
{
	if (!e->flow || tokens <= 0)
		return;
	e->flow->start += price(e->flow, (double)(tokens < OG_COST_MAX ? tokens : OG_COST_MAX) - e->cost);
}

uint32_t og_job_cost(uint64_t bytes, int64_t max_tokens)
{
	uint64_t answer = max_tokens > 0 ? (uint64_t)max_tokens : OG_COST_USUAL;
	uint64_t cost = bytes / 4 + (answer < OG_COST_MAX ? answer : OG_COST_MAX);

	return (uint32_t)(cost < OG_COST_MAX ? cost : OG_COST_MAX);
}
