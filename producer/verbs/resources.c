#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "io/gauge.h"
#include "show.h"
#include "table.h"
#include "verbs.h"

/* One measure as text; "" where the profile does not have it. */
struct measure {
	const char *name;
	void (*show)(const struct og_profile *p, char *out, size_t size);
};

static void bytes_of_bytes(int64_t free_bytes, int64_t total_bytes, char *out, size_t size)
{
	char part[OG_SHOW_SIZE], whole[OG_SHOW_SIZE];

	og_show_bytes(free_bytes, part);
	og_show_bytes(total_bytes, whole);
	snprintf(out, size, "%s free of %s", part, whole);
}

static void show_time(const struct og_profile *p, char *out, size_t size)
{
	snprintf(out, size, "%s", p->gauged_at);
}

static void show_cpu(const struct og_profile *p, char *out, size_t size)
{
	snprintf(out, size, "%g cores, %s", p->cpu_cores, p->cpu_model);
}

static void show_ram(const struct og_profile *p, char *out, size_t size)
{
	bytes_of_bytes(p->ram_available_bytes, p->ram_total_bytes, out, size);
}

static void show_gpu(const struct og_profile *p, char *out, size_t size)
{
	char vram[OG_SHOW_SIZE];

	og_show_bytes(og_profile_vram_bytes(p), vram);
	if (p->n_gpus)
		snprintf(out, size, "%zu, largest VRAM %s, %s", p->n_gpus, vram, p->gpus[0].name);
	else
		snprintf(out, size, "none");
}

static void show_disk(const struct og_profile *p, char *out, size_t size)
{
	bytes_of_bytes(p->disk_free_bytes, p->disk_total_bytes, out, size);
}

static void show_temperature(const struct og_profile *p, char *out, size_t size)
{
	if (p->has_temperature)
		snprintf(out, size, "%.0f °C", p->temperature_celsius);
	else
		snprintf(out, size, "not known");
}

static const struct measure measures[] = {
	{"gauged at", show_time},
	{"CPU", show_cpu},
	{"RAM", show_ram},
	{"GPU", show_gpu},
	{"disk", show_disk},
	{"temperature", show_temperature},
};

static json_t *as_json(const struct og_profile *p)
{
	og_autofree char *text = p ? og_profile_encode(p) : NULL;

	return text ? json_loads(text, 0, NULL) : json_null();
}

static enum og_exit print(struct og_cli *c, const struct og_profile *now, const struct og_profile *stored)
{
	static const char *const headings[] = {"", "NOW", "STORED"};
	struct og_table *table = og_table_new(headings, OG_COUNT(headings));

	for (size_t i = 0; i < OG_COUNT(measures); i++) {
		char fresh[512] = "", old[512] = "";

		measures[i].show(now, fresh, sizeof(fresh));
		if (stored)
			measures[i].show(stored, old, sizeof(old));
		og_table_cell(table, "%s", measures[i].name);
		og_table_cell(table, "%s", fresh);
		og_table_cell(table, "%s", old);
	}
	for (size_t i = 0; i < now->n_warnings; i++)
		og_screen_note(&c->screen, "%s", now->warnings[i]);
	return og_cli_table(c, table);
}

static enum og_exit run(struct og_cli *c)
{
	const struct og_gauge_options options = {.root = c->settings.root};
	og_autofree struct og_profile *now = og_new(struct og_profile), *stored = og_new(struct og_profile);
	struct og_error err;
	bool has_stored;

	og_gauge_read(&options, now);
	has_stored = og_gauge_load(c->settings.root, stored, &err) == 0;
	if (!has_stored)
		og_screen_note(&c->screen, "no stored profile: %s", err.message);
	if (c->common.json)
		return og_cli_json(
			c, json_pack("{s:o, s:o}", "now", as_json(now), "stored", as_json(has_stored ? stored : NULL)));
	return print(c, now, has_stored ? stored : NULL);
}

const struct og_verb og_verb_resources = {
	.name = "resources",
	.arguments = "",
	.summary = "shows what this machine has now, beside the stored profile",
	.run = run,
};
