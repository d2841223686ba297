/* A fleet that does not exist, around the real plan: jobs that come, lanes that show their first bodies, workers that
 * take what is in their tier's queue, heartbeats. Discrete events, a clock of its own, random numbers from a seed: the
 * same run each time. sim_plan.c runs it large, tests/unit/scheduler/plan/test_sim.c small. */
#ifndef OG_TESTS_PLAN_SIM_H
#define OG_TESTS_PLAN_SIM_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "plan/admit.h"

#define SIM_WALL    INT64_C(1763700000000)
#define SIM_TENANTS 64
#define SIM_SLOTS   2 /* of a worker */

struct sim_config {
	unsigned nodes, tiers, tenants, jobs;
	double service_ms; /* mean; each job runs for half of it to one and a half */
	double load;       /* what comes, of what can be run */
	double uneven;     /* the busiest tenant submits so many times as much as the idlest */
	double share[OG_CLASSES];
	int64_t ageing_ms;
	unsigned measure_eta; /* one of so many jobs */
};

struct sim_job {    /* what the plan does not know of a job that runs */
	int64_t at; /* it ends */
	struct og_entry *entry;
	unsigned worker;
};

struct sim_seen { /* hangs on `watchers` of an entry, which the plan does not look at */
	int64_t came, eta;
};

struct sim_worker {
	unsigned tier;
	struct og_entry *running[SIM_SLOTS];
	unsigned busy;
};

struct sim_lane {
	struct og_entry *next; /* the first body that is not shown yet */
};

struct sim_result {
	double jain;                    /* of what tenants of one weight were served, while all of them wait */
	int64_t longest_ms[OG_CLASSES]; /* wait */
	double eta_median, eta_p90;     /* relative error, of jobs that waited for a service time or more */
	unsigned eta_jobs, ended, waited, most_waiting;
	double plan_s; /* spent in the plan, for all decisions */
	uint64_t decisions;
};

struct sim {
	struct sim_config c;
	struct og_catalogue *catalogue;
	struct og_plan plan;
	struct sim_worker *workers;
	struct sim_lane *lanes; /* tier × class × lane */
	struct sim_job *heap;   /* by `at`, from 1 */
	size_t n_running;
	struct og_entry ***queues; /* of each tier: a ring of what is placed and not taken */
	size_t *queue_from, *queue_len, queue_room;
	unsigned **idle; /* of each tier: workers with a free slot, once for each slot */
	unsigned *n_idle;
	uint64_t seed;
	int64_t now, next_beat, next_tick, overload_from, overload_to;
	unsigned beat_at, came;
	double served[SIM_TENANTS];
	float *errors;
	struct sim_result result;
};

/* --- random numbers: xorshift --- */

static inline double sim_random(struct sim *s)
{
	s->seed ^= s->seed << 13;
	s->seed ^= s->seed >> 7;
	s->seed ^= s->seed << 17;
	return (double)(s->seed >> 11) / (double)(UINT64_C(1) << 53);
}

static inline unsigned sim_below(struct sim *s, unsigned n)
{
	return (unsigned)(sim_random(s) * n);
}

/* --- time spent in the plan, of the processor --- */

static inline double sim_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- the fleet --- */

static inline void sim_presence(struct sim *s, unsigned i)
{
	const struct sim_worker *w = &s->workers[i];
	struct og_presence p = {.serve = true, .slots = SIM_SLOTS, .n_running = w->busy};
	struct og_heard heard;
	char user[32];

	snprintf(p.node_id, sizeof(p.node_id), "%08x-1111-4000-8000-000000000000", i);
	snprintf(p.instance, sizeof(p.instance), "%08x-2222-4000-8000-000000000000", i);
	snprintf(p.node_name, sizeof(p.node_name), "node%u", i);
	snprintf(p.worker, sizeof(p.worker), "node%u/t/1", i);
	strcpy(p.tier, s->catalogue->tiers[w->tier].id);
	p.running = og_alloc((w->busy ? w->busy : 1) * sizeof(*p.running));
	for (unsigned k = 0; k < w->busy; k++) {
		strcpy(p.running[k].id, w->running[k]->id);
		p.running[k].attempt = 1;
	}
	snprintf(user, sizeof(user), "worker-%u", i / 100);
	og_plan_hear(&s->plan, &p, user, s->now, SIM_WALL + s->now, &heard);
	free(heard.cancels);
}

static inline void sim_heap_put(struct sim *s, struct sim_job job)
{
	size_t at = ++s->n_running;

	for (; at > 1 && s->heap[at / 2].at > job.at; at /= 2)
		s->heap[at] = s->heap[at / 2];
	s->heap[at] = job;
}

static inline struct sim_job sim_heap_take(struct sim *s)
{
	struct sim_job first = s->heap[1], last = s->heap[s->n_running--];
	size_t at = 1;

	for (size_t child; (child = 2 * at) <= s->n_running; at = child) {
		child += child < s->n_running && s->heap[child + 1].at < s->heap[child].at;
		if (s->heap[child].at >= last.at)
			break;
		s->heap[at] = s->heap[child];
	}
	s->heap[at] = last;
	return first;
}

static inline void sim_measure_start(struct sim *s, struct og_entry *e)
{
	struct sim_seen *seen = (struct sim_seen *)e->watchers;
	int64_t waited = s->now - e->since;

	if (waited > s->result.longest_ms[e->class])
		s->result.longest_ms[e->class] = waited;
	s->result.waited += waited > 0;
	/* While jobs come as they came when it was told. */
	if (seen && waited >= s->c.service_ms && s->came < s->c.jobs)
		s->errors[s->result.eta_jobs++] = (float)(fabs((double)(seen->eta - waited)) / (double)waited);
	free(seen);
	e->watchers = NULL;
}

/* Workers with free slots take what is in the tier's queue. */
static inline void sim_take(struct sim *s, unsigned tier)
{
	while (s->queue_len[tier] && s->n_idle[tier]) {
		struct og_entry *e = s->queues[tier][s->queue_from[tier]++ % s->queue_room];
		unsigned n = sim_below(s, s->n_idle[tier]), i = s->idle[tier][n];
		struct sim_worker *w = &s->workers[i];

		s->idle[tier][n] = s->idle[tier][--s->n_idle[tier]];
		s->queue_len[tier]--;
		w->running[w->busy++] = e;
		sim_measure_start(s, e);
		sim_heap_put(s, (struct sim_job){.at = s->now + (int64_t)(s->c.service_ms * (0.5 + sim_random(s))),
					.entry = e,
					.worker = i});
	}
}

/* --- lanes --- */

static inline struct sim_lane *sim_lane_of(struct sim *s, unsigned tier, unsigned class, unsigned lane)
{
	return &s->lanes[(tier * OG_CLASSES + class) * OG_LANES + lane];
}

static inline void sim_show(struct sim *s, unsigned tier, unsigned class, unsigned lane)
{
	struct sim_lane *l = sim_lane_of(s, tier, class, lane);
	const struct og_lane *shown = og_index_lane(s->plan.index, tier, (enum og_class) class, lane);

	while (l->next && shown->n_heads < OG_LANE_PREFETCH) {
		struct og_entry *e = l->next;

		l->next = e->next;
		og_index_hold(s->plan.index, e, (struct og_held *)e);
	}
}

static inline void sim_to_lane(struct sim *s, struct og_entry *e)
{
	struct sim_lane *l;

	e->held = NULL;
	og_index_choose_lane(e);
	og_index_move(s->plan.index, e, OG_WHERE_TO_LANE);
	og_index_move(s->plan.index, e, OG_WHERE_LANE);
	l = sim_lane_of(s, e->tier, e->class, e->lane);
	if (!l->next)
		l->next = e;
	sim_show(s, e->tier, e->class, e->lane);
}

/* --- placing --- */

static inline void sim_place(struct sim *s, struct og_entry *e)
{
	bool in_lane = e->where == OG_WHERE_LANE;

	if (s->now >= s->overload_from && s->now < s->overload_to)
		s->served[strtoul(e->tenant->text + 1, NULL, 10)] += e->cost;
	og_index_unhold(s->plan.index, e);
	e->held = NULL;
	og_index_move(s->plan.index, e, OG_WHERE_TO_TIER);
	og_index_move(s->plan.index, e, OG_WHERE_TIER);
	e->placed_at = s->now;
	s->queues[e->tier][(s->queue_from[e->tier] + s->queue_len[e->tier]++) % s->queue_room] = e;
	if (in_lane)
		sim_show(s, e->tier, e->class, e->lane);
}

static inline void sim_pump(struct sim *s, unsigned tier)
{
	struct og_entry *e;

	while ((e = og_plan_next(&s->plan, tier, s->now))) {
		s->result.decisions++;
		sim_place(s, e);
	}
	sim_take(s, tier);
}

/* --- events --- */

static inline unsigned sim_pick_tenant(struct sim *s)
{
	for (;;) {
		unsigned i = sim_below(s, s->c.tenants);
		double rate = 1 + (s->c.uneven - 1) * i / (s->c.tenants > 1 ? s->c.tenants - 1 : 1);

		if (sim_random(s) * s->c.uneven < rate)
			return i;
	}
}

static inline enum og_class sim_pick_class(struct sim *s)
{
	double at = sim_random(s);

	for (int c = 0; c < OG_CLASSES - 1; c++) {
		if (at < s->c.share[c])
			return (enum og_class)c;
		at -= s->c.share[c];
	}
	return OG_CLASS_BATCH;
}

static inline void sim_enter(struct sim *s, const struct og_ask *ask, enum og_verdict verdict, int64_t eta)
{
	char id[OG_ID_LEN + 1], reply[OG_KEY_MAX];
	struct og_facts facts = {.id = id,
		.tenant = ask->tenant,
		.reply = reply,
		.tier = ask->tier,
		.class = ask->class,
		.accepted_ms = SIM_WALL + s->now,
		.deadline_ms = SIM_WALL + s->now + INT64_C(100000000),
		.since = s->now,
		.bytes = (uint32_t)ask->bytes,
		.max_tokens = ask->max_tokens,
		.attempt = 1};
	struct og_entry *e;

	snprintf(id, sizeof(id), "%08x-0000-4000-8000-000000000000", s->came);
	snprintf(reply, sizeof(reply), "producer-%s~%032x", ask->tenant, s->came % 1000);
	e = og_index_add(s->plan.index, &facts, OG_WHERE_CHECK);
	og_plan_admitted(&s->plan, e, s->now);
	if (eta >= 0) {
		struct sim_seen *seen = og_new(struct sim_seen);

		*seen = (struct sim_seen){.came = s->now, .eta = eta};
		e->watchers = (struct og_watcher *)seen;
	}
	if (verdict == OG_VERDICT_PLACE) {
		sim_place(s, e);
	} else if (verdict == OG_VERDICT_DOOR) {
		e->held = (struct og_held *)e;
		e->placed_at = s->now;
		og_index_move(s->plan.index, e, OG_WHERE_DOOR);
	} else {
		sim_to_lane(s, e);
	}
}

static inline void sim_come(struct sim *s)
{
	char tenant[16];
	struct og_ask ask = {.class = sim_pick_class(s), .tier = sim_below(s, s->c.tiers), .left_ms = 3600000};
	enum og_verdict verdict;
	int64_t eta = -1;
	bool looks = s->c.measure_eta && s->came % s->c.measure_eta == 0;
	double from;

	ask.bytes = 200 + sim_below(s, 2000);
	ask.max_tokens = 64 + (int64_t)sim_below(s, 256);
	snprintf(tenant, sizeof(tenant), "t%u", sim_pick_tenant(s));
	ask.tenant = tenant;
	if (looks)
		eta = og_plan_eta_new_ms(&s->plan, &ask, s->now);
	from = sim_seconds();
	verdict = og_plan_admit(&s->plan, &ask, s->now, NULL);
	if (verdict <= OG_VERDICT_WAIT) {
		s->result.decisions++;
		sim_enter(s, &ask, verdict, eta);
		s->came++;
	}
	sim_pump(s, ask.tier);
	s->result.plan_s += sim_seconds() - from;
	if (s->plan.index->waiting > s->result.most_waiting)
		s->result.most_waiting = (unsigned)s->plan.index->waiting;
}

static inline void sim_end(struct sim *s)
{
	struct sim_job job = sim_heap_take(s);
	struct sim_worker *w = &s->workers[job.worker];
	unsigned tier = w->tier, i = 0;
	double from = sim_seconds();

	while (w->running[i] != job.entry)
		i++;
	w->running[i] = w->running[--w->busy];
	s->idle[tier][s->n_idle[tier]++] = job.worker;
	og_recent_add(s->plan.recent, job.entry->id, s->now);
	og_plan_ended(&s->plan, job.entry, (int64_t)s->c.service_ms, job.entry->cost, s->now);
	og_index_remove(s->plan.index, job.entry);
	s->result.ended++;
	sim_pump(s, tier);
	s->result.plan_s += sim_seconds() - from;
}

static inline void sim_tick(struct sim *s)
{
	struct og_entry *e;

	for (unsigned t = 0; t < s->c.tiers; t++) {
		while ((e = og_plan_tired(&s->plan, t, s->now)))
			sim_to_lane(s, e);
		sim_pump(s, t);
	}
	s->next_tick += 100;
}

/* Until the next job comes, in ms. */
static inline double sim_gap(struct sim *s)
{
	double slots = (double)s->c.nodes * SIM_SLOTS;

	return -log(1 - sim_random(s)) * s->c.service_ms / slots / s->c.load;
}

/* --- a run --- */

static inline void sim_catalogue(struct sim *s)
{
	char text[4096];
	size_t len = 0;

	for (unsigned i = 0; i < s->c.tiers; i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "[tier tier%u]\ncpu_cores = 1\nram_gib = 1\ndisk_gib = 1\n", i);
	if (og_catalogue_parse(text, len, "sim", &s->catalogue, NULL) != 0)
		abort();
}

static inline void sim_init(struct sim *s, const struct sim_config *c)
{
	size_t slots = (size_t)c->nodes * SIM_SLOTS;

	*s = (struct sim){.c = *c, .seed = UINT64_C(88172645463325252), .now = 1, .queue_room = 2 * slots + 64};
	sim_catalogue(s);
	og_plan_init(&s->plan, s->catalogue);
	s->plan.lookahead_percent = 0;
	s->plan.batch_leaves = 1;
	s->plan.no_capacity_after_ms = 30000;
	s->plan.waiting_max_bytes = INT64_MAX / 2;
	s->plan.ageing_ms = c->ageing_ms;
	og_plan_lead(&s->plan, s->now, SIM_WALL + s->now);
	s->workers = og_alloc(c->nodes * sizeof(*s->workers));
	s->lanes = og_alloc((size_t)c->tiers * OG_CLASSES * OG_LANES * sizeof(*s->lanes));
	s->heap = og_alloc((slots + 2) * sizeof(*s->heap));
	s->queues = og_alloc(c->tiers * sizeof(*s->queues));
	s->queue_from = og_alloc(c->tiers * sizeof(size_t));
	s->queue_len = og_alloc(c->tiers * sizeof(size_t));
	s->idle = og_alloc(c->tiers * sizeof(*s->idle));
	s->n_idle = og_alloc(c->tiers * sizeof(unsigned));
	s->errors = og_alloc((c->jobs / (c->measure_eta ? c->measure_eta : 1) + 2) * sizeof(float));
	for (unsigned t = 0; t < c->tiers; t++) {
		s->queues[t] = og_alloc(s->queue_room * sizeof(struct og_entry *));
		s->idle[t] = og_alloc(slots * sizeof(unsigned));
	}
	for (unsigned i = 0; i < c->nodes; i++) {
		unsigned t = s->workers[i].tier = i % c->tiers;

		for (int k = 0; k < SIM_SLOTS; k++)
			s->idle[t][s->n_idle[t]++] = i;
		sim_presence(s, i);
	}
}

static inline void sim_release(struct og_entry *e)
{
	free(e->watchers);
	e->watchers = NULL;
	e->held = NULL;
}

static inline void sim_done(struct sim *s)
{
	for (unsigned t = 0; t < s->c.tiers; t++) {
		free(s->queues[t]);
		free(s->idle[t]);
	}
	free(s->workers), free(s->lanes), free(s->heap), free(s->queues), free(s->queue_from), free(s->queue_len);
	free(s->idle), free(s->n_idle), free(s->errors);
	og_plan_resign(&s->plan, sim_release);
	og_plan_done(&s->plan);
	free(s->catalogue);
}

static inline int sim_by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static inline void sim_sum_up(struct sim *s)
{
	double sum = 0, squares = 0;
	unsigned n = s->result.eta_jobs;

	for (unsigned i = 0; i < s->c.tenants; i++) {
		sum += s->served[i];
		squares += s->served[i] * s->served[i];
	}
	s->result.jain = squares > 0 ? sum * sum / (s->c.tenants * squares) : 0;
	if (!n)
		return;
	qsort(s->errors, n, sizeof(float), sim_by_size);
	s->result.eta_median = s->errors[n / 2];
	s->result.eta_p90 = s->errors[n * 9 / 10];
}

/* All jobs come, and all end. */
static inline void sim_run(struct sim *s)
{
	double arrival = (double)s->now;
	double slots = (double)s->c.nodes * SIM_SLOTS;
	int64_t last = (int64_t)(s->c.jobs * s->c.service_ms / slots / s->c.load);

	s->overload_from = last / 4; /* until then queues fill */
	s->overload_to = last * 9 / 10;
	s->next_tick = s->now + 100;
	while (s->result.ended < s->c.jobs) {
		int64_t end = s->n_running ? s->heap[1].at : INT64_MAX;
		int64_t come = s->came < s->c.jobs ? (int64_t)arrival : INT64_MAX;
		bool any = end != INT64_MAX || come != INT64_MAX;

		if (s->next_tick <= end && s->next_tick <= come) {
			s->now = s->next_tick;
			/* Those of all come within 2 s. */
			for (unsigned n = s->c.nodes / 20 + 1; n--; s->beat_at = (s->beat_at + 1) % s->c.nodes)
				sim_presence(s, s->beat_at);
			sim_tick(s);
		} else if (end <= come) {
			s->now = end;
			sim_end(s);
		} else {
			s->now = come;
			sim_come(s);
			arrival += sim_gap(s);
		}
		if (!any && !s->plan.index->waiting && !s->plan.index->placed)
			break; /* something was lost */
	}
	sim_sum_up(s);
}

#endif
