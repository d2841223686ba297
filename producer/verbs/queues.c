#include <string.h>

#include "ask.h"
#include "base/alloc.h"
#include "show.h"
#include "verbs.h"

static const char *const headings[] = {"TIER", ">WORKERS", ">BUSY", ">PLACED", ">HIGH", ">NORMAL", ">BATCH", ">BYTES",
	">OLDEST", ">PER MIN", ">ETA", ""};

static void add_tier(struct og_table *table, const json_t *tier)
{
	char bytes[OG_SHOW_SIZE], oldest[OG_SHOW_SIZE] = "", eta[OG_SHOW_SIZE] = "";

	og_show_bytes(og_show_int(tier, "waiting_bytes"), bytes);
	if (og_show_int(tier, "oldest_ms"))
		og_show_duration(og_show_int(tier, "oldest_ms"), oldest);
	if (json_is_integer(json_object_get(tier, "eta_ms")))
		og_show_duration(og_show_int(tier, "eta_ms"), eta);
	og_show_tier(table, tier);
	og_table_cell(table, "%s", bytes);
	og_table_cell(table, "%s", oldest);
	og_table_cell(table, "%g", json_number_value(json_object_get(tier, "per_min")));
	og_table_cell(table, "%s", eta);
	og_table_cell(table, "%s", json_is_true(json_object_get(tier, "paused")) ? "paused" : "");
}

static enum og_exit print_totals(struct og_cli *c, const json_t *answer)
{
	og_autofree char *words = og_show_waiting(answer);
	og_autofree char *line = og_printf("\n%s\n", words);

	return og_screen_answer(&c->screen, line, strlen(line)) < 0 ? OG_EXIT_INTERNAL : OG_EXIT_ANSWERED;
}

static enum og_exit run(struct og_cli *c)
{
	struct og_table *table;
	const json_t *tier;
	json_t *answer;
	size_t i;
	enum og_exit exit = og_ask_or_tell(c, "queues", NULL, &answer);

	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	table = og_table_new(headings, OG_COUNT(headings));
	json_array_foreach(json_object_get(answer, "tiers"), i, tier)
	{
		add_tier(table, tier);
	}
	exit = og_cli_table(c, table);
	if (exit == OG_EXIT_ANSWERED)
		exit = print_totals(c, answer);
	json_decref(answer);
	return exit;
}

const struct og_verb og_verb_queues = {
	.name = "queues",
	.arguments = "",
	.summary = "shows what waits for each tier: by class, since when, and how long a prompt would wait now",
	.operates = true,
	.run = run,
};
