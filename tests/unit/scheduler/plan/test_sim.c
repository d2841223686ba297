/* The fleet of tests/bench/sim_plan.c, small enough for each run of the tests. */
#include <criterion/criterion.h>

#include "../../../bench/plan_sim.h"

TestSuite(sim, .timeout = 120);

static const struct sim_config config = {
	.nodes = 40,
	.tiers = 2,
	.tenants = 12,
	.jobs = 20000,
	.service_ms = 1000,
	.load = 2,
	.uneven = 3,
	.share = {0.1, 0.6, 0.3},
	.ageing_ms = 20000,
};

Test(sim, tenants_share_a_fleet_that_is_too_small_and_nothing_is_lost_or_starves)
{
	struct sim s;

	sim_init(&s, &config);
	sim_run(&s);
	cr_expect_eq(s.result.ended, config.jobs);
	cr_expect_eq(s.plan.index->waiting + s.plan.index->placed, 0);
	cr_expect_gt(s.result.jain, 0.95, "%f", s.result.jain);
	cr_expect_lt(s.result.longest_ms[OG_CLASS_HIGH], 10000);
	/* In all, twice what can be run came for 125 s. */
	cr_expect_lt(s.result.longest_ms[OG_CLASS_BATCH], 180000, "%ld", (long)s.result.longest_ms[OG_CLASS_BATCH]);
	sim_done(&s);
}

Test(sim, what_is_told_of_the_time_is_about_right)
{
	struct sim_config c = config;
	struct sim s;

	c.load = 1.3;
	c.uneven = 2;
	c.share[OG_CLASS_HIGH] = 0.2;
	c.share[OG_CLASS_NORMAL] = 0.8;
	c.measure_eta = 5;
	sim_init(&s, &c);
	sim_run(&s);
	cr_expect_gt(s.result.eta_jobs, 500);
	cr_expect_lt(s.result.eta_median, 0.3, "%f", s.result.eta_median);
	cr_expect_lt(s.result.eta_p90, 0.9, "%f", s.result.eta_p90);
	sim_done(&s);
}
