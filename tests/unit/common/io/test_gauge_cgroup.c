#include "common/io/gauge_tree.h"

TestSuite(cgroup, .timeout = 60, .init = tree_new, .fini = tree_done);

#define MIB  (INT64_C(1) << 20)
#define ROOT "/sys/fs/cgroup"

static void expect_unlimited(void)
{
	struct og_profile p = gauge_tree();

	cr_expect_geq(p.cpu_cores, 1);
	cr_expect_eq(p.ram_total_bytes, TREE_RAM_TOTAL);
	cr_expect_eq(p.ram_available_bytes, TREE_RAM_AVAILABLE);
	cr_expect_eq(p.n_warnings, 0);
}

Test(cgroup, no_cgroups_no_limits)
{
	expect_unlimited();
}

Test(cgroup, v2_max_is_no_limit)
{
	put("/proc/self/cgroup", "0::/\n", 0600);
	put(ROOT "/cpu.max", "max 100000\n", 0600);
	put(ROOT "/memory.max", "max\n", 0600);
	put(ROOT "/memory.current", "123456\n", 0600);
	expect_unlimited();
}

Test(cgroup, v2_quota_makes_a_part_of_a_core)
{
	put("/proc/self/cgroup", "0::/\n", 0600);
	put(ROOT "/cpu.max", "50000 100000\n", 0600);
	cr_expect_eq(gauge_tree().cpu_cores, 0.5);
}

Test(cgroup, v2_memory_limit_counts_and_its_page_cache_is_available)
{
	struct og_profile p;

	put("/proc/self/cgroup", "0::/\n", 0600);
	put(ROOT "/memory.max", "1073741824\n", 0600);
	put(ROOT "/memory.current", "536870912\n", 0600);
	put(ROOT "/memory.stat", "anon 1\nfile 2\ninactive_anon 7\ninactive_file 268435456\n", 0600);
	p = gauge_tree();
	cr_expect_eq(p.ram_total_bytes, 1024 * MIB);
	cr_expect_eq(p.ram_available_bytes, 768 * MIB);
}

Test(cgroup, v2_without_statistics)
{
	struct og_profile p;

	put("/proc/self/cgroup", "0::/\n", 0600);
	put(ROOT "/memory.max", "1073741824\n", 0600);
	put(ROOT "/memory.current", "1273741824\n", 0600);
	p = gauge_tree();
	cr_expect_eq(p.ram_total_bytes, 1024 * MIB);
	cr_expect_eq(p.ram_available_bytes, 0);
}

Test(cgroup, the_least_of_nested_limits_holds)
{
	struct og_profile p;

	put("/proc/self/cgroup", "0::/user.slice/user-1000.slice/session-2.scope\n", 0600);
	put(ROOT "/user.slice/cpu.max", "70000 100000\n", 0600);
	put(ROOT "/user.slice/user-1000.slice/cpu.max", "max 100000\n", 0600);
	put(ROOT "/user.slice/user-1000.slice/session-2.scope/cpu.max", "90000 100000\n", 0600);
	put(ROOT "/user.slice/memory.max", "max\n", 0600);
	put(ROOT "/user.slice/user-1000.slice/memory.max", "2147483648\n", 0600);
	put(ROOT "/user.slice/user-1000.slice/session-2.scope/memory.max", "4294967296\n", 0600);
	put(ROOT "/other.slice/memory.max", "4096\n", 0600);
	p = gauge_tree();
	cr_expect_eq(p.cpu_cores, 0.7);
	cr_expect_eq(p.ram_total_bytes, 2048 * MIB);
	cr_expect_eq(p.ram_available_bytes, 2048 * MIB);
}

Test(cgroup, v1_limits_count)
{
	struct og_profile p;

	put("/proc/self/cgroup", "9:name=systemd:/\n4:memory:/jobs/a\n3:cpuset:/\n2:cpu,cpuacct:/jobs\n0::/\n", 0600);
	put(ROOT "/cpu/jobs/cpu.cfs_quota_us", "25000\n", 0600);
	put(ROOT "/cpu/jobs/cpu.cfs_period_us", "50000\n", 0600);
	put(ROOT "/cpu/cpu.cfs_quota_us", "-1\n", 0600);
	put(ROOT "/cpu/cpu.cfs_period_us", "100000\n", 0600);
	put(ROOT "/memory/jobs/a/memory.limit_in_bytes", "1073741824\n", 0600);
	put(ROOT "/memory/jobs/a/memory.usage_in_bytes", "104857600\n", 0600);
	put(ROOT "/memory/jobs/a/memory.stat", "cache 0\ninactive_file 5\ntotal_inactive_file 4857600\n", 0600);
	put(ROOT "/memory/memory.limit_in_bytes", "9223372036854771712\n", 0600);
	p = gauge_tree();
	cr_expect_eq(p.cpu_cores, 0.5);
	cr_expect_eq(p.ram_total_bytes, 1024 * MIB);
	cr_expect_eq(p.ram_available_bytes, 1024 * MIB - 100000000);
}

Test(cgroup, v1_without_limits)
{
	put("/proc/self/cgroup", "2:memory:/\n1:cpu:/\n", 0600);
	put(ROOT "/cpu/cpu.cfs_quota_us", "-1\n", 0600);
	put(ROOT "/cpu/cpu.cfs_period_us", "100000\n", 0600);
	put(ROOT "/memory/memory.limit_in_bytes", "9223372036854771712\n", 0600);
	put(ROOT "/memory/memory.usage_in_bytes", "1048576\n", 0600);
	expect_unlimited();
}

/* Docker with v1: the path is the host's, and the container's own group is mounted as the root. */
Test(cgroup, a_path_outside_of_the_container_ends_at_its_root)
{
	struct og_profile p;

	put("/proc/self/cgroup", "2:memory:/docker/0123\n1:cpu,cpuacct:/docker/0123\n", 0600);
	put(ROOT "/cpu/cpu.cfs_quota_us", "80000\n", 0600);
	put(ROOT "/cpu/cpu.cfs_period_us", "100000\n", 0600);
	put(ROOT "/memory/memory.limit_in_bytes", "536870912\n", 0600);
	p = gauge_tree();
	cr_expect_eq(p.cpu_cores, 0.8);
	cr_expect_eq(p.ram_total_bytes, 512 * MIB);
}

Test(cgroup, the_hybrid_layout_has_v2_beside_v1)
{
	put("/proc/self/cgroup", "1:memory:/\n0::/a\n", 0600);
	put(ROOT "/unified/a/cpu.max", "30000 100000\n", 0600);
	cr_expect_eq(gauge_tree().cpu_cores, 0.3);
}

Test(cgroup, a_limit_above_the_machine_changes_nothing)
{
	put("/proc/self/cgroup", "0::/\n", 0600);
	put(ROOT "/cpu.max", "409600000 100000\n", 0600);
	put(ROOT "/memory.max", "1099511627776\n", 0600);
	put(ROOT "/memory.current", "1048576\n", 0600);
	expect_unlimited();
}

Test(cgroup, garbage_is_no_limit)
{
	put("/proc/self/cgroup", "nonsense\n\n0:\n:::\n0::no-slash\n0::/../..\n", 0600);
	put(ROOT "/cpu.max", "\n", 0600);
	put(ROOT "/memory.max", "lots\n", 0600);
	put("/sys/cpu.max", "100000\n", 0600);
	put("/sys/fs/cpu.max", "0 0\n", 0600);
	expect_unlimited();
}
