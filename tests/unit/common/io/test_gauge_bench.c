#include <criterion/criterion.h>

#include "io/gauge.h"

TestSuite(bench, .timeout = 60);

Test(bench, measures_something_with_as_many_threads_as_cores)
{
	struct og_profile p = {.cpu_cores = 1.5, .ram_available_bytes = 64 << 20};
	struct og_bench b;

	og_gauge_bench(&p, &b);
	cr_expect_eq(b.threads, 2);
	cr_expect_eq(strlen(b.measured_at), 24);
	cr_expect_gt(b.memory_read_one_core_gb_per_s, 0.01);
	cr_expect_gt(b.memory_read_all_cores_gb_per_s, 0.01);
	cr_expect_gt(b.multiply_add_one_core_gflops, 0.01);
	cr_expect_gt(b.multiply_add_all_cores_gflops, 0.01);
}

Test(bench, a_profile_of_nothing_is_measured_with_one_thread)
{
	struct og_profile p = {0};
	struct og_bench b;

	og_gauge_bench(&p, &b);
	cr_expect_eq(b.threads, 1);
	cr_expect_gt(b.memory_read_one_core_gb_per_s, 0.01);
}
