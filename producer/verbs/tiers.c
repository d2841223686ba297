#include <inttypes.h>

#include "ask.h"
#include "base/alloc.h"
#include "show.h"
#include "verbs.h"

static const char *const headings[] = {
	"TIER", ">WORKERS", ">SLOTS", ">BUSY", ">WAITING", ">CORES", ">RAM GiB", ">VRAM GiB", ">DISK GiB"};

static void fill(struct og_table *table, const json_t *answer)
{
	static const char *const counts[] = {"workers", "slots", "busy", "waiting"};
	static const char *const needs[] = {"cpu_cores", "ram_gib", "vram_gib", "disk_gib"};
	const json_t *tier;
	size_t i;

	json_array_foreach(json_object_get(answer, "tiers"), i, tier)
	{
		og_table_cell(table, "%s", og_show_text(tier, "id"));
		for (size_t k = 0; k < OG_COUNT(counts); k++)
			og_table_cell(table, "%" PRId64, og_show_int(tier, counts[k]));
		for (size_t k = 0; k < OG_COUNT(needs); k++)
			og_table_cell(table, "%g", json_number_value(json_object_get(tier, needs[k])));
	}
}

static enum og_exit run(struct og_cli *c)
{
	return og_ask_table(c, NULL, "tiers", NULL, headings, OG_COUNT(headings), fill);
}

const struct og_verb og_verb_tiers = {
	.name = "tiers",
	.arguments = "",
	.summary = "lists the cluster's tiers: what they need, who serves them, what waits",
	.run = run,
};
