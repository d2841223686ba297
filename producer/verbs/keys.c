#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "gate.h"
#include "show.h"
#include "table.h"
#include "verbs.h"

#define DAY_MS   INT64_C(86400000)
#define NOT_SAID INT64_C(-1)

struct keys {
	const char *tenant, *name;
	struct og_list models, regions, classes;
	int64_t expires_ms, grace_ms;
	bool admin, all;
	struct og_gate_limits limits;
};

static const struct keys defaults = {.expires_ms = NOT_SAID, .limits = OG_GATE_NO_LIMITS};

#define AT(field) offsetof(struct keys, field)

static const struct og_option options[] = {
	{"tenant", 0, "TENANT", OG_OPTION_TEXT, AT(tenant), 0, 0,
		"whose key it is (default), or whose keys to list (all)"},
	{"name", 0, "NAME", OG_OPTION_TEXT, AT(name), 0, 0, "set: what it is called from now on"},
	{"model", 'm', "MODEL", OG_OPTION_LIST, AT(models), 0, 0,
		"create, set: for this model alone, * stands for any letters; may be repeated"},
	{"region", 0, "REGION", OG_OPTION_LIST, AT(regions), 0, 0, "create, set: for this region alone; likewise"},
	{"class", 0, "CLASS", OG_OPTION_LIST, AT(classes), 0, 0, "create, set: for this class alone; likewise"},
	{"expires", 0, "TIME", OG_OPTION_DURATION, AT(expires_ms), 0, 3650 * DAY_MS,
		"create, set: from now on, as 90d (0: never)"},
	{"admin", 0, NULL, OG_OPTION_FLAG, AT(admin), 0, 0, "create: it may look after keys, tenants and nodes"},
	OG_GATE_LIMIT_ROWS(struct keys),
	{"grace", 0, "TIME", OG_OPTION_DURATION, AT(grace_ms), 0, 30 * DAY_MS,
		"rotate: for so long the old secret counts too, as 1h (0)"},
	{"all", 0, NULL, OG_OPTION_FLAG, AT(all), 0, 0, "list: the revoked ones too"},
};

/* "*" alone is all of them, which is the empty list. */
static void add_list(json_t *request, const char *name, const struct og_list *list)
{
	json_t *names = json_array();
	bool all = list->n == 1 && !strcmp(list->items[0], "*");

	for (size_t i = 0; !all && i < list->n; i++)
		json_array_append_new(names, json_string(list->items[i]));
	if (list->n)
		json_object_set(request, name, names);
	json_decref(names);
}

/* What create and set may say of a key. */
static void add_parts(json_t *request, const struct keys *k)
{
	add_list(request, "models", &k->models);
	add_list(request, "regions", &k->regions);
	add_list(request, "classes", &k->classes);
	if (k->expires_ms != NOT_SAID)
		json_object_set_new(
			request, "expires_ms", json_integer(k->expires_ms ? og_clock_wall_ms() + k->expires_ms : 0));
	og_gate_add_limits(request, &k->limits);
}

/* The secret alone on stdout: for $(…), and it is shown this once. */
static enum og_exit show_secret(struct og_cli *c, json_t *answer)
{
	const char *secret = og_show_text(answer, "secret");
	og_autofree char *line = og_printf("%s\n", secret);
	int rc;

	if (c->common.json)
		return og_cli_json(c, answer);
	og_screen_note(
		&c->screen, "key %s: this is the only time that its secret is shown", og_show_text(answer, "id"));
	if (og_show_int(answer, "same_name"))
		og_screen_note(&c->screen,
			"%" PRId64 " more of tenant %s %s called %s: `og keys list --tenant %s` has their ids",
			og_show_int(answer, "same_name"), og_show_text(answer, "tenant"),
			og_show_int(answer, "same_name") > 1 ? "are" : "is", og_show_text(answer, "name"),
			og_show_text(answer, "tenant"));
	rc = og_screen_answer(&c->screen, line, strlen(line));
	json_decref(answer);
	return rc < 0 ? OG_EXIT_INTERNAL : OG_EXIT_ANSWERED;
}

static enum og_exit create(struct og_cli *c)
{
	const struct keys *k = c->options;
	json_t *request, *answer;
	enum og_exit exit;

	if (c->n_args != 2)
		return og_cli_usage(c, "a key has a name, one: og keys create <name>");
	request = json_pack("{s:s, s:s*}", "name", c->args[1], "tenant", k->tenant);
	if (k->admin)
		json_object_set_new(request, "admin", json_true());
	add_parts(request, k);
	exit = og_gate_ask(c, "keys_create", request, &answer);
	return exit == OG_EXIT_ANSWERED ? show_secret(c, answer) : exit;
}

/* ---- list ---- */

static void add_scope(struct og_buf *words, const json_t *key, const char *name)
{
	const json_t *list = json_object_get(key, name), *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		og_buf_addf(words, "%s%s", i ? "," : words->len ? " " : "", json_string_value(item));
	}
}

static const char *state_of(const json_t *key, int64_t now)
{
	int64_t expires = og_show_int(key, "expires_ms");

	if (og_show_int(key, "revoked_ms"))
		return "revoked";
	return expires && expires <= now ? "expired" : "";
}

static const char *const headings[] = {
	"ID", "NAME", "TENANT", "RIGHTS", "FOR", "LIMITS", "EXPIRES", ">USED AGO", "STATE"};

static void add_key(struct og_table *table, const json_t *key)
{
	int64_t used = og_show_int(key, "used_ms"), now = og_clock_wall_ms();
	og_autofree char *limits = og_gate_limits_words(key);
	char ago[OG_SHOW_SIZE] = "never", until[25] = "";
	struct og_buf scope;

	if (used)
		og_show_duration(now > used ? now - used : 0, ago);
	if (og_show_int(key, "expires_ms"))
		og_clock_format(og_show_int(key, "expires_ms"), until);
	og_buf_init(&scope, 8192);
	add_scope(&scope, key, "models");
	add_scope(&scope, key, "regions");
	add_scope(&scope, key, "classes");
	og_table_cell(table, "%s", og_show_text(key, "id"));
	og_table_cell(table, "%s", og_show_text(key, "name"));
	og_table_cell(table, "%s", og_show_text(key, "tenant"));
	og_table_cell(table, "%s", json_is_true(json_object_get(key, "admin")) ? "admin" : "");
	og_table_cell(table, "%s", og_buf_str(&scope));
	og_table_cell(table, "%s", limits);
	og_table_cell(table, "%s", until);
	og_table_cell(table, "%s", ago);
	og_table_cell(table, "%s", state_of(key, now));
	og_buf_done(&scope);
}

static enum og_exit list(struct og_cli *c)
{
	const struct keys *k = c->options;
	json_t *request = json_pack("{s:s*, s:b}", "tenant", k->tenant, "all", k->all), *answer;
	struct og_table *table;
	const json_t *key;
	enum og_exit exit;
	size_t i;

	exit = og_gate_ask_all(c, "keys_list", request, "keys", &answer);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	table = og_table_new(headings, OG_COUNT(headings));
	json_array_foreach(json_object_get(answer, "keys"), i, key)
	{
		add_key(table, key);
	}
	json_decref(answer);
	return og_cli_table(c, table);
}

/* ---- set, revoke, rotate ---- */

static enum og_exit set_one(struct og_cli *c)
{
	const struct keys *k = c->options;
	struct og_table *table;
	json_t *request, *answer;
	enum og_exit exit;

	if (c->n_args != 2)
		return og_cli_usage(c, "which one? og keys set <id>; `og keys list` shows them");
	if (k->admin || k->tenant)
		return og_cli_usage(c, "a key's tenant and its rights stay as they were made: make another key");
	request = json_pack("{s:s, s:s*}", "id", c->args[1], "name", k->name);
	add_parts(request, k);
	if (json_object_size(request) == 1) {
		json_decref(request);
		return og_cli_usage(c, "nothing is to be changed: name a limit, --name, --model, --region, --class or "
				       "--expires");
	}
	exit = og_gate_ask(c, "keys_set", request, &answer);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	table = og_table_new(headings, OG_COUNT(headings));
	add_key(table, json_object_get(answer, "key"));
	json_decref(answer);
	return og_cli_table(c, table);
}

static enum og_exit revoke_one(struct og_cli *c)
{
	json_t *answer;
	enum og_exit exit;

	if (c->n_args != 2)
		return og_cli_usage(c, "which one? og keys revoke <id>; `og keys list` shows them");
	exit = og_gate_ask(c, "keys_revoke", json_pack("{s:s}", "id", c->args[1]), &answer);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	og_screen_note(&c->screen, "key %s is revoked: within 2 s no gateway takes it", c->args[1]);
	json_decref(answer);
	return OG_EXIT_ANSWERED;
}

static enum og_exit rotate_one(struct og_cli *c)
{
	const struct keys *k = c->options;
	json_t *answer;
	enum og_exit exit;

	if (c->n_args != 2)
		return og_cli_usage(c, "which one? og keys rotate <id>; `og keys list` shows them");
	exit = og_gate_ask(c, "keys_rotate",
		json_pack("{s:s, s:I}", "id", c->args[1], "grace_ms", (json_int_t)k->grace_ms), &answer);
	return exit == OG_EXIT_ANSWERED ? show_secret(c, answer) : exit;
}

static enum og_exit run(struct og_cli *c)
{
	const char *what = c->args[0];

	if (!strcmp(what, "create"))
		return create(c);
	if (!strcmp(what, "list"))
		return c->n_args == 1 ? list(c) : og_cli_usage(c, "list takes no ids; --tenant lists one tenant's");
	if (!strcmp(what, "set"))
		return set_one(c);
	if (!strcmp(what, "revoke"))
		return revoke_one(c);
	if (!strcmp(what, "rotate"))
		return rotate_one(c);
	return og_cli_usage(c, "'%s' is none of create, list, set, revoke, rotate", what);
}

const struct og_verb og_verb_keys = {
	.name = "keys",
	.arguments = "create|list|set|revoke|rotate [name|id]",
	.min = 1,
	.max = 2,
	.summary = "looks after the API keys of the gateways",
	.details =
		"\n`create` prints the new key's secret, alone on stdout, and nobody can show it again; `rotate` "
		"gives a key a new one.\n"
		"`set` changes what its options name: 0 takes a limit away, `*` alone a scope; what was used is "
		"used.\n"
		"A key that is changed or revoked is so within 2 s at every gateway. Asks a gateway on this machine.",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
