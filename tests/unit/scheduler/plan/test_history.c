/* Histories at random: submits, heads, heartbeats, ends, losses, clocks that jump. After each step all that is counted is
 * counted again. */
#include "scheduler/plan/fixture.h"

#define STEPS   20000
#define WORKERS 6
#define TENANTS 5
#define JOBS    512

static uint64_t seed;
static struct og_entry *jobs[JOBS]; /* by slot of the test; NULL: free */
static unsigned ids[JOBS], next_id;
static int64_t wall_jump;
static struct {
	bool lives;
	int slots;
	unsigned n, runs[8]; /* ids */
} workers[WORKERS];
static struct og_tenants *rules;

static void init(void)
{
	static const char text[] =
		"[tenant t0]\nweight = 3\n[tenant t1]\nmax_running = 2\n[tenant t2]\nper_minute = 30\n";

	setup();
	memset(jobs, 0, sizeof(jobs));
	memset(workers, 0, sizeof(workers));
	cr_assert_eq(og_tenants_parse(text, sizeof(text) - 1, "test", &rules, NULL), 0);
	og_plan_set_tenants(&plan, rules);
	plan.ageing_ms = 5000;
	plan.batch_leaves = 1;
	plan.affinity_wait_ms = 200;
	now = 10000;
	next_id = 1;
	wall_jump = 0;
}

static void fini(void)
{
	for (unsigned i = 0; i < JOBS; i++)
		if (jobs[i])
			og_index_unhold(plan.index, jobs[i]), jobs[i]->held = NULL;
	teardown();
	og_tenants_free(rules);
}

TestSuite(history, .timeout = 120, .init = init, .fini = fini);

static unsigned below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static int find_slot(unsigned id)
{
	for (int i = 0; i < JOBS; i++)
		if (jobs[i] && ids[i] == id)
			return i;
	return -1;
}

static struct og_entry *pick(enum og_where where)
{
	unsigned from = below(JOBS);

	for (unsigned i = 0; i < JOBS; i++) {
		struct og_entry *e = jobs[(from + i) % JOBS];

		if (e && e->where == where)
			return e;
	}
	return NULL;
}

/* --- steps --- */

static void say_of(unsigned w)
{
	struct og_presence p = presence(w + 1, (int)(w % 2), workers[w].slots, 0, 0);

	free(p.running);
	p.running = og_alloc(8 * sizeof(*p.running));
	p.n_running = workers[w].n;
	p.tokens_per_s = 10 + w;
	for (unsigned i = 0; i < workers[w].n; i++) {
		strcpy(p.running[i].id, id_of(workers[w].runs[i]));
		p.running[i].attempt = 1;
	}
	p.leaving = !workers[w].lives;
	say(p);
}

static void submit(void)
{
	char tenant[8], reply[OG_KEY_MAX];
	struct og_ask ask = {
		.tier = below(2), .class = (enum og_class)below(OG_CLASSES), .tenant = tenant, .bytes = below(4000)};
	struct og_facts facts = {.tenant = tenant, .reply = reply, .attempt = 1};
	enum og_verdict verdict;
	unsigned i = 0;

	while (i < JOBS && jobs[i])
		i++;
	if (i == JOBS)
		return;
	snprintf(tenant, sizeof(tenant), "t%u", below(TENANTS));
	snprintf(reply, sizeof(reply), "producer-%s~%032x", tenant, below(3));
	verdict = og_plan_admit(&plan, &ask, now, NULL);
	if (verdict > OG_VERDICT_WAIT)
		return;
	ids[i] = next_id++;
	facts.id = id_of(ids[i]);
	facts.tier = ask.tier;
	facts.class = ask.class;
	facts.bytes = (uint32_t)ask.bytes;
	facts.since = now;
	facts.accepted_ms = WALL + now + wall_jump;
	facts.deadline_ms = facts.accepted_ms + below(60000);
	jobs[i] = og_index_add(plan.index, &facts, OG_WHERE_CHECK);
	og_plan_admitted(&plan, jobs[i], now);
	if (verdict == OG_VERDICT_PLACE) {
		og_index_move(plan.index, jobs[i], OG_WHERE_TO_TIER);
		jobs[i]->placed_at = now;
	} else if (verdict == OG_VERDICT_DOOR) {
		jobs[i]->placed_at = now;
		og_index_move(plan.index, jobs[i], OG_WHERE_DOOR);
	} else {
		og_index_choose_lane(jobs[i]);
		og_index_move(plan.index, jobs[i], OG_WHERE_TO_LANE);
	}
}

static void end(struct og_entry *e)
{
	int i = e ? find_slot((unsigned)strtoul(e->id, NULL, 16)) : -1;

	if (i < 0)
		return;
	for (unsigned w = 0; w < WORKERS; w++)
		for (unsigned k = 0; k < workers[w].n; k++)
			if (workers[w].runs[k] == ids[i])
				workers[w].runs[k] = workers[w].runs[--workers[w].n];
	og_plan_ended(&plan, e, below(5000), below(2000), now);
	og_recent_add(plan.recent, e->id, now);
	og_index_unhold(plan.index, e);
	e->held = NULL;
	og_index_remove(plan.index, e);
	jobs[i] = NULL;
}

/* Bodies come up in the order of their lane. */
static void show(void)
{
	struct og_lane *l = og_index_lane(plan.index, below(2), (enum og_class)below(OG_CLASSES), below(OG_LANES));

	for (struct og_entry *e = l->list; e && l->n_heads < OG_LANE_PREFETCH; e = e->next)
		if (e->where == OG_WHERE_LANE && !e->held)
			cr_assert_eq(og_index_hold(plan.index, e, (struct og_held *)e), 0);
}

static void check_next(const struct og_entry *e)
{
	const struct og_tier_index *t = &plan.index->tiers[e->tier];
	bool aged = now - e->since >= plan.ageing_ms && t->placements % OG_AGED_EVERY == OG_AGED_EVERY - 1;

	cr_assert_gt(og_plan_room(&plan, e->tier), 0);
	cr_assert(
		e->class != OG_CLASS_BATCH || plan.breakers || t->placed_of[e->class] < plan.nodes.tiers[e->tier].slots,
		"batch takes none ahead");
	cr_assert_not(og_account_full(e->flow->account));
	cr_assert_leq(e->hold_until, now);
	for (int c = 0; c < e->class && !aged; c++) {
		for (int k = 0; k < OG_LANES; k++) {
			for (unsigned i = 0; i < t->lanes[c][k].n_heads; i++) {
				const struct og_entry *o = t->lanes[c][k].heads[i];

				cr_assert(o->hold_until > now || og_account_full(o->flow->account),
					"class %d waits while one of %d is placed", c, e->class);
			}
		}
	}
}

static void place(void)
{
	unsigned tier = below(2);
	struct og_entry *e = og_plan_next(&plan, tier, now);
	struct og_wish wish = {.session = below(3) ? NULL : "s",
		.tried = below(3) ? NULL : "00000001-1111-4000-8000-000000000000",
		.avoid = below(5) ? NULL : "00000002-1111-4000-8000-000000000000",
		.alone = !below(7)};
	struct og_worker *w = NULL;
	enum og_choice choice;

	if (!e)
		return;
	check_next(e);
	choice = og_plan_choose(&plan, e, &wish, now, &w);
	if (choice == OG_CHOICE_LATER) {
		cr_assert_gt(e->hold_until, now);
		return;
	}
	if (choice == OG_CHOICE_NONE) {
		end(e);
		return;
	}
	if (choice == OG_CHOICE_WORKER) {
		cr_assert_gt(og_worker_free_slots(w), 0);
		cr_assert_eq(w->tier, e->tier);
		og_index_set_meant(plan.index, e, w);
	}
	og_index_unhold(plan.index, e);
	e->held = NULL;
	og_index_move(plan.index, e, OG_WHERE_TO_TIER);
	e->placed_at = now;
	if (!below(20)) { /* the broker refuses it */
		og_index_choose_lane(e);
		og_index_put_back(plan.index, e);
	}
}

/* A worker with a free slot takes something that lies in its tier's queue, or in its own. */
static void run(void)
{
	struct og_entry *e = pick(OG_WHERE_TIER);
	unsigned w = below(WORKERS);

	if (!e || !workers[w].lives || workers[w].n >= (unsigned)workers[w].slots || e->tier != w % 2)
		return;
	if (e->meant && strtoul(e->meant->said.instance, NULL, 16) != w + 1)
		return;
	for (unsigned v = 0; v < WORKERS; v++)
		for (unsigned k = 0; k < workers[v].n; k++)
			if (workers[v].runs[k] == strtoul(e->id, NULL, 16))
				return;
	workers[w].runs[workers[w].n++] = (unsigned)strtoul(e->id, NULL, 16);
	say_of(w);
	if (!below(3))
		og_plan_remember_session(&plan, e->tenant->text, "s", e->worker);
}

static void come_or_go(void)
{
	unsigned w = below(WORKERS);

	workers[w].lives = !workers[w].lives;
	workers[w].slots = 1 + (int)below(4);
	if (!workers[w].lives && !below(2)) { /* it goes without a word */
		char name[3 * OG_NAME_MAX];
		int tier;

		workers[w].n = 0;
		now += OG_PRESENCE_LOST_MS + 1;
		for (unsigned v = 0; v < WORKERS; v++)
			if (workers[v].lives)
				say_of(v);
		while (og_plan_sweep(&plan, now, name, &tier))
			;
		return;
	}
	say_of(w);
	workers[w].n = workers[w].lives ? workers[w].n : 0;
}

static void settle(void)
{
	struct og_entry *e = pick(below(2) ? OG_WHERE_TO_LANE : OG_WHERE_TO_TIER);

	if (e)
		og_index_move(plan.index, e, e->where == OG_WHERE_TO_LANE ? OG_WHERE_LANE : OG_WHERE_TIER);
}

static void pass_time(void)
{
	struct og_entry *e;
	int64_t wall;

	now += below(400);
	if (!below(200)) /* somebody sets the clock */
		wall_jump += (int64_t)below(7200000) - 3600000;
	wall = WALL + now + wall_jump;
	for (int n = 0; n < 10 && (e = og_index_due(plan.index, wall)); n++)
		if (og_plan_late(&plan, e, wall) == OG_LATE_END)
			end(e);
		else
			cr_assert_gt(e->due_ms, wall, "or it would be the next for ever");
	for (unsigned t = 0; t < 2; t++) {
		while ((e = og_plan_tired(&plan, t, now))) {
			og_index_choose_lane(e);
			og_index_move(plan.index, e, OG_WHERE_TO_LANE);
		}
		og_plan_reconcile(&plan, t, now);
	}
}

/* --- what must hold --- */

static void recount(void)
{
	unsigned waiting[2][OG_CLASSES] = {0}, placed[2] = {0}, of[2][OG_CLASSES] = {0}, all = 0,
		 of_tenants[TENANTS] = {0};

	for (unsigned i = 0; i < JOBS; i++) {
		const struct og_entry *e = jobs[i];

		all += e != NULL;
		if (!e || e->astray)
			continue;
		if (og_entry_waits(e))
			waiting[e->tier][e->class]++;
		if (og_entry_placed(e)) {
			placed[e->tier]++;
			of[e->tier][e->class]++;
			of_tenants[e->tenant->text[1] - '0']++;
		}
	}
	cr_assert_eq(HASH_COUNT(plan.index->by_id), all, "an entry was lost, or is there twice");
	for (unsigned t = 0; t < 2; t++) {
		cr_assert_eq(plan.index->tiers[t].placed, placed[t]);
		cr_assert_arr_eq(plan.index->tiers[t].placed_of, of[t], sizeof(of[t]));
		for (int c = 0; c < OG_CLASSES; c++)
			cr_assert_eq(plan.index->tiers[t].waiting[c], waiting[t][c]);
	}
	for (struct og_account *a = plan.index->accounts; a; a = a->hh.next)
		cr_assert_eq(a->placed, of_tenants[a->name[1] - '0']);
	for (struct og_worker *w = plan.nodes.workers; w; w = w->hh.next) {
		unsigned running = 0, reserved = 0;

		for (unsigned i = 0; i < JOBS; i++) {
			const struct og_entry *e = jobs[i];
			bool runs = e && !e->astray && e->where == OG_WHERE_RUN && e->worker == w;

			running += runs;
			reserved += e && !e->astray && !runs && og_entry_placed(e) && e->meant == w;
		}
		cr_assert_eq(w->running, running);
		cr_assert_eq(w->reserved, reserved);
	}
}

static void (*const steps[])(void) = {
	submit, submit, show, show, place, place, place, run, run, settle, settle, pass_time};

static void live(uint64_t s)
{
	seed = s;
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned n = below(OG_COUNT(steps) + 1);

		if (n < OG_COUNT(steps))
			steps[n]();
		else if (!below(30))
			come_or_go();
		else if (below(2))
			end(pick(below(2) ? OG_WHERE_RUN : OG_WHERE_LANE));
		if (i % 7 == 0)
			recount();
	}
	recount();
	/* And in the end all of it ends. */
	for (unsigned i = 0; i < JOBS; i++)
		end(jobs[i]);
	cr_expect_eq(plan.index->waiting + plan.index->placed + plan.index->at_door + plan.index->waiting_bytes, 0);
	for (struct og_account *a = plan.index->accounts; a; a = a->hh.next)
		cr_expect_eq(a->refs + a->waiting + a->placed, 0);
}

Test(history, one)
{
	live(UINT64_C(0x9e3779b97f4a7c15));
}

Test(history, another)
{
	live(UINT64_C(0xd1b54a32d192ed03));
}

Test(history, a_third)
{
	live(UINT64_C(0x2545f4914f6cdd1d));
}
