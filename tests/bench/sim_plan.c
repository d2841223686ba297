/* The scheduler's decisions for a fleet that this machine could not hold: see plan_sim.h. Prints one JSON object; `bench.py
 * plan` runs it. */
#include <jansson.h>
#include <malloc.h>

#include "plan_sim.h"

static const struct sim_config overload = {
	.nodes = 1000,
	.tiers = 20,
	.tenants = 50,
	.jobs = 1000000,
	.service_ms = 2000,
	.load = 2,
	.uneven = 3,
	.share = {0.1, 0.6, 0.3},
	.ageing_ms = 60000,
};

/* More comes than can be run, as before; how long each waits is told to one of ten. */
static const struct sim_config one_class = {
	.nodes = 1000,
	.tiers = 20,
	.tenants = 50,
	.jobs = 1000000,
	.service_ms = 2000,
	.load = 1.3,
	.uneven = 2,
	.share = {0.2, 0.8, 0},
	.ageing_ms = 60000,
	.measure_eta = 10,
};

/* What is left to batch is the difference of much that varies. */
static const struct sim_config left_over = {
	.nodes = 1000,
	.tiers = 20,
	.tenants = 50,
	.jobs = 1000000,
	.service_ms = 2000,
	.load = 1.1,
	.uneven = 2,
	.share = {0.1, 0.6, 0.3},
	.ageing_ms = 60000,
	.measure_eta = 10,
};

static void run(const struct sim_config *c, struct sim_result *ret)
{
	struct sim s;

	sim_init(&s, c);
	sim_run(&s);
	*ret = s.result;
	sim_done(&s);
}

static size_t allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* Bytes of one that waits, of a million, with all that is kept of it. */
static double memory(void)
{
	struct sim_config c = overload;
	const struct og_ask ask = {.tier = 0, .class = OG_CLASS_NORMAL, .bytes = 500};
	struct sim s;
	size_t before;
	double bytes;

	sim_init(&s, &c);
	before = allocated();
	for (s.came = 0; s.came < c.jobs; s.came++) {
		struct og_ask at = ask;
		char tenant[16];

		at.tier = s.came % c.tiers;
		at.class = (enum og_class)(s.came / c.tiers % OG_CLASSES);
		snprintf(tenant, sizeof(tenant), "t%u", s.came / 7 % c.tenants);
		at.tenant = tenant;
		sim_enter(&s, &at, OG_VERDICT_WAIT, -1);
	}
	bytes = (double)(allocated() - before) / c.jobs;
	sim_done(&s);
	return bytes;
}

static json_t *eta_of(const struct sim_config *c, unsigned jobs)
{
	struct sim_config at = *c;
	struct sim_result r;

	at.jobs = jobs;
	run(&at, &r);
	return json_pack("{s:f, s:f, s:i}", "median", r.eta_median, "p90", r.eta_p90, "jobs", (int)r.eta_jobs);
}

int main(int argc, char **argv)
{
	struct sim_config c = overload;
	struct sim_result r;
	json_t *out;

	if (argc > 1 && !strcmp(argv[1], "--quick"))
		c.jobs = 50000;
	run(&c, &r);
	out = json_pack("{s:i, s:f, s:i, s:{s:I, s:I, s:I}, s:i, s:f}", "jobs", (int)r.ended, "jain", r.jain,
		"most_waiting", (int)r.most_waiting, "longest_wait_ms", "high", (json_int_t)r.longest_ms[0], "normal",
		(json_int_t)r.longest_ms[1], "batch", (json_int_t)r.longest_ms[2], "decisions_per_s",
		(int)((double)r.decisions / r.plan_s), "bytes_a_waiting_job", memory());
	json_object_set_new(out, "eta_error_one_class", eta_of(&one_class, c.jobs));
	json_object_set_new(out, "eta_error_left_over", eta_of(&left_over, c.jobs));
	json_dumpf(out, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(3));
	puts("");
	json_decref(out);
	return 0;
}
