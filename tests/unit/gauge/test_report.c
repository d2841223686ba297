#include "report.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

TestSuite(report, .timeout = 60);

#define GIB (INT64_C(1) << 30)

static const struct og_profile machine = {
	.gauged_at = "2026-11-21T06:31:20.123Z",
	.hostname = "box",
	.cpu_cores = 1.5,
	.cpu_cores_online = 8,
	.cpu_model = "Some CPU",
	.ram_total_bytes = 4 * GIB,
	.ram_available_bytes = 3 * GIB / 2,
	.gpus = {{"Some GPU", "550.1", 8 * GIB, 7 * GIB}},
	.n_gpus = 1,
	.disk_path = "/data",
	.disk_total_bytes = 100 * GIB,
	.disk_free_bytes = 4 * GIB,
	.has_temperature = true,
	.temperature_celsius = 51.25,
	.has_bench = true,
	.bench = {"2026-11-21T06:31:22.123Z", 2, 10.04, 20.06, 3.5, 7},
	.warnings = {"nvidia-smi is odd"},
	.n_warnings = 1,
};

/* What `print` says, the caller's to free. */
static char *output_of(void (*print)(const struct og_profile *p, FILE *out), const struct og_profile *p)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	print(p, out);
	fclose(out);
	return text;
}

Test(report, shows_each_measure_on_its_line)
{
	og_autofree char *text = output_of(og_report_profile, &machine);

	cr_expect_str_eq(text, "Host         box, gauged 2026-11-21T06:31:20.123Z\n"
			       "CPU          1.5 cores of 8, Some CPU\n"
			       "RAM          4.0 GiB, 1.5 available; swap 0.0\n"
			       "GPU 0        Some GPU, 8.0 GiB VRAM, 7.0 free, driver 550.1\n"
			       "Disk         100.0 GiB, 4.0 free, of /data\n"
			       "Temperature  51.2 C at the hottest\n"
			       "Bench        reads 20.1 GB/s of memory, 10.0 on one core\n"
			       "             computes 7.0 GFLOP/s in double precision, 3.5 on one core\n"
			       "             measured 2026-11-21T06:31:22.123Z with 2 threads\n"
			       "Warning      nvidia-smi is odd\n");
}

Test(report, of_a_plain_machine)
{
	struct og_profile p = {.gauged_at = "2026-11-21T06:31:20.123Z",
		.hostname = "box",
		.cpu_cores = 1,
		.cpu_cores_online = 1,
		.disk_path = "/"};
	og_autofree char *text = output_of(og_report_profile, &p);

	cr_expect_str_eq(text, "Host         box, gauged 2026-11-21T06:31:20.123Z\n"
			       "CPU          1 core\n"
			       "RAM          0.0 GiB, 0.0 available; swap 0.0\n"
			       "GPU          none\n"
			       "Disk         0.0 GiB, 0.0 free, of /\n");
}

Test(report, json_is_the_file)
{
	og_autofree char *text = output_of(og_report_profile_json, &machine);
	struct og_profile back;
	struct og_error err = {0};

	cr_expect_eq(og_profile_decode(text, strlen(text), &back, &err), 0, "%s", err.message);
	cr_expect_eq(back.cpu_cores, 1.5);
}

static const struct og_catalogue three = {
	.tiers = {{.id = "Small", .cpu_cores = 1, .ram_gib = 1, .disk_gib = 0.5},
		{.id = "A-long-name", .cpu_cores = 1.5, .ram_gib = 4, .vram_gib = 8, .disk_gib = 4},
		{.id = "Large", .cpu_cores = 16, .ram_gib = 4, .disk_gib = 500}},
	.n = 3,
};

static size_t met;
static void tiers(const struct og_profile *p, FILE *out)
{
	met = og_report_tiers(p, &three, out);
}
static void tiers_json(const struct og_profile *p, FILE *out)
{
	met = og_report_tiers_json(p, &three, out);
}
static void eligible(const struct og_profile *p, FILE *out)
{
	og_report_eligible(p, &three, out);
}

Test(report, tiers_with_the_reasons)
{
	og_autofree char *text = output_of(tiers, &machine);

	cr_expect_eq(met, 2);
	cr_expect_str_eq(text, "TIER         CORES  RAM GiB  VRAM GiB  DISK GiB  ELIGIBLE\n"
			       "Small            1        1         0       0.5  yes\n"
			       "A-long-name    1.5        4         8         4  yes\n"
			       "Large           16        4         0       500  no: needs 16 cores, has 1.5; needs "
			       "500 GiB disk, has 4\n");
}

Test(report, tiers_as_json)
{
	og_autofree char *text = output_of(tiers_json, &machine);
	json_t *root = json_loads(text, 0, NULL), *list = json_object_get(root, "tiers");
	json_t *small = json_array_get(list, 0), *large = json_array_get(list, 2);

	cr_expect_eq(met, 2);
	cr_assert_eq(json_array_size(list), 3);
	cr_expect_str_eq(json_string_value(json_object_get(small, "id")), "Small");
	cr_expect(json_is_true(json_object_get(small, "eligible")));
	cr_expect_eq(json_real_value(json_object_get(small, "disk_gib")), 0.5);
	cr_expect(json_is_false(json_object_get(large, "eligible")));
	cr_expect_str_eq(
		json_string_value(json_object_get(large, "why")), "needs 16 cores, has 1.5; needs 500 GiB disk, has 4");
	json_decref(root);
}

Test(report, the_eligible_tiers_in_one_line)
{
	struct og_profile none = {0};
	og_autofree char *text = output_of(eligible, &machine);
	og_autofree char *of_none = output_of(eligible, &none);

	cr_expect_str_eq(text, "Eligible     for 2 of 3 tiers: Small, A-long-name\n");
	cr_expect_str_eq(of_none, "Eligible     for 0 of 3 tiers\n");
}
