/* resources.json, and what it entitles a machine to. */
#include "model/profile.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"

#define GIB (1024.0 * 1024 * 1024)

#define TEXT(max) OG_JSON_STRING, true, 0, max
#define TIME      OG_JSON_STRING, true, 24, 24
#define CORES     true, 0, 65536
#define BYTES     OG_JSON_INT, true, 0, INT64_C(1) << 60
#define SPEED     OG_JSON_REAL, true, 0, 1000000000

#define P(field) OG_JSON_AT(struct og_profile, field)
static const struct og_json_row profile_rows[] = {
	{P(gauged_at), TIME},
	{P(hostname), TEXT(OG_NAME_MAX)},
	{P(cpu_cores), OG_JSON_REAL, CORES},
	{P(cpu_cores_online), OG_JSON_INT, CORES},
	{P(cpu_model), TEXT(OG_NAME_MAX)},
	{P(ram_total_bytes), BYTES},
	{P(ram_available_bytes), BYTES},
	{P(swap_total_bytes), BYTES},
	{P(disk_path), TEXT(512)},
	{P(disk_total_bytes), BYTES},
	{P(disk_free_bytes), BYTES},
};
static const struct og_json_row temperature_row[] = {
	{P(temperature_celsius), OG_JSON_REAL, true, -274, 1000},
};

#define G(field) OG_JSON_AT(struct og_gpu, field)
static const struct og_json_row gpu_rows[] = {
	{G(name), TEXT(OG_NAME_MAX)},
	{G(driver), TEXT(OG_NAME_MAX)},
	{G(vram_total_bytes), BYTES},
	{G(vram_free_bytes), BYTES},
};

#define B(field) OG_JSON_AT(struct og_bench, field)
static const struct og_json_row bench_rows[] = {
	{B(measured_at), TIME},
	{B(threads), OG_JSON_INT, CORES},
	{B(memory_read_one_core_gb_per_s), SPEED},
	{B(memory_read_all_cores_gb_per_s), SPEED},
	{B(multiply_add_one_core_gflops), SPEED},
	{B(multiply_add_all_cores_gflops), SPEED},
};

struct head {
	int64_t version;
};
static const struct og_json_row head_rows[] = {
	{OG_JSON_AT(struct head, version), OG_JSON_INT, true, 0, INT32_MAX},
};

char *og_profile_encode(const struct og_profile *p)
{
	json_t *root = json_object(), *gpus = json_array(), *warnings = json_array();

	json_object_set_new(root, "version", json_integer(OG_PROFILE_VERSION));
	og_json_write(root, profile_rows, OG_COUNT(profile_rows), p);
	for (size_t i = 0; i < p->n_gpus; i++) {
		json_t *gpu = json_object();

		og_json_write(gpu, gpu_rows, OG_COUNT(gpu_rows), &p->gpus[i]);
		json_array_append_new(gpus, gpu);
	}
	json_object_set_new(root, "gpus", gpus);
	if (p->has_temperature)
		og_json_write(root, temperature_row, OG_COUNT(temperature_row), p);
	if (p->has_bench) {
		json_t *bench = json_object();

		og_json_write(bench, bench_rows, OG_COUNT(bench_rows), &p->bench);
		json_object_set_new(root, "bench", bench);
	}
	for (size_t i = 0; i < p->n_warnings; i++)
		json_array_append_new(warnings, og_json_text(p->warnings[i]));
	json_object_set_new(root, "warnings", warnings);
	return og_json_dump(root, 2);
}

static int read_gpus(const json_t *root, struct og_profile *p, struct og_error *err)
{
	const json_t *list;

	if (og_json_list(root, "gpus", OG_GPUS_MAX, &list, err) < 0)
		return -1;
	p->n_gpus = json_array_size(list);
	for (size_t i = 0; i < p->n_gpus; i++) {
		struct og_gpu *gpu = &p->gpus[i];

		if (og_json_read(json_array_get(list, i), gpu_rows, OG_COUNT(gpu_rows), gpu, err) < 0)
			return og_fail_in(err, "'gpus' item %zu", i);
		if (gpu->vram_free_bytes > gpu->vram_total_bytes)
			return og_fail(err, OG_INVALID, "'gpus' item %zu has more VRAM free than there is", i);
	}
	return 0;
}

static int read_warnings(const json_t *root, struct og_profile *p, struct og_error *err)
{
	const json_t *list;

	if (og_json_list(root, "warnings", OG_PROFILE_WARNINGS_MAX, &list, err) < 0)
		return -1;
	p->n_warnings = json_array_size(list);
	for (size_t i = 0; i < p->n_warnings; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text || strlen(text) >= sizeof(p->warnings[i]))
			return og_fail(err, OG_INVALID, "'warnings' item %zu is not a short string", i);
		strcpy(p->warnings[i], text);
	}
	return 0;
}

static int read_profile(const json_t *root, struct og_profile *p, struct og_error *err)
{
	const json_t *bench = json_object_get(root, "bench");
	struct head head;

	if (og_json_read(root, head_rows, OG_COUNT(head_rows), &head, err) < 0)
		return -1;
	if (head.version != OG_PROFILE_VERSION)
		return og_fail(
			err, OG_INVALID, "it has version %lld, not %d", (long long)head.version, OG_PROFILE_VERSION);
	if (og_json_read(root, profile_rows, OG_COUNT(profile_rows), p, err) < 0)
		return -1;
	if (p->ram_available_bytes > p->ram_total_bytes || p->disk_free_bytes > p->disk_total_bytes)
		return og_fail(err, OG_INVALID, "more RAM or disk is free than there is");
	p->has_temperature = json_object_get(root, "temperature_celsius");
	if (p->has_temperature && og_json_read(root, temperature_row, OG_COUNT(temperature_row), p, err) < 0)
		return -1;
	p->has_bench = bench;
	if (p->has_bench && og_json_read(bench, bench_rows, OG_COUNT(bench_rows), &p->bench, err) < 0)
		return og_fail_in(err, "'bench'");
	return read_gpus(root, p, err) < 0 ? -1 : read_warnings(root, p, err);
}

int og_profile_decode(const char *text, size_t len, struct og_profile *ret, struct og_error *err)
{
	struct og_profile p = {0};
	json_t *root;
	int rc;

	rc = len > OG_PROFILE_CAP ? og_fail(err, OG_INVALID, "it has more than %u bytes", OG_PROFILE_CAP)
	                          : og_json_parse(text, len, &root, err);
	if (!rc) {
		rc = read_profile(root, &p, err);
		json_decref(root);
	}
	if (rc < 0) {
		og_fail_in(err, "not a whole resource profile (`og-gauge` writes a new one)");
		return -1;
	}
	*ret = p;
	return 0;
}

static void complain(char *why, size_t size, double needs, const char *what, double has)
{
	size_t len = strlen(why);
	double rounded_down = (double)(int64_t)(has * 10) / 10; /* "needs 8, has 8" would explain nothing */

	snprintf(why + len, size - len, "%sneeds %.9g %s, has %.9g", len ? "; " : "", needs, what, rounded_down);
}

bool og_profile_judge(const struct og_profile *p, const struct og_tier *t, char *why, size_t size)
{
	double ram = (double)p->ram_total_bytes / GIB;
	double vram = (double)og_profile_vram_bytes(p) / GIB;
	double disk = (double)p->disk_free_bytes / GIB;

	why[0] = '\0';
	if (p->cpu_cores < t->cpu_cores)
		complain(why, size, t->cpu_cores, t->cpu_cores == 1 ? "core" : "cores", p->cpu_cores);
	if (ram < t->ram_gib * OG_PROFILE_TOLERANCE)
		complain(why, size, t->ram_gib, "GiB RAM", ram);
	if (vram < t->vram_gib * OG_PROFILE_TOLERANCE)
		complain(why, size, t->vram_gib, "GiB VRAM", vram);
	if (disk < t->disk_gib)
		complain(why, size, t->disk_gib, "GiB disk", disk);
	return !*why;
}

int64_t og_profile_vram_bytes(const struct og_profile *p)
{
	int64_t largest = 0;

	for (size_t i = 0; i < p->n_gpus; i++)
		if (p->gpus[i].vram_total_bytes > largest)
			largest = p->gpus[i].vram_total_bytes;
	return largest;
}
