#include <inttypes.h>

#include "ask.h"
#include "base/alloc.h"
#include "show.h"
#include "verbs.h"

static const char *const headings[] = {
	"NAME", "SERVES", "TIER", "MODEL", "ENGINE", ">BUSY", ">TOKENS/S", ">SEEN AGO", ""};

/* A row a worker; a peer that serves nothing has one row as well. */
static void add_peer(struct og_table *table, const json_t *peer)
{
	const json_t *workers = json_object_get(peer, "workers"), *worker;
	size_t i;

	if (!json_is_true(json_object_get(peer, "serve")) || !json_array_size(workers)) {
		og_table_cell(table, "%s", og_show_text(peer, "name"));
		og_table_cell(table, "no");
		for (int k = 0; k < 7; k++)
			og_table_cell(table, "%s", "");
		return;
	}
	json_array_foreach(workers, i, worker)
	{
		char seen[OG_SHOW_SIZE];

		og_show_duration(og_show_int(worker, "seen_ms_ago"), seen);
		og_table_cell(table, "%s", og_show_text(peer, "name"));
		og_table_cell(table, "yes");
		og_table_cell(table, "%s", og_show_text(worker, "tier"));
		og_table_cell(table, "%s", og_show_text(worker, "model"));
		og_table_cell(table, "%s", og_show_text(worker, "engine"));
		og_table_cell(table, "%" PRId64 "/%" PRId64, og_show_int(worker, "busy"), og_show_int(worker, "slots"));
		og_table_cell(table, "%.1f", json_number_value(json_object_get(worker, "tokens_per_s")));
		og_table_cell(table, "%s", seen);
		og_table_cell(table, "%s",
			json_is_true(json_object_get(worker, "draining")) ? "draining"
			: json_is_true(json_object_get(worker, "paused")) ? "paused"
									  : "");
	}
}

static void fill(struct og_table *table, const json_t *answer)
{
	const json_t *peer;
	size_t i;

	json_array_foreach(json_object_get(answer, "peers"), i, peer)
	{
		add_peer(table, peer);
	}
}

static enum og_exit run(struct og_cli *c)
{
	return og_ask_table(c, c->n_args ? c->args[0] : NULL, "peers", NULL, headings, OG_COUNT(headings), fill);
}

const struct og_verb og_verb_peers = {
	.name = "peers",
	.arguments = "[cluster]",
	.max = 1,
	.summary = "lists the nodes of this cluster, or of the named one",
	.run = run,
};
