#include "scheduler/plan/fixture.h"

static struct og_tenants *rules;

static void fini(void)
{
	teardown();
	og_tenants_free(OG_TAKE(rules));
}

TestSuite(tenants, .timeout = 60, .init = setup, .fini = fini);

static void rule(const char *text)
{
	struct og_tenants *old = rules;

	cr_assert_eq(og_tenants_parse(text, strlen(text), "test", &rules, NULL), 0);
	og_plan_set_tenants(&plan, rules);
	og_tenants_free(old);
}

static void place(struct og_entry *e)
{
	og_index_unhold(plan.index, e);
	og_index_move(plan.index, e, OG_WHERE_TO_TIER);
}

/* Serves `n` and says how many of them were of this tenant. */
static unsigned served_of(const char *tenant, unsigned n)
{
	unsigned of = 0;

	for (unsigned i = 0; i < n; i++) {
		struct og_entry *e = og_plan_next(&plan, SMALL, now);

		cr_assert_not_null(e);
		of += !strcmp(e->tenant->text, tenant);
		place(e);
	}
	return of;
}

static void fill(unsigned first, unsigned n, const char *tenant)
{
	for (unsigned i = 0; i < n; i++)
		add_head(first + i, SMALL, OG_CLASS_NORMAL, tenant);
}

Test(tenants, who_waits_beside_another_gets_as_much)
{
	hear(1, SMALL, 100, 0, 0);
	fill(1, 16, "a");
	fill(101, 8, "b");
	cr_expect_eq(served_of("b", 16), 8, "though all of a's came first");
}

Test(tenants, weights_are_shares)
{
	rule("[tenant a]\nweight = 3\n");
	hear(1, SMALL, 100, 0, 0);
	fill(1, 16, "a");
	fill(101, 16, "b");
	cr_expect_eq(served_of("a", 16), 12);
}

Test(tenants, a_weight_that_a_gateway_tells_counts_before_the_files)
{
	struct og_entry *e;

	hear(1, SMALL, 100, 0, 0);
	fill(1, 16, "a");
	fill(101, 16, "b");
	e = og_index_find(plan.index, id_of(1));
	og_account_weigh(e->flow->account, 3);
	og_account_weigh(e->flow->account, 0); /* a job that says nothing takes nothing back */
	rule("[tenant a]\nweight = 9\n");
	cr_expect_eq(served_of("a", 16), 12);
}

Test(tenants, shares_are_of_cost_and_what_was_really_used_counts)
{
	struct og_entry *e;

	hear(1, SMALL, 100, 0, 0);
	fill(1, 16, "a");
	fill(101, 16, "b");
	e = og_plan_next(&plan, SMALL, now);
	cr_assert_str_eq(e->tenant->text, "a");
	place(e);
	og_plan_ended(&plan, e, 1000, (int64_t)e->cost * 6, now);
	cr_expect_eq(served_of("b", 6), 6, "a has used six times what was thought");
}

Test(tenants, who_was_idle_has_saved_nothing_up)
{
	hear(1, SMALL, 200, 0, 0);
	fill(1, 16, "a");
	served_of("a", 14);
	fill(101, 16, "b");
	fill(21, 8, "a");
	cr_expect_eq(served_of("b", 12), 6);
}

Test(tenants, who_owes_does_not_begin_anew_when_it_comes_back)
{
	struct og_entry *e;

	hear(1, SMALL, 200, 0, 0);
	fill(1, 4, "b");
	fill(101, 1, "a");
	e = add_head(102, SMALL, OG_CLASS_NORMAL, "a");
	cr_assert_eq(served_of("a", 3), 1);
	e->cost = 100000;
	for (e = og_plan_next(&plan, SMALL, now); strcmp(e->tenant->text, "a") != 0;
		e = og_plan_next(&plan, SMALL, now))
		place(e);
	place(e);
	fill(11, 8, "b");
	fill(111, 1, "a");
	cr_expect_eq(served_of("b", 8), 8);
}

/* So nobody waits behind one who has much in a lane, of which only the first bodies are seen. */
Test(tenants, a_job_lies_the_further_back_the_more_of_its_tenant_wait)
{
	unsigned n[OG_LANES] = {0};

	for (unsigned i = 0; i < 300; i++) {
		struct og_entry *e = add(i, SMALL, OG_WHERE_CHECK);

		og_index_choose_lane(e);
		og_index_move(plan.index, e, OG_WHERE_TO_LANE);
		n[e->lane]++;
	}
	for (unsigned k = 0; k < OG_LANES - 1; k++)
		cr_expect_eq(n[k], 1u << k, "lane %u: %u", k, n[k]);
	cr_expect_eq(n[OG_LANES - 1], 300 - 127);
	for (unsigned i = 0; i < 20; i++) {
		char name[8];
		struct og_entry *e;

		snprintf(name, sizeof(name), "t%u", i);
		e = add_as(1000 + i, SMALL, OG_CLASS_NORMAL, name, i % 2 ? OG_WHERE_CHECK : OG_WHERE_DOOR);
		og_index_choose_lane(e);
		cr_expect_eq(e->lane, 0, "its first");
	}
}

Test(tenants, the_lane_of_a_record_is_the_lane)
{
	char reply[] = "producer-a~0123456789abcdef0123456789abcdef";
	const struct og_facts facts = {
		.id = id_of(1), .tenant = "a", .reply = reply, .class = OG_CLASS_NORMAL, .lane = 5 + 1};

	cr_expect_eq(og_index_add(plan.index, &facts, OG_WHERE_LANE)->lane, 5);
	cr_expect_eq(og_index_lane(plan.index, 0, OG_CLASS_NORMAL, 5)->waiting, 1);
}

Test(tenants, one_who_was_served_out_of_turn_sets_nobody_back)
{
	struct og_entry *e;

	hear(1, SMALL, 200, 0, 0);
	fill(1, 8, "a");
	e = add_head(50, SMALL, OG_CLASS_HIGH, "b");
	e->flow->start = 1e9; /* much was used: but its class goes before */
	cr_assert_eq(og_plan_next(&plan, SMALL, now), e);
	place(e);
	fill(101, 8, "c");
	cr_expect_eq(served_of("c", 8), 4, "c came after that, and shares with a");
}

Test(tenants, beyond_max_running_it_waits_and_others_go_on)
{
	rule("[tenant a]\nmax_running = 2\n");
	hear(1, SMALL, 100, 0, 0);
	cr_expect_eq(admit_as(SMALL, OG_CLASS_NORMAL, "a", 1, NULL), OG_VERDICT_PLACE);
	fill(1, 4, "a");
	fill(101, 2, "b");
	cr_expect_eq(served_of("a", 4), 2);
	cr_expect_null(og_plan_next(&plan, SMALL, now));
	cr_expect_eq(admit_as(SMALL, OG_CLASS_NORMAL, "a", 1, NULL), OG_VERDICT_WAIT);
	cr_expect_eq(admit_as(SMALL, OG_CLASS_NORMAL, "b", 1, NULL), OG_VERDICT_PLACE, "what waits may not go");
	og_index_remove(plan.index, og_index_find(plan.index, id_of(1)));
	cr_expect_str_eq(og_plan_next(&plan, SMALL, now)->tenant->text, "a");
}

Test(tenants, beyond_max_queued_it_is_told_its_limit)
{
	struct og_error err;

	rule("[default]\nmax_queued = 2\n");
	fill(1, 1, "a");
	cr_expect_eq(admit_as(SMALL, OG_CLASS_NORMAL, "a", 1, NULL), OG_VERDICT_WAIT);
	add(2, LARGE, OG_WHERE_LANE);
	cr_expect_eq(admit_as(SMALL, OG_CLASS_NORMAL, "a", 1, &err), OG_VERDICT_LIMITED);
	cr_expect_eq(err.kind, OG_BUSY);
	cr_expect_not_null(strstr(err.message, "tenant a has 2 waiting, its limit; try in"), "%s", err.message);
	cr_expect_eq(admit_as(SMALL, OG_CLASS_NORMAL, "b", 1, NULL), OG_VERDICT_WAIT);
}

Test(tenants, beyond_its_minute_it_is_told_when_to_come_back)
{
	struct og_error err;

	rule("[default]\nper_minute = 6\n");
	hear(1, SMALL, 100, 0, 0);
	for (unsigned i = 0; i < 6; i++)
		cr_expect_eq(admit_as(SMALL, OG_CLASS_NORMAL, "a", 1, NULL), OG_VERDICT_PLACE);
	cr_expect_eq(admit_as(SMALL, OG_CLASS_NORMAL, "a", 1, &err), OG_VERDICT_LIMITED);
	cr_expect_str_eq(err.message, "tenant a may submit 6 a minute; try in 10 s");
	now += 10000;
	cr_expect_eq(admit_as(SMALL, OG_CLASS_NORMAL, "a", 1, NULL), OG_VERDICT_PLACE);
	cr_expect_eq(admit_as(SMALL, OG_CLASS_NORMAL, "a", 1, NULL), OG_VERDICT_LIMITED);
	rule("[default]\nper_minute = 0\n");
	cr_expect_eq(admit_as(SMALL, OG_CLASS_NORMAL, "a", 1, NULL), OG_VERDICT_PLACE, "the file was read again");
}

Test(tenants, one_that_is_asked_about_again_is_not_counted_again)
{
	const struct og_ask ask = {.tier = SMALL, .class = OG_CLASS_NORMAL, .tenant = "a", .left_ms = 3600000};

	rule("[default]\nper_minute = 1\n");
	hear(1, SMALL, 100, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		cr_expect_eq(og_plan_admit(&plan, &ask, now, NULL), OG_VERDICT_PLACE);
	cr_expect_eq(admit_as(SMALL, OG_CLASS_NORMAL, "a", 1, NULL), OG_VERDICT_PLACE);
	cr_expect_eq(og_plan_admit(&plan, &ask, now, NULL), OG_VERDICT_LIMITED);
}

Test(tenants, the_idle_are_forgotten_when_they_are_many)
{
	char name[32];

	fill(1, 1, "stays");
	for (unsigned i = 0; i < 3 * OG_ACCOUNTS_IDLE; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		og_flow_of(plan.index, name, SMALL);
	}
	cr_expect_leq(HASH_COUNT(plan.index->accounts), OG_ACCOUNTS_IDLE + 3);
	cr_expect_not_null(og_account_find(plan.index, "stays"));
}
