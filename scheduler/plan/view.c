#include "plan/view.h"

#include <stdlib.h>
#include <string.h>

static int64_t oldest(const struct og_tier_index *t)
{
	int64_t best = 0;

	for (int c = 0; c < OG_CLASSES; c++) {
		for (int k = -1; k < OG_LANES; k++) {
			const struct og_entry *e = k < 0 ? t->door[c] : t->lanes[c][k].list;

			if (e && (!best || e->accepted_ms < best))
				best = e->accepted_ms;
		}
	}
	return best;
}

void og_view_queue(const struct og_plan *p, unsigned tier, int64_t now, int64_t wall, struct og_queue_view *ret)
{
	const struct og_tier_index *t = &p->index->tiers[tier];
	int64_t since = oldest(t);

	*ret = (struct og_queue_view){.waiting_bytes = t->waiting_bytes,
		.oldest_ms = since ? wall - since : 0,
		.per_min = 60000 * og_rate_per_ms(&p->service[tier].ended, OG_RATE_WINDOW_MS, OG_RATE_WINDOW_MS, now)};
	memcpy(ret->waiting, t->waiting, sizeof(ret->waiting));
}

/* --- jobs --- */

/* Whether `a` stands before `b` where the newest are first. */
static bool is_newer(int64_t a_ms, const char *a, int64_t b_ms, const char *b)
{
	return a_ms != b_ms ? a_ms > b_ms : strcmp(a, b) > 0;
}

bool og_filter_fits(const struct og_filter *f, const struct og_entry *e)
{
	return e->tenant && e->where != OG_WHERE_ENDED && (f->tier < 0 || f->tier == e->tier) &&
	       (f->class < 0 || f->class == e->class) && (f->state < 0 || f->state == (int)og_entry_state(e)) &&
	       (!f->tenant || !strcmp(f->tenant, e->tenant->text)) && e->accepted_ms >= f->since_ms &&
	       (!f->before_ms || is_newer(f->before_ms, f->before_id, e->accepted_ms, e->id));
}

/* What was found so far: the newest on top of it when it is sorted. */
struct found {
	const struct og_filter *filter;
	const struct og_entry **out;
	size_t n, max;
};

/* The oldest of those found goes where a newer one comes. */
static void keep(struct found *f, const struct og_entry *e)
{
	size_t place = f->n;

	if (f->n == f->max && is_newer(f->out[f->n - 1]->accepted_ms, f->out[f->n - 1]->id, e->accepted_ms, e->id))
		return;
	if (f->n == f->max)
		place--;
	else
		f->n++;
	for (; place && is_newer(e->accepted_ms, e->id, f->out[place - 1]->accepted_ms, f->out[place - 1]->id); place--)
		f->out[place] = f->out[place - 1];
	f->out[place] = e;
}

/* From its end on. Where `in_order` those that came last are there, so that its older ones are not looked at when as many were
 * found as are asked for; those of one millisecond stand as they came, not by their ids. */
static void look_through(struct found *f, const struct og_entry *list, bool in_order)
{
	const struct og_entry *e = list ? list->prev : NULL; /* a utlist's head knows its tail */
	int64_t last = 0;
	size_t fit = 0;

	for (size_t n = 0; e && n < OG_VIEW_LOOKED_MAX && (!in_order || fit < f->max || e->accepted_ms == last);
		n++, e = e == list ? NULL : e->prev) {
		if (!og_filter_fits(f->filter, e))
			continue;
		keep(f, e);
		if (e->attempt > 1) /* it waits again, behind those that came after it */
			continue;
		last = e->accepted_ms;
		fit++;
	}
}

size_t og_view_jobs(const struct og_plan *p, const struct og_filter *f, const struct og_entry **out, size_t max)
{
	struct found found = {.filter = f, .out = out, .max = max};

	for (unsigned i = 0; i < p->index->n_tiers; i++) {
		const struct og_tier_index *t = &p->index->tiers[i];

		if (f->tier >= 0 && f->tier != (int)i)
			continue;
		look_through(&found, t->placed_list, false);
		for (int c = 0; c < OG_CLASSES; c++) {
			look_through(&found, t->door[c], true);
			for (int k = 0; k < OG_LANES; k++)
				look_through(&found, t->lanes[c][k].list, true);
		}
	}
	return found.n;
}
