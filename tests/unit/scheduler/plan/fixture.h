/* A plan over two tiers ("small", "large"), and heartbeats from workers that do not exist. */
#ifndef OG_TESTS_SCHEDULER_PLAN_FIXTURE_H
#define OG_TESTS_SCHEDULER_PLAN_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "plan/admit.h"

#define WALL 1763700000000 /* a wall clock for tests; the monotonic one starts at 1 */

enum { SMALL, LARGE };

static struct og_catalogue *catalogue;
static struct og_plan plan;
static int64_t now;

static inline void setup(void)
{
	const char *text = "[tier small]\ncpu_cores = 1\nram_gib = 1\ndisk_gib = 1\naliases = tiny\n"
			   "[tier large]\ncpu_cores = 1\nram_gib = 1\ndisk_gib = 1\n";

	cr_assert_eq(og_catalogue_parse(text, strlen(text), "test", &catalogue, NULL), 0);
	og_plan_init(&plan, catalogue);
	plan.lookahead_percent = 50;
	plan.no_capacity_after_ms = 30000;
	plan.waiting_max_bytes = 1000000;
	plan.ageing_ms = 60000;
	now = 1;
	og_plan_lead(&plan, now, WALL + now);
}

static inline void teardown(void)
{
	og_plan_done(&plan);
	free(catalogue);
}

static inline const char *id_of(unsigned i)
{
	static char ids[8][OG_ID_LEN + 1];
	static unsigned turn;
	char *id = ids[turn++ % 8];

	snprintf(id, OG_ID_LEN + 1, "%08x-0000-4000-8000-000000000000", i);
	return id;
}

/* Worker number `n` of `tier` (-1: a peer that serves nothing) says that it has `slots` and runs the jobs first …
 * first + busy - 1. */
static inline struct og_presence presence(unsigned n, int tier, int slots, unsigned first, unsigned busy)
{
	struct og_presence p = {.serve = tier >= 0, .slots = slots, .n_running = busy};

	snprintf(p.node_id, sizeof(p.node_id), "%08x-1111-4000-8000-000000000000", n);
	snprintf(p.node_name, sizeof(p.node_name), "Node%u", n);
	snprintf(p.instance, sizeof(p.instance), "%08x-2222-4000-8000-000000000000", n);
	if (tier >= 0) {
		strcpy(p.tier, catalogue->tiers[tier].id);
		snprintf(p.worker, sizeof(p.worker), "%s/%s/1", p.node_name, p.tier);
	}
	p.running = og_alloc(busy * sizeof(*p.running));
	for (unsigned i = 0; i < busy; i++) {
		strcpy(p.running[i].id, id_of(first + i));
		p.running[i].attempt = 1;
	}
	return p;
}

static inline struct og_heard say_as(const char *user, struct og_presence p)
{
	struct og_heard heard;

	og_plan_hear(&plan, &p, user, now, WALL + now, &heard);
	free(OG_TAKE(heard.cancels));
	return heard;
}

/* Takes it and says how many cancels it was answered with. */
static inline size_t say(struct og_presence p)
{
	return say_as("worker-a", p).n_cancels;
}

static inline size_t hear(unsigned n, int tier, int slots, unsigned first, unsigned busy)
{
	return say(presence(n, tier, slots, first, busy));
}

/* One that is admitted begins to move. */
static inline enum og_verdict admit_as(
	unsigned tier, enum og_class class, const char *tenant, size_t bytes, struct og_error *err)
{
	const struct og_ask ask = {.tier = tier, .class = class, .tenant = tenant, .bytes = bytes, .left_ms = 3600000};
	const struct og_entry e = {
		.tier = (uint16_t)tier, .class = (uint8_t) class, .flow = og_flow_of(plan.index, tenant, tier)};
	enum og_verdict verdict = og_plan_admit(&plan, &ask, now, err);

	if (verdict <= OG_VERDICT_WAIT)
		og_plan_admitted(&plan, &e, now);
	return verdict;
}

static inline enum og_verdict admit(unsigned tier, enum og_class class, size_t bytes, struct og_error *err)
{
	return admit_as(tier, class, "a", bytes, err);
}

/* A lane for each of a few tenants. */
static inline unsigned lane_of(const char *tenant)
{
	return (unsigned char)tenant[0] % OG_LANES;
}

static inline struct og_entry *add_as(
	unsigned i, unsigned tier, enum og_class class, const char *tenant, enum og_where where)
{
	char reply[OG_KEY_MAX];
	struct og_facts facts = {.id = id_of(i),
		.tenant = tenant,
		.reply = reply,
		.tier = tier,
		.class = class,
		.accepted_ms = WALL + now,
		.deadline_ms = WALL + now + 3600000,
		.bytes = 100,
		.since = now,
		.lane = lane_of(tenant) + 1,
		.attempt = 1};
	struct og_entry *e;

	snprintf(reply, sizeof(reply), "producer-%s~%032x", tenant, i);
	e = og_index_add(plan.index, &facts, where);
	e->placed_at = now;
	return e;
}

static inline struct og_entry *add(unsigned i, unsigned tier, enum og_where where)
{
	return add_as(i, tier, OG_CLASS_NORMAL, "a", where);
}

/* One that waits, its body held. */
static inline struct og_entry *add_head(unsigned i, unsigned tier, enum og_class class, const char *tenant)
{
	struct og_entry *e = add_as(i, tier, class, tenant, OG_WHERE_LANE);

	cr_assert_eq(og_index_hold(plan.index, e, (struct og_held *)e), 0);
	return e;
}

#endif
