#include "scheduler/plan/fixture.h"

TestSuite(feasible, .timeout = 60, .init = setup, .fini = teardown);

static void live(unsigned n, const char *region, int64_t context)
{
	struct og_presence p = presence(n, SMALL, 2, 0, 0);

	strcpy(p.region, region);
	p.context = context;
	say(p);
}

static enum og_verdict ask_for(size_t bytes, int64_t max_tokens, struct og_wish wish, struct og_error *err)
{
	const struct og_ask ask = {
		.tier = SMALL, .tenant = "a", .bytes = bytes, .max_tokens = max_tokens, .wish = &wish};

	err->message[0] = '\0';
	return og_plan_admit(&plan, &ask, now, err);
}

Test(feasible, what_no_context_holds_is_refused_by_name)
{
	const struct og_wish none = {0};
	struct og_error err;

	live(1, "", 1000);
	live(2, "", 2000);
	cr_expect_eq(ask_for(8 * 1000, 1000, none, &err), OG_VERDICT_PLACE);
	cr_expect_eq(ask_for(8 * 1000, 1001, none, &err), OG_VERDICT_TOO_LONG);
	cr_expect_not_null(strstr(err.message, "small is 2000 tokens"), "%s", err.message);
	cr_expect_not_null(strstr(err.message, "2001 at least"), "%s", err.message);
	live(3, "", 0);
	cr_expect_eq(ask_for(1000000, 1001, none, &err), OG_VERDICT_PLACE, "one of them may hold it");
}

/* A thousand texts to be embedded, each of which fits. */
Test(feasible, what_no_context_has_to_hold_whole_is_not_judged)
{
	const struct og_ask ask = {.tier = SMALL, .tenant = "a", .bytes = 1000000, .any_length = true};

	live(1, "", 1000);
	cr_expect_eq(og_plan_admit(&plan, &ask, now, NULL), OG_VERDICT_PLACE);
}

Test(feasible, auto_passes_by_what_cannot_hold_it)
{
	const struct og_ask ask = {.tenant = "a", .bytes = 8 * 1500, .left_ms = 3600000};
	struct og_presence large = presence(9, LARGE, 1, 0, 0);
	unsigned tier;

	live(1, "", 2000);
	large.context = 1000;
	say(large);
	cr_expect_eq(og_plan_resolve(&plan, NULL, NULL, &ask, now, &tier, NULL), OG_RESOLVED);
	cr_expect_eq(tier, SMALL);
}

Test(feasible, a_region_without_workers_is_refused)
{
	struct og_error err;

	live(1, "eu", 0);
	cr_expect_eq(ask_for(1, 0, (struct og_wish){.region = "eu"}, &err), OG_VERDICT_PLACE);
	cr_expect_eq(ask_for(1, 0, (struct og_wish){.region = "us"}, &err), OG_VERDICT_PLACE, "who is there?");
	now += OG_GRACE_PERIODS * OG_PRESENCE_PERIOD_MS;
	cr_expect_eq(ask_for(1, 0, (struct og_wish){.region = "us"}, &err), OG_VERDICT_NO_CAPACITY);
	cr_expect_str_eq(err.message, "no worker serves small in region us");
}

Test(feasible, a_request_that_avoids_all_nodes_is_refused)
{
	struct og_error err;
	struct og_wish wish = {.avoid = "00000001-1111-4000-8000-000000000000"};

	live(1, "", 0);
	now += OG_GRACE_PERIODS * OG_PRESENCE_PERIOD_MS;
	cr_expect_eq(ask_for(1, 0, wish, &err), OG_VERDICT_NO_CAPACITY);
	cr_expect_str_eq(err.message, "no worker serves small but nodes that the request avoids");
	live(2, "", 0);
	cr_expect_eq(ask_for(1, 0, wish, &err), OG_VERDICT_PLACE);
}

Test(feasible, who_finds_nobody_is_told_what_is_served_or_how_something_is)
{
	struct og_error err = {0};

	now += OG_GRACE_PERIODS * OG_PRESENCE_PERIOD_MS;
	cr_expect_eq(admit(LARGE, OG_CLASS_NORMAL, 1, &err), OG_VERDICT_NO_CAPACITY);
	cr_expect_str_eq(err.message, "no worker serves large, nor any other model: " OG_SERVE);
	hear(1, SMALL, 1, 0, 0);
	cr_expect_eq(admit(LARGE, OG_CLASS_NORMAL, 1, &err), OG_VERDICT_NO_CAPACITY);
	cr_expect_str_eq(err.message, "no worker serves large: what is served now is small");
}

Test(feasible, lanes_show_as_many_bodies_as_the_context_makes_small)
{
	const struct {
		int64_t context;
		unsigned bodies;
	} rows[] = {{0, 16}, {1, 256}, {2048, 256}, {8192, 64}, {32768, 16}, {131072, 16}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		catalogue->tiers[SMALL].context_tokens = rows[i].context;
		cr_expect_eq(og_plan_lane_prefetch(&plan, SMALL), rows[i].bodies, "%lld", (long long)rows[i].context);
	}
}
