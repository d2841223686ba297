#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "gate.h"
#include "show.h"
#include "table.h"
#include "verbs.h"

struct tenants {
	int64_t weight;
	struct og_gate_limits limits;
};

static const struct tenants defaults = {.limits = OG_GATE_NO_LIMITS};

static const struct og_option options[] = {
	{"weight", 'w', "N", OG_OPTION_INT, offsetof(struct tenants, weight), 1, 1000,
		"set: its share against those who wait beside it (what the scheduler's file says, or 1)"},
	OG_GATE_LIMIT_ROWS(struct tenants),
};

static const char *const headings[] = {
	"NAME", ">WEIGHT", ">KEYS", "LIMITS", ">RUNNING", ">RESERVED", ">TODAY", ">THIS MONTH", ">IN ALL"};

static void add_tenant(struct og_table *table, const json_t *tenant)
{
	og_autofree char *limits = og_gate_limits_words(tenant);
	const json_t *used = json_object_get(tenant, "used_tokens");

	og_table_cell(table, "%s", og_show_text(tenant, "name"));
	if (og_show_int(tenant, "weight"))
		og_table_cell(table, "%" PRId64, og_show_int(tenant, "weight"));
	else
		og_table_cell(table, "-"); /* the scheduler's file says it, or it is 1 */
	og_table_cell(table, "%" PRId64, og_show_int(tenant, "keys"));
	og_table_cell(table, "%s", limits);
	og_table_cell(table, "%" PRId64, og_show_int(tenant, "running_now"));
	og_table_cell(table, "%" PRId64, og_show_int(tenant, "reserved_tokens"));
	og_table_cell(table, "%" PRId64, og_show_int(used, "day"));
	og_table_cell(table, "%" PRId64, og_show_int(used, "month"));
	og_table_cell(table, "%" PRId64, og_show_int(used, "total"));
}

static enum og_exit list(struct og_cli *c)
{
	struct og_table *table;
	const json_t *tenant;
	json_t *answer;
	enum og_exit exit;
	size_t i;

	exit = og_gate_ask_all(c, "tenants_list", json_object(), "tenants", &answer);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	table = og_table_new(headings, OG_COUNT(headings));
	json_array_foreach(json_object_get(answer, "tenants"), i, tenant)
	{
		add_tenant(table, tenant);
	}
	json_decref(answer);
	return og_cli_table(c, table);
}

/* Of show and set: the answer is the tenant as it is now. */
static enum og_exit show_one(struct og_cli *c, const char *verb, json_t *request)
{
	struct og_table *table;
	json_t *answer;
	enum og_exit exit;

	exit = og_gate_ask(c, verb, request, &answer);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	table = og_table_new(headings, OG_COUNT(headings));
	add_tenant(table, json_object_get(answer, "tenant"));
	json_decref(answer);
	return og_cli_table(c, table);
}

static enum og_exit set(struct og_cli *c)
{
	const struct tenants *t = c->options;
	json_t *request = json_pack("{s:s}", "name", c->args[1]);

	if (t->weight)
		json_object_set_new(request, "weight", json_integer(t->weight));
	og_gate_add_limits(request, &t->limits);
	return show_one(c, "tenants_set", request);
}

static enum og_exit remove_one(struct og_cli *c)
{
	json_t *answer;
	enum og_exit exit = og_gate_ask(c, "tenants_remove", json_pack("{s:s}", "name", c->args[1]), &answer);

	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	og_screen_note(&c->screen, "tenant %s is removed", c->args[1]);
	json_decref(answer);
	return OG_EXIT_ANSWERED;
}

static enum og_exit run(struct og_cli *c)
{
	const char *what = c->args[0];

	if (!strcmp(what, "list"))
		return c->n_args == 1 ? list(c) : og_cli_usage(c, "list takes no name: `og tenants show <name>`");
	if (c->n_args != 2)
		return og_cli_usage(c, "which one? og tenants %s <name>; `og tenants list` shows them", what);
	if (!strcmp(what, "show"))
		return show_one(c, "tenants_show", json_pack("{s:s}", "name", c->args[1]));
	if (!strcmp(what, "set"))
		return set(c);
	if (!strcmp(what, "remove"))
		return remove_one(c);
	return og_cli_usage(c, "'%s' is none of list, set, show, remove", what);
}

const struct og_verb og_verb_tenants = {
	.name = "tenants",
	.arguments = "list|set|show|remove [name]",
	.min = 1,
	.max = 2,
	.summary = "looks after the gateways' tenants: their weights, limits and budgets",
	.details = "\n`set` makes a tenant where there is none, and changes what its options name; 0 takes a limit "
		   "away. A limit is in "
		   "force within\n2 s. Asks a gateway on this machine.",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
