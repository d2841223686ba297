#include <stdlib.h>

#include "base/alloc.h"
#include "io/gauge.h"
#include "table.h"
#include "verbs.h"

#define WHY_SIZE 256

static json_t *judge_json(const struct og_profile *p, const struct og_catalogue *catalogue)
{
	json_t *tiers = json_array();

	for (size_t i = 0; i < catalogue->n; i++) {
		const struct og_tier *t = &catalogue->tiers[i];
		char why[WHY_SIZE];
		bool eligible = og_profile_judge(p, t, why, sizeof(why));

		json_array_append_new(
			tiers, json_pack("{s:s, s:b, s:s}", "tier", t->id, "eligible", eligible, "why", why));
	}
	return json_pack("{s:o}", "tiers", tiers);
}

static enum og_exit print(struct og_cli *c, const struct og_profile *p, const struct og_catalogue *catalogue)
{
	static const char *const headings[] = {
		"TIER", "ELIGIBLE", ">CORES", ">RAM GiB", ">VRAM GiB", ">DISK GiB", "WHY NOT"};
	struct og_table *table = og_table_new(headings, OG_COUNT(headings));

	for (size_t i = 0; i < catalogue->n; i++) {
		const struct og_tier *t = &catalogue->tiers[i];
		char why[WHY_SIZE];
		bool eligible = og_profile_judge(p, t, why, sizeof(why));

		og_table_cell(table, "%s", t->id);
		og_table_cell(table, "%s", eligible ? "yes" : "no");
		og_table_cell(table, "%g", t->cpu_cores);
		og_table_cell(table, "%g", t->ram_gib);
		og_table_cell(table, "%g", t->vram_gib);
		og_table_cell(table, "%g", t->disk_gib);
		og_table_cell(table, "%s", why);
	}
	return og_cli_table(c, table);
}

static enum og_exit run(struct og_cli *c)
{
	const struct og_gauge_options options = {.root = c->settings.root};
	og_autofree struct og_profile *profile = og_new(struct og_profile);
	og_autofree struct og_catalogue *catalogue = NULL;
	struct og_error err;

	if (og_catalogue_load(c->settings.catalogue, &catalogue, &err) < 0)
		return og_cli_fail(c, OG_EXIT_USAGE, &err);
	og_gauge_read(&options, profile);
	for (size_t i = 0; i < profile->n_warnings; i++)
		og_screen_note(&c->screen, "%s", profile->warnings[i]);
	if (c->common.json)
		return og_cli_json(c, judge_json(profile, catalogue));
	return print(c, profile, catalogue);
}

const struct og_verb og_verb_eligible = {
	.name = "eligible",
	.arguments = "",
	.summary = "lists the tiers that this machine may serve, and why it may not serve the others",
	.run = run,
};
