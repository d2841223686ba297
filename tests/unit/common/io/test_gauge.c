#include "common/io/gauge_tree.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

TestSuite(gauge, .timeout = 60, .init = tree_new, .fini = tree_done);
TestSuite(resources, .timeout = 60, .init = tree_new, .fini = tree_done);

Test(gauge, reads_memory_and_model)
{
	struct og_profile p = gauge_tree();

	cr_expect_eq(p.ram_total_bytes, TREE_RAM_TOTAL);
	cr_expect_eq(p.ram_available_bytes, TREE_RAM_AVAILABLE);
	cr_expect_eq(p.swap_total_bytes, INT64_C(1024000) * 1024);
	cr_expect_str_eq(p.cpu_model, "Some CPU @ 3 GHz");
	cr_expect_eq(strlen(p.gauged_at), 24);
	cr_expect_eq(p.n_warnings, 0);
}

Test(gauge, an_arm_board_names_itself)
{
	put("/proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 62.50\n", 0600);
	put("/proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit", 0600);
	cr_expect_str_eq(gauge_tree().cpu_model, "NVIDIA Jetson Orin Nano Developer Kit");
}

Test(gauge, without_proc_it_warns_and_counts_nothing)
{
	struct og_gauge_options options = {.root = tree, .prefix = "/nonexistent", .nvidia_smi = "/nonexistent/smi"};
	struct og_profile p;

	og_gauge_read(&options, &p);
	cr_expect_eq(p.ram_total_bytes, 0);
	cr_expect_eq(p.ram_available_bytes, 0);
	cr_assert_eq(p.n_warnings, 1);
	cr_expect_str_eq(p.warnings[0], "/proc/meminfo does not say how much RAM there is: counted as 0");
	cr_expect_geq(p.cpu_cores, 1);
}

Test(gauge, the_affinity_mask_counts)
{
	cpu_set_t all, one;
	int cpu = 0;

	cr_assert_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	cr_expect_eq(gauge_tree().cpu_cores, CPU_COUNT(&all));
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	cr_expect_eq(gauge_tree().cpu_cores, 1);
	cr_expect_eq(gauge_tree().cpu_cores_online, sysconf(_SC_NPROCESSORS_ONLN));
}

Test(gauge, shows_no_temperature_where_there_is_no_sensor)
{
	cr_expect_not(gauge_tree().has_temperature);
}

/* As a Jetson has them: many zones, one of them switched off. */
Test(gauge, the_hottest_zone_counts)
{
	struct og_profile p;

	put("/sys/class/thermal/thermal_zone0/type", "CPU-therm\n", 0600);
	put("/sys/class/thermal/thermal_zone0/temp", "48500\n", 0600);
	put("/sys/class/thermal/thermal_zone1/temp", "51250\n", 0600);
	put("/sys/class/thermal/thermal_zone2/temp", "", 0600);
	put("/sys/class/thermal/thermal_zone3/temp", "-256000\n", 0600);
	put("/sys/class/thermal/thermal_zone10/temp", "47000\n", 0600);
	put("/sys/class/thermal/cooling_device0/temp", "99000\n", 0600);
	p = gauge_tree();
	cr_expect(p.has_temperature);
	cr_expect_eq(p.temperature_celsius, 51.25);
}

Test(gauge, hwmon_counts_too_and_an_absurd_figure_does_not)
{
	struct og_profile p;

	put("/sys/class/thermal/thermal_zone0/temp", "48500\n", 0600);
	put("/sys/class/hwmon/hwmon0/temp1_input", "65261850\n", 0600);
	put("/sys/class/hwmon/hwmon1/temp2_input", "72000\n", 0600);
	put("/sys/class/hwmon/hwmon1/temp2_crit", "100000\n", 0600);
	p = gauge_tree();
	cr_expect_eq(p.temperature_celsius, 72);
}

Test(gauge, a_frozen_sensor_is_a_temperature)
{
	put("/sys/class/thermal/thermal_zone0/temp", "-5000\n", 0600);
	cr_expect(gauge_tree().has_temperature);
	cr_expect_eq(gauge_tree().temperature_celsius, -5);
}

static struct og_profile gauge_disk(const char *root)
{
	const struct og_gauge_options options = {.root = root, .prefix = tree, .nvidia_smi = "/nonexistent/smi"};
	struct og_profile p;

	og_gauge_read(&options, &p);
	return p;
}

Test(gauge, the_disk_is_that_of_the_root_or_of_where_it_will_be)
{
	static const char *const below[] = {"", "/", "/made/later", "//x///y/"};
	struct statvfs st;

	cr_assert_eq(statvfs(tree, &st), 0);
	for (size_t i = 0; i < OG_COUNT(below); i++) {
		og_autofree char *root = og_printf("%s%s", tree, below[i]);
		struct og_profile p = gauge_disk(root);

		cr_expect_eq(p.disk_total_bytes, (int64_t)(st.f_blocks * st.f_frsize), "%s", root);
		cr_expect_gt(p.disk_free_bytes, 0);
		cr_expect_leq(p.disk_free_bytes, p.disk_total_bytes);
		cr_expect_str_eq(p.disk_path, root);
	}
}

Test(gauge, a_relative_root_and_one_at_the_top)
{
	struct statvfs top;

	cr_assert_eq(statvfs("/", &top), 0);
	cr_expect_eq(gauge_disk("/og-nonexistent").disk_total_bytes, (int64_t)(top.f_blocks * top.f_frsize));
	cr_assert_eq(chdir(tree), 0);
	cr_expect_gt(gauge_disk("not/yet").disk_total_bytes, 0);
	cr_expect_gt(gauge_disk("x").disk_total_bytes, 0);
	cr_expect_gt(gauge_disk(".").disk_total_bytes, 0);
}

Test(gauge, a_root_below_a_file_warns)
{
	og_autofree char *root = og_printf("%s/proc/meminfo/root", tree);
	struct og_profile p = gauge_disk(root);

	cr_expect_eq(p.disk_total_bytes, 0);
	cr_assert_eq(p.n_warnings, 1);
	cr_expect(strstr(p.warnings[0], "cannot be read: Not a directory; it counts as 0"), "%s", p.warnings[0]);
}

Test(gauge, what_it_reads_of_this_machine_is_a_valid_profile)
{
	const struct og_gauge_options options = {.root = tree};
	struct og_profile p, back;
	og_autofree char *text = NULL;
	struct og_error err = {0};

	og_gauge_read(&options, &p);
	cr_expect_gt(p.ram_total_bytes, 0);
	cr_expect_gt(p.ram_available_bytes, 0);
	text = og_profile_encode(&p);
	cr_expect_eq(og_profile_decode(text, strlen(text), &back, &err), 0, "%s", err.message);
}

Test(resources, what_is_saved_is_loaded)
{
	og_autofree char *root = og_printf("%s/new/root", tree);
	og_autofree char *path = og_path_join(root, "resources.json");
	struct og_profile p = gauge_tree(), back;
	og_autofree char *text = og_profile_encode(&p), *again = NULL;
	struct og_error err = {0};
	struct stat st;

	cr_assert_eq(og_gauge_save(root, &p, &err), 0, "%s", err.message);
	cr_assert_eq(og_gauge_load(root, &back, &err), 0, "%s", err.message);
	again = og_profile_encode(&back);
	cr_expect_str_eq(again, text);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0644);
}

Test(resources, a_file_that_is_missing_cut_or_foreign_is_an_error_that_names_it)
{
	struct og_profile back;
	struct og_error err;

	cr_expect_eq(og_gauge_load(tree, &back, &err), -1);
	cr_expect_eq(err.kind, OG_INVALID);
	cr_expect(strstr(err.message, "resources.json: No such file"), "%s", err.message);
	put("/resources.json", "{\"version\": 1, \"gauged_at\"", 0600);
	cr_expect_eq(og_gauge_load(tree, &back, &err), -1);
	cr_expect(strstr(err.message, "resources.json: not a whole resource profile"), "%s", err.message);
	put("/resources.json", "{\"name\": \"something\", \"dependencies\": {}}", 0600);
	cr_expect_eq(og_gauge_load(tree, &back, &err), -1);
	cr_expect(strstr(err.message, "'version' is missing"), "%s", err.message);
}

Test(resources, a_full_disk_leaves_the_old_file)
{
	struct og_profile p = gauge_tree(), back;
	struct rlimit nothing = {64, 64};
	struct og_error err = {0};

	cr_assert_eq(og_gauge_save(tree, &p, &err), 0, "%s", err.message);
	signal(SIGXFSZ, SIG_IGN); /* beyond the limit a write fails, as on a full disk */
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &nothing), 0);
	p.cpu_cores = 99;
	cr_expect_eq(og_gauge_save(tree, &p, &err), -1);
	cr_expect(strstr(err.message, "the new profile is not saved, what was there stays: "), "%s", err.message);
	cr_assert_eq(og_gauge_load(tree, &back, &err), 0, "%s", err.message);
	cr_expect_neq(back.cpu_cores, 99);
}

Test(resources, a_root_that_cannot_be_made_is_an_error)
{
	og_autofree char *root = og_printf("%s/proc/meminfo/root", tree);
	struct og_profile p = gauge_tree();
	struct og_error err;

	cr_expect_eq(og_gauge_save(root, &p, &err), -1);
	cr_expect(strstr(err.message, "cannot make folder"), "%s", err.message);
}
