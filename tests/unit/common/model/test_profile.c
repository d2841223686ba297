#include "model/profile.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

TestSuite(profile, .timeout = 60);
TestSuite(judge, .timeout = 60);

#define GIB (INT64_C(1) << 30)

static struct og_profile machine(double cores, int64_t ram, int64_t vram, int64_t disk)
{
	return (struct og_profile){
		.gauged_at = "2026-11-21T06:31:20.123Z",
		.hostname = "host",
		.cpu_cores = cores,
		.cpu_cores_online = 16,
		.cpu_model = "Some CPU",
		.ram_total_bytes = ram,
		.ram_available_bytes = ram / 2,
		.gpus = {{"Some GPU", "550.1", vram, vram / 2}},
		.n_gpus = vram > 0,
		.disk_path = "/data",
		.disk_total_bytes = 2 * disk,
		.disk_free_bytes = disk,
	};
}

static int decode(const char *text, struct og_profile *ret, struct og_error *err)
{
	return og_profile_decode(text, strlen(text), ret, err);
}

Test(profile, survives_its_file)
{
	struct og_profile p = machine(1.5, 8 * GIB, 24 * GIB, 500 * GIB), back;
	og_autofree char *text = NULL, *again = NULL;
	struct og_error err = {0};

	p.gpus[p.n_gpus++] = (struct og_gpu){"Other GPU", "550.1", 8 * GIB, 0};
	p.swap_total_bytes = GIB;
	p.has_temperature = true;
	p.temperature_celsius = 45.5;
	p.has_bench = true;
	p.bench = (struct og_bench){"2026-11-21T06:31:22.123Z", 2, 10.5, 20.25, 3.5, 7};
	strcpy(p.warnings[p.n_warnings++], "something \"odd\"");
	text = og_profile_encode(&p);
	cr_assert_eq(decode(text, &back, &err), 0, "%s", err.message);
	cr_expect_eq(back.n_gpus, 2);
	cr_expect_eq(back.gpus[1].vram_total_bytes, 8 * GIB);
	cr_expect_eq(back.cpu_cores, 1.5);
	cr_expect_str_eq(back.warnings[0], p.warnings[0]);
	again = og_profile_encode(&back); /* names every field */
	cr_expect_str_eq(text, again);
}

Test(profile, has_units_in_its_keys)
{
	struct og_profile p = machine(1, GIB, 0, GIB);
	og_autofree char *text = og_profile_encode(&p);
	json_t *root = json_loads(text, 0, NULL);
	const char *key;
	json_t *value;

	cr_expect_eq(json_integer_value(json_object_get(root, "version")), 1);
	json_object_foreach(root, key, value) if (json_is_number(value) && strcmp(key, "version") != 0)
		cr_expect(strstr(key, "_bytes") || strstr(key, "_cores") || strstr(key, "_celsius"), "%s", key);
	cr_expect_null(json_object_get(root, "temperature_celsius"), "shown where no sensor is");
	cr_expect_null(json_object_get(root, "bench"));
	json_decref(root);
}

Test(profile, a_name_that_is_not_utf8_does_not_spoil_the_file)
{
	struct og_profile p = machine(1, GIB, 0, GIB), back;
	og_autofree char *text = NULL;
	struct og_error err = {0};

	strcpy(p.cpu_model, "CPU \xae");
	text = og_profile_encode(&p);
	cr_assert_eq(decode(text, &back, &err), 0, "%s", err.message);
	cr_expect_str_eq(back.cpu_model, "CPU ?");
}

Test(profile, every_truncation_is_refused_and_says_what_to_do)
{
	struct og_profile p = machine(1, GIB, GIB, GIB), back;
	og_autofree char *text = og_profile_encode(&p);
	struct og_error err;

	for (size_t len = 0; len < strlen(text); len++) {
		cr_expect_eq(og_profile_decode(text, len, &back, &err), -1, "%.*s", (int)len, text);
		cr_expect_eq(err.kind, OG_INVALID);
		cr_expect(strstr(err.message, "`og-gauge` writes a new one"), "%s", err.message);
	}
}

/* A whole profile with the member `key` set to `value` (NULL: taken out), decoded. */
static void refuses(const char *key, json_t *value, const char *message)
{
	struct og_profile p = machine(1, GIB, GIB, GIB), back;
	og_autofree char *text = og_profile_encode(&p), *changed = NULL;
	og_autofree char *whole = og_printf("not a whole resource profile (`og-gauge` writes a new one): %s", message);
	json_t *root = json_loads(text, 0, NULL);
	struct og_error err = {0};

	if (value)
		json_object_set_new(root, key, value);
	else
		json_object_del(root, key);
	changed = json_dumps(root, 0);
	json_decref(root);
	cr_expect_eq(decode(changed, &back, &err), -1, "accepted a bad '%s'", key);
	cr_expect_eq(err.kind, OG_INVALID);
	cr_expect_str_eq(err.message, whole);
}

Test(profile, a_foreign_file_or_an_impossible_value_is_refused_by_name)
{
	refuses("version", NULL, "'version' is missing");
	refuses("version", json_integer(2), "it has version 2, not 1");
	refuses("cpu_cores", NULL, "'cpu_cores' is missing");
	refuses("cpu_cores", json_string("2"), "'cpu_cores' is not a number");
	refuses("cpu_cores", json_real(-1), "'cpu_cores' is -1, not 0 to 65536");
	refuses("ram_total_bytes", json_real(1e9), "'ram_total_bytes' is not an integer");
	refuses("ram_available_bytes", json_integer(GIB + 1), "more RAM or disk is free than there is");
	refuses("disk_free_bytes", json_integer(2 * GIB + 1), "more RAM or disk is free than there is");
	refuses("gauged_at", json_string("today"), "'gauged_at' has 5 bytes, not 24 to 24");
	refuses("temperature_celsius", json_real(-300), "'temperature_celsius' is -300, not -274 to 1000");
	refuses("gpus", json_object(), "'gpus' is not an array");
	refuses("gpus", json_pack("[i]", 1), "'gpus' item 0: 'name' is missing");
	refuses("gpus",
		json_pack(
			"[{s:s,s:s,s:i,s:i}]", "name", "x", "driver", "", "vram_total_bytes", 1, "vram_free_bytes", 2),
		"'gpus' item 0 has more VRAM free than there is");
	refuses("bench", json_object(), "'bench': 'measured_at' is missing");
	refuses("warnings", json_pack("[i]", 1), "'warnings' item 0 is not a short string");
}

Test(profile, lists_have_bounds)
{
	json_t *gpus = json_array(), *warnings = json_array();

	for (int i = 0; i <= OG_GPUS_MAX; i++)
		json_array_append_new(gpus, json_object());
	for (int i = 0; i <= OG_PROFILE_WARNINGS_MAX; i++)
		json_array_append_new(warnings, json_string(""));
	refuses("gpus", gpus, "'gpus' has 17 items, more than 16");
	refuses("warnings", warnings, "'warnings' has 9 items, more than 8");
}

Test(profile, a_file_beyond_the_cap_is_refused)
{
	og_autofree char *text = og_alloc(OG_PROFILE_CAP + 1);
	struct og_profile back;
	struct og_error err;

	memset(text, ' ', OG_PROFILE_CAP + 1);
	cr_expect_eq(og_profile_decode(text, OG_PROFILE_CAP + 1, &back, &err), -1);
	cr_expect(strstr(err.message, "more than 65536 bytes"), "%s", err.message);
}

/* Are the built-in rows that this machine is eligible for exactly these? */
static void eligible_for(struct og_profile p, const char *const *ids, size_t n)
{
	og_autofree struct og_catalogue *c = og_catalogue_default();
	char why[256];
	size_t met = 0;

	for (size_t i = 0; i < c->n; i++) {
		bool wanted = false;

		for (size_t k = 0; k < n; k++)
			wanted = wanted || !strcmp(ids[k], c->tiers[i].id);
		cr_expect_eq(
			og_profile_judge(&p, &c->tiers[i], why, sizeof(why)), wanted, "%s: %s", c->tiers[i].id, why);
		met += wanted;
	}
	cr_expect_eq(met, n);
}

Test(judge, rows_are_no_ladder)
{
	static const char *const one_core[] = {"SmolLM2-135M", "SmolLM-360M", "Qwen2-0.5B", "SmolLM-1.7B"};
	static const char *const little_ram[] = {"SmolLM2-135M", "SmolLM-360M", "TinyLlama-1.1B"};

	eligible_for(machine(1, 64 * GIB, 0, 1000 * GIB), one_core, OG_COUNT(one_core));
	eligible_for(machine(8, GIB, 80 * GIB, 1000 * GIB), little_ram, OG_COUNT(little_ram));
	eligible_for(machine(0.5, 64 * GIB, 80 * GIB, 1000 * GIB), NULL, 0);
}

Test(judge, a_large_machine_is_eligible_for_all)
{
	og_autofree struct og_catalogue *c = og_catalogue_default();
	struct og_profile p = machine(16, 64 * GIB, 48 * GIB, 500 * GIB);
	char why[256];

	for (size_t i = 0; i < c->n; i++) {
		cr_expect(og_profile_judge(&p, &c->tiers[i], why, sizeof(why)), "%s: %s", c->tiers[i].id, why);
		cr_expect_str_empty(why);
	}
}

static const struct og_tier demanding = {.id = "T", .cpu_cores = 4, .ram_gib = 12, .vram_gib = 8, .disk_gib = 30};

static void says(struct og_profile p, const char *message)
{
	char why[256];

	cr_expect_eq(og_profile_judge(&p, &demanding, why, sizeof(why)), !*message);
	cr_expect_str_eq(why, message);
}

/* The least number of bytes that counts as so many GiB. */
static int64_t tolerated(int64_t gib)
{
	return (int64_t)ceil((double)(gib * GIB) * 0.93);
}

Test(judge, at_the_boundary_of_each_measure)
{
	says(machine(4, 12 * GIB, 8 * GIB, 30 * GIB), "");
	says(machine(3.99, 12 * GIB, 8 * GIB, 30 * GIB), "needs 4 cores, has 3.9");
	says(machine(4, tolerated(12), 8 * GIB, 30 * GIB), "");
	says(machine(4, tolerated(12) - 1, 8 * GIB, 30 * GIB), "needs 12 GiB RAM, has 11.1");
	says(machine(4, 12 * GIB, tolerated(8), 30 * GIB), "");
	says(machine(4, 12 * GIB, tolerated(8) - 1, 30 * GIB), "needs 8 GiB VRAM, has 7.4");
	says(machine(4, 12 * GIB, 8 * GIB, 30 * GIB - 1), "needs 30 GiB disk, has 29.9");
}

Test(judge, an_8_gb_host_counts_as_8_gib)
{
	struct og_profile p = machine(4, INT64_C(8023748) * 1024, 0, 20 * GIB); /* MemTotal of one: 7.65 GiB */
	og_autofree struct og_catalogue *c = og_catalogue_default();
	char why[256];

	cr_expect(og_profile_judge(&p, og_catalogue_find(c, "Llama-3.2-3B"), why, sizeof(why)), "%s", why);
}

Test(judge, every_need_that_is_not_met_is_told)
{
	says(machine(1, GIB, 0, GIB / 2),
		"needs 4 cores, has 1; needs 12 GiB RAM, has 1; needs 8 GiB VRAM, has 0; needs 30 GiB disk, has 0.5");
}

Test(judge, one_core_is_not_cores)
{
	struct og_profile p = machine(0.5, GIB, 0, GIB);
	const struct og_tier t = {.cpu_cores = 1};
	char why[256];

	cr_expect_not(og_profile_judge(&p, &t, why, sizeof(why)));
	cr_expect_str_eq(why, "needs 1 core, has 0.5");
}

Test(judge, of_several_gpus_the_largest_counts_alone)
{
	struct og_profile p = machine(4, 12 * GIB, 6 * GIB, 30 * GIB);

	p.gpus[p.n_gpus++] = (struct og_gpu){"second", "", 7 * GIB, 0};
	p.gpus[p.n_gpus++] = (struct og_gpu){"third", "", 2 * GIB, 0};
	cr_expect_eq(og_profile_vram_bytes(&p), 7 * GIB);
	says(p, "needs 8 GiB VRAM, has 7");
	p.gpus[2].vram_total_bytes = 8 * GIB;
	says(p, "");
}

Test(judge, a_small_buffer_cuts_the_reason)
{
	struct og_profile p = machine(1, GIB, 0, GIB);
	char why[12];

	cr_expect_not(og_profile_judge(&p, &demanding, why, sizeof(why)));
	cr_expect_str_eq(why, "needs 4 cor");
}
