#include "report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"

#define GIB      (1024.0 * 1024 * 1024)
#define WHY_SIZE 256

static double gib(int64_t bytes)
{
	return (double)bytes / GIB;
}

static void print_cpu(const struct og_profile *p, FILE *out)
{
	fprintf(out, "CPU          %.4g %s", p->cpu_cores, p->cpu_cores == 1 ? "core" : "cores");
	if (p->cpu_cores < (double)p->cpu_cores_online)
		fprintf(out, " of %lld", (long long)p->cpu_cores_online);
	fprintf(out, "%s%s\n", *p->cpu_model ? ", " : "", p->cpu_model);
}

static void print_bench(const struct og_bench *b, FILE *out)
{
	fprintf(out, "Bench        reads %.1f GB/s of memory, %.1f on one core\n", b->memory_read_all_cores_gb_per_s,
		b->memory_read_one_core_gb_per_s);
	fprintf(out, "             computes %.1f GFLOP/s in double precision, %.1f on one core\n",
		b->multiply_add_all_cores_gflops, b->multiply_add_one_core_gflops);
	fprintf(out, "             measured %s with %lld threads\n", b->measured_at, (long long)b->threads);
}

void og_report_profile(const struct og_profile *p, FILE *out)
{
	fprintf(out, "Host         %s, gauged %s\n", p->hostname, p->gauged_at);
	print_cpu(p, out);
	fprintf(out, "RAM          %.1f GiB, %.1f available; swap %.1f\n", gib(p->ram_total_bytes),
		gib(p->ram_available_bytes), gib(p->swap_total_bytes));
	if (!p->n_gpus)
		fprintf(out, "GPU          none\n");
	for (size_t i = 0; i < p->n_gpus; i++)
		fprintf(out, "GPU %-8zu %s, %.1f GiB VRAM, %.1f free, driver %s\n", i, p->gpus[i].name,
			gib(p->gpus[i].vram_total_bytes), gib(p->gpus[i].vram_free_bytes), p->gpus[i].driver);
	fprintf(out, "Disk         %.1f GiB, %.1f free, of %s\n", gib(p->disk_total_bytes), gib(p->disk_free_bytes),
		p->disk_path);
	if (p->has_temperature)
		fprintf(out, "Temperature  %.1f C at the hottest\n", p->temperature_celsius);
	if (p->has_bench)
		print_bench(&p->bench, out);
	for (size_t i = 0; i < p->n_warnings; i++)
		fprintf(out, "Warning      %s\n", p->warnings[i]);
}

void og_report_profile_json(const struct og_profile *p, FILE *out)
{
	og_autofree char *text = og_profile_encode(p);

	fprintf(out, "%s\n", text);
}

size_t og_report_tiers(const struct og_profile *p, const struct og_catalogue *c, FILE *out)
{
	int width = (int)strlen("TIER");
	size_t met = 0;

	for (size_t i = 0; i < c->n; i++)
		if ((int)strlen(c->tiers[i].id) > width)
			width = (int)strlen(c->tiers[i].id);
	fprintf(out, "%-*s  %5s  %7s  %8s  %8s  %s\n", width, "TIER", "CORES", "RAM GiB", "VRAM GiB", "DISK GiB",
		"ELIGIBLE");
	for (size_t i = 0; i < c->n; i++) {
		const struct og_tier *t = &c->tiers[i];
		char why[WHY_SIZE];
		bool eligible = og_profile_judge(p, t, why, sizeof(why));

		met += eligible;
		fprintf(out, "%-*s  %5g  %7g  %8g  %8g  %s%s\n", width, t->id, t->cpu_cores, t->ram_gib, t->vram_gib,
			t->disk_gib, eligible ? "yes" : "no: ", why);
	}
	return met;
}

size_t og_report_tiers_json(const struct og_profile *p, const struct og_catalogue *c, FILE *out)
{
	json_t *root = json_object(), *tiers = json_array();
	og_autofree char *text = NULL;
	size_t met = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct og_tier *t = &c->tiers[i];
		char why[WHY_SIZE];
		bool eligible = og_profile_judge(p, t, why, sizeof(why));

		met += eligible;
		json_array_append_new(tiers, json_pack("{s:s, s:b, s:s, s:f, s:f, s:f, s:f}", "id", t->id, "eligible",
						     eligible, "why", why, "cpu_cores", t->cpu_cores, "ram_gib",
						     t->ram_gib, "vram_gib", t->vram_gib, "disk_gib", t->disk_gib));
	}
	json_object_set_new(root, "tiers", tiers);
	text = og_json_dump(root, 2);
	fprintf(out, "%s\n", text);
	return met;
}

void og_report_eligible(const struct og_profile *p, const struct og_catalogue *c, FILE *out)
{
	char why[WHY_SIZE];
	size_t met = 0;

	for (size_t i = 0; i < c->n; i++)
		met += og_profile_judge(p, &c->tiers[i], why, sizeof(why));
	fprintf(out, "Eligible     for %zu of %zu tiers", met, c->n);
	for (size_t i = 0, told = 0; i < c->n; i++)
		if (og_profile_judge(p, &c->tiers[i], why, sizeof(why)))
			fprintf(out, "%s%s", told++ ? ", " : ": ", c->tiers[i].id);
	fprintf(out, "\n");
}
