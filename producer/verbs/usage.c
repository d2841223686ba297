#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "gate.h"
#include "show.h"
#include "table.h"
#include "verbs.h"

struct usage {
	const char *since, *until, *tenant, *key, *model;
	struct og_list by;
};

static const struct usage defaults;

#define AT(field) offsetof(struct usage, field)

static const struct og_option options[] = {
	{"since", 0, "DAY", OG_OPTION_TEXT, AT(since), 0, 0,
		"the first day, as 2026-11-01, of UTC (29 days before the last)"},
	{"until", 0, "DAY", OG_OPTION_TEXT, AT(until), 0, 0, "the last day (today)"},
	{"tenant", 0, "TENANT", OG_OPTION_TEXT, AT(tenant), 0, 0, "this tenant's alone"},
	{"key", 0, "ID", OG_OPTION_TEXT, AT(key), 0, 0, "of this key alone"},
	{"model", 'm', "MODEL", OG_OPTION_TEXT, AT(model), 0, 0, "of this model alone"},
	{"by", 0, "WHAT", OG_OPTION_LIST, AT(by), 0, 0,
		"a row for each day, tenant, key or model; may be repeated (a row for each of all four)"},
};

static const char *const parts[] = {"day", "tenant", "key", "model"};
static const char *const names[] = {"DAY", "TENANT", "KEY", "MODEL"};

static bool is_part(const struct usage *u, const char *part)
{
	for (size_t i = 0; i < u->by.n; i++)
		if (!strcmp(u->by.items[i], part))
			return true;
	return !u->by.n;
}

static enum og_exit print(struct og_cli *c, const struct usage *u, const json_t *rows)
{
	static const char *const counts[] = {"requests", "prompt_tokens", "completion_tokens"};
	const char *headings[OG_COUNT(parts) + OG_COUNT(counts)];
	struct og_table *table;
	const json_t *row;
	size_t n = 0, i;

	for (i = 0; i < OG_COUNT(parts); i++)
		if (is_part(u, parts[i]))
			headings[n++] = names[i];
	headings[n++] = ">REQUESTS";
	headings[n++] = ">PROMPT TOKENS";
	headings[n++] = ">ANSWER TOKENS";
	table = og_table_new(headings, n);
	json_array_foreach(rows, i, row)
	{
		for (size_t part = 0; part < OG_COUNT(parts); part++)
			if (is_part(u, parts[part]))
				og_table_cell(table, "%s", og_show_text(row, parts[part]));
		for (size_t count = 0; count < OG_COUNT(counts); count++)
			og_table_cell(table, "%" PRId64, og_show_int(row, counts[count]));
	}
	return og_cli_table(c, table);
}

static enum og_exit run(struct og_cli *c)
{
	const struct usage *u = c->options;
	json_t *request = json_pack("{s:s*, s:s*, s:s*, s:s*, s:s*}", "since", u->since, "until", u->until, "tenant",
		u->tenant, "key", u->key, "model", u->model);
	json_t *answer, *by = json_array();
	enum og_exit exit;

	for (size_t i = 0; i < u->by.n; i++)
		json_array_append_new(by, json_string(u->by.items[i]));
	if (u->by.n)
		json_object_set(request, "by", by);
	json_decref(by);
	exit = og_gate_ask_all(c, "usage", request, "usage", &answer);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	exit = print(c, u, json_object_get(answer, "usage"));
	json_decref(answer);
	return exit;
}

const struct og_verb og_verb_usage = {
	.name = "usage",
	.arguments = "",
	.summary = "shows what was used through the gateways: requests and tokens by day, tenant, key and model",
	.details = "\nKept for 400 days. Asks a gateway on this machine.",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
