/* How accurate it is with much that varies, test_sim.c says. */
#include "scheduler/plan/fixture.h"

static void init(void)
{
	setup();
	plan.batch_leaves = 1;
	plan.lookahead_percent = 0;
}

TestSuite(eta, .timeout = 60, .init = init, .fini = teardown);

static int64_t eta_of_new(enum og_class class)
{
	const struct og_ask ask = {.tier = SMALL, .class = class, .tenant = "new", .bytes = 100, .left_ms = 3600000};

	return og_plan_eta_new_ms(&plan, &ask, now);
}

/* One of each class ended, after so long. */
static void ended(int64_t batch_ms, int64_t chat_ms)
{
	struct og_entry *batch = add_as(1000, SMALL, OG_CLASS_BATCH, "a", OG_WHERE_RUN);
	struct og_entry *chat = add_as(1001, SMALL, OG_CLASS_NORMAL, "a", OG_WHERE_RUN);

	og_plan_ended(&plan, batch, batch_ms, 0, now);
	og_index_remove(plan.index, batch);
	for (unsigned i = 0; i < 50; i++)
		og_plan_ended(&plan, chat, chat_ms, 0, now);
	og_index_remove(plan.index, chat);
}

static void runs(unsigned from, unsigned n, enum og_class class)
{
	for (unsigned i = 0; i < n; i++)
		add_as(from + i, SMALL, class, "a", OG_WHERE_RUN);
}

/* It waits for a line of a batch to end, however short the many chats before it were. */
Test(eta, who_finds_only_long_jobs_is_told_so)
{
	ended(120000, 1000);
	hear(1, SMALL, 2, 0, 0);
	runs(1, 2, OG_CLASS_BATCH);
	cr_expect_geq(eta_of_new(OG_CLASS_NORMAL), 30000, "%ld", (long)eta_of_new(OG_CLASS_NORMAL));
}

Test(eta, who_waits_for_short_ones_beside_long_ones_is_told_so)
{
	ended(120000, 1000);
	hear(1, SMALL, 4, 0, 0);
	runs(1, 3, OG_CLASS_BATCH);
	cr_expect_eq(eta_of_new(OG_CLASS_NORMAL), 0);
	runs(10, 1, OG_CLASS_NORMAL);
	cr_expect_leq(eta_of_new(OG_CLASS_NORMAL), 1000, "%ld", (long)eta_of_new(OG_CLASS_NORMAL));
	cr_expect_gt(eta_of_new(OG_CLASS_NORMAL), 0);
}

Test(eta, batch_is_told_of_its_own_slots)
{
	int64_t first;

	ended(120000, 1000);
	hear(1, SMALL, 4, 0, 0);
	runs(1, 3, OG_CLASS_BATCH);
	first = eta_of_new(OG_CLASS_BATCH);
	cr_expect_geq(first, 20000, "a slot is free, and not for it: %ld", (long)first);
	for (unsigned i = 0; i < 9; i++)
		add_as(100 + i, SMALL, OG_CLASS_BATCH, "a", OG_WHERE_LANE);
	cr_expect_geq(og_plan_eta_ms(&plan, og_index_find(plan.index, id_of(108)), now), 3 * 120000 - 40000);
}
