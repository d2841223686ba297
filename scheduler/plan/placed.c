/* What is placed: heartbeats, late ones and those that went astray (admit.h). */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "plan/admit.h"

/* A heartbeat may lag behind a `done` by this much; then it lists a job that has ended without any fault. */
#define LAG_MS 3000

static void add_cancel(struct og_heard *heard, const char *id)
{
	heard->cancels = og_realloc(heard->cancels, (heard->n_cancels + 1) * sizeof(*heard->cancels));
	strcpy(heard->cancels[heard->n_cancels++].id, id);
}

/* Work that somebody placed and that we have no entry for: another leader's. All that we know is who runs it. */
static struct og_entry *adopt(
	struct og_plan *p, const struct og_worker *w, const struct og_presence_run *run, int64_t now, int64_t wall)
{
	struct og_facts facts = {.id = run->id,
		.tier = (unsigned)w->tier,
		.class = OG_CLASS_NORMAL,
		.accepted_ms = run->started_ms ? run->started_ms : wall,
		.attempt = (uint32_t)run->attempt};
	struct og_entry *e = og_index_add(p->index, &facts, OG_WHERE_RUN);

	e->placed_at = now;
	e->recorded = true;
	return e;
}

static void take_run(struct og_plan *p, struct og_worker *w, const struct og_presence_run *run, int64_t now,
	int64_t wall, struct og_heard *heard)
{
	struct og_entry *e = og_index_find(p->index, run->id);
	int64_t ended;

	if (!e && og_recent_find(p->recent, run->id, &ended)) {
		if (now - ended > LAG_MS)
			add_cancel(heard, run->id);
		return;
	}
	if (!e)
		e = adopt(p, w, run, now, wall);
	if (e->where == OG_WHERE_ENDED || e->cancelling)
		add_cancel(heard, run->id);
	/* An attempt that was given up for lost. It is not told to stop: its worker may have the next attempt too. */
	if (run->attempt < e->attempt)
		return;
	/* A job whose body is still in its lane runs already where a leader died between the two: that body is
	 * dropped when it comes up. One that is held just now is on its way anyway. */
	if (e->where == OG_WHERE_TIER || (e->where == OG_WHERE_LANE && !e->held)) {
		og_index_move(p->index, e, OG_WHERE_RUN);
		e->recorded = true;
	}
	if (!og_entry_placed(e))
		return;
	og_index_set_astray(p->index, e, false);
	og_index_set_worker(p->index, e, w);
	e->beat = w->beats;
}

/* A job that its worker lists no more: its `done` is on its way, or the broker delivers it again. */
static void drop_run(struct og_plan *p, const struct og_worker *w, const char *id, int64_t now)
{
	struct og_entry *e = og_index_find(p->index, id);

	if (!e || e->worker != w)
		return;
	og_index_set_worker(p->index, e, NULL);
	e->placed_at = now;
	if (e->where == OG_WHERE_RUN)
		og_index_move(p->index, e, OG_WHERE_TIER);
}

/* What was placed at the queue of `w` is at that of `heir` now (the same queue, where a process took another's place);
 * NULL: nobody reads it any more. All of them: one that is astray counts nowhere, and points to `w` all the same. */
static void pass_on(struct og_plan *p, const struct og_worker *w, struct og_worker *heir)
{
	struct og_entry *e;

	for (size_t i = 0; i < p->index->n_tiers; i++) {
		DL_FOREACH(p->index->tiers[i].placed_list, e)
		{
			if (e->meant == w)
				og_index_set_meant(p->index, e, heir);
		}
	}
}

static void forget_worker(struct og_plan *p, struct og_worker *w, struct og_worker *heir, int64_t now)
{
	for (size_t i = 0; p->index && i < w->said.n_running; i++)
		drop_run(p, w, w->said.running[i].id, now);
	if (p->index)
		pass_on(p, w, heir);
	og_nodes_remove(&p->nodes, w);
}

/* A process that appears under the name of another one of its node took its place: a worker's name is locked on the
 * broker. */
static void replace(struct og_plan *p, struct og_worker *w, int64_t now)
{
	struct og_worker *other = og_nodes_namesake(&p->nodes, w);

	if (other && other->node == w->node)
		forget_worker(p, other, w, now);
}

static void take_runs(struct og_plan *p, struct og_worker *w, int64_t now, int64_t wall, struct og_heard *heard)
{
	for (size_t i = 0; w->tier >= 0 && i < w->said.n_running; i++)
		take_run(p, w, &w->said.running[i], now, wall, heard);
}

void og_plan_hear(
	struct og_plan *p, struct og_presence *said, const char *user, int64_t now, int64_t wall, struct og_heard *ret)
{
	struct og_worker *w = og_nodes_find(&p->nodes, said->instance);
	og_autofree struct og_presence_run *before = NULL;
	size_t n_before;

	if (!og_nodes_may_say(&p->nodes, said, user)) {
		*ret = (struct og_heard){.tier = -1, .forged = true};
		og_presence_done(said);
		return;
	}
	*ret = (struct og_heard){.tier = w ? w->tier : -1, .appeared = !w && !said->leaving};
	if (said->leaving) {
		if (w)
			forget_worker(p, w, NULL, now);
		og_presence_done(said);
		return;
	}
	w = og_nodes_hear(&p->nodes, said, user, now, &before, &n_before);
	ret->worker = w;
	ret->too_many = !w;
	if (!w)
		return;
	ret->tier = w->tier;
	if (ret->appeared)
		replace(p, w, now);
	if (!p->index)
		return;
	take_runs(p, w, now, wall, ret);
	for (size_t i = 0; i < n_before; i++) {
		const struct og_entry *e = og_index_find(p->index, before[i].id);

		if (e && e->worker == w && e->beat != w->beats)
			drop_run(p, w, before[i].id, now);
	}
}

bool og_plan_sweep(struct og_plan *p, int64_t now, char ret_worker[static 3 * OG_NAME_MAX], int *ret_tier)
{
	struct og_worker *w = og_nodes_lost(&p->nodes, now);

	if (!w)
		return false;
	strcpy(ret_worker, w->said.worker[0] ? w->said.worker : w->said.node_name);
	*ret_tier = w->tier;
	forget_worker(p, w, NULL, now);
	return true;
}

void og_plan_lead(struct og_plan *p, int64_t now, int64_t wall)
{
	struct og_heard heard = {0};

	p->index = og_index_new(p->catalogue->n);
	p->index->rules = p->tenants;
	p->recent = og_recent_new(OG_RECENT_MAX);
	p->sessions = og_sessions_new(OG_SESSIONS_MAX);
	p->leading_since = now;
	p->leading_since_wall = wall;
	/* What operators ordered is read anew: it may have been taken back under another leader. */
	memset(p->paused, 0, sizeof(p->paused));
	for (struct og_node *n = p->nodes.nodes; n; n = n->hh.next)
		og_nodes_drain(&p->nodes, n->id, false);
	for (struct og_worker *w = p->nodes.workers; w; w = w->hh.next)
		take_runs(p, w, now, wall, &heard);
	free(heard.cancels);
}

enum og_late og_plan_late(struct og_plan *p, struct og_entry *e, int64_t wall)
{
	bool waits =
		e->where == OG_WHERE_TO_TIER || (e->where == OG_WHERE_RUN && wall < e->deadline_ms + OG_LATE_GRACE_MS);

	if (!waits)
		return OG_LATE_END;
	og_index_postpone(p->index, e, wall + OG_LATE_GRACE_MS);
	return OG_LATE_WAIT;
}

/* Whether the queue that it was placed at must be empty: the tier's where some worker had a free slot for so long, a
 * worker's own where that one had and reads it. */
static bool is_queue_empty(const struct og_entry *e, int64_t tier_free_from, int64_t now)
{
	const struct og_worker *w = e->meant;
	int64_t from = !w ? tier_free_from : w->said.node_queue ? w->free_from : 0;

	return from && now - from >= OG_FREE_MS;
}

unsigned og_plan_reconcile(struct og_plan *p, unsigned tier, int64_t now)
{
	int64_t free_from = og_nodes_free_from(&p->nodes, (int)tier);
	struct og_entry *e;
	unsigned n = 0;

	if (!free_from)
		return 0;
	DL_FOREACH(p->index->tiers[tier].placed_list, e)
	{
		if (e->where == OG_WHERE_TIER && !e->astray && now - e->placed_at >= OG_ASTRAY_MS &&
			is_queue_empty(e, free_from, now)) {
			og_index_set_astray(p->index, e, true);
			n++;
		}
	}
	return n;
}

struct og_entry *og_plan_stranger(const struct og_plan *p, unsigned tier, int64_t now)
{
	struct og_entry *e;

	DL_FOREACH(p->index->tiers[tier].placed_list, e)
	{
		if (!e->tenant && e->where == OG_WHERE_TIER && now - e->placed_at >= OG_ASTRAY_MS)
			return e;
	}
	return NULL;
}
