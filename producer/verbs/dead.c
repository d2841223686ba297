#include <inttypes.h>
#include <string.h>

#include "ask.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/parse.h"
#include "show.h"
#include "verbs.h"

#define DAY_MS    INT64_C(86400000)
#define IDS_MAX   1000
#define TRIED_CAP 2048u

struct dead {
	const char *tier, *error, *tenant;
	int64_t older_ms, limit;
	bool all;
};

static const struct dead defaults = {.limit = 50};

#define AT(field) offsetof(struct dead, field)

static const struct og_option options[] = {
	{"tier", 't', "TIER", OG_OPTION_TEXT, AT(tier), 0, 0, "those of this tier alone"},
	{"error", 'e', "TYPE", OG_OPTION_TEXT, AT(error), 0, 0, "those that died of this, as engine_cut or poison"},
	{"tenant", 0, "TENANT", OG_OPTION_TEXT, AT(tenant), 0, 0, "those of this tenant alone"},
	{"older", 0, "TIME", OG_OPTION_DURATION, AT(older_ms), 1, 3650 * DAY_MS,
		"those that died longer ago than this, as 2h or 7d"},
	{"limit", 'n', "N", OG_OPTION_INT, AT(limit), 1, 1000, "list so many of the oldest (50)"},
	{"all", 0, NULL, OG_OPTION_FLAG, AT(all), 0, 0,
		"requeue or drop more than one: all that the other options leave, or all the ids"},
};

static const char *const headings[] = {
	"ID", "ERROR", "TIER", "CLASS", "TENANT", ">ATTEMPTS", ">DEATHS", "TRIED", ">AGO", "REASON"};

static bool is_filtered(const struct dead *d)
{
	return d->tier || d->error || d->tenant || d->older_ms;
}

static json_t *make_filters(const struct dead *d)
{
	json_t *body = json_pack("{s:s*, s:s*, s:s*}", "tier", d->tier, "error", d->error, "tenant", d->tenant);

	if (d->older_ms)
		json_object_set_new(body, "older_ms", json_integer(d->older_ms));
	return body;
}

/* The names of the nodes that tried it, those without a name by the head of their id. */
static void add_tried(struct og_table *table, const json_t *letter)
{
	const json_t *node;
	struct og_buf names;
	size_t i;

	og_buf_init(&names, TRIED_CAP);
	json_array_foreach(json_object_get(letter, "tried"), i, node)
	{
		const char *name = og_show_text(node, "name");

		if (*name)
			og_buf_addf(&names, "%s%s", i ? "," : "", name);
		else
			og_buf_addf(&names, "%s%.8s", i ? "," : "", og_show_text(node, "id"));
	}
	og_table_cell(table, "%s", og_buf_str(&names));
	og_buf_done(&names);
}

static void add_letter(struct og_table *table, const json_t *letter)
{
	int64_t died = og_show_int(letter, "died_ms");
	char ago[OG_SHOW_SIZE] = "";

	if (died)
		og_show_duration(og_clock_wall_ms() - died, ago);
	og_table_cell(table, "%s", og_show_text(letter, "id"));
	og_table_cell(table, "%s", og_show_text(letter, "error"));
	og_table_cell(table, "%s", og_show_text(letter, "tier"));
	og_table_cell(table, "%s", og_show_text(letter, "class"));
	og_table_cell(table, "%s", og_show_text(letter, "tenant"));
	og_table_cell(table, "%" PRId64, og_show_int(letter, "attempts"));
	og_table_cell(table, "%" PRId64, og_show_int(letter, "deaths"));
	add_tried(table, letter);
	og_table_cell(table, "%s", ago);
	og_table_cell(table, "%s", og_show_text(letter, "reason"));
}

/* ── the sub-verbs ── */

static enum og_exit list(struct og_cli *c)
{
	const struct dead *d = c->options;
	json_t *body = make_filters(d), *answer, *letters;
	const json_t *letter;
	struct og_table *table;
	int64_t total;
	enum og_exit exit;
	size_t i;

	json_object_set_new(body, "limit", json_integer(d->limit));
	exit = og_ask_long_or_tell(c, "dead_list", body, &answer);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	letters = json_object_get(answer, "dead");
	total = og_show_int(answer, "total");
	table = og_table_new(headings, OG_COUNT(headings));
	json_array_foreach(letters, i, letter)
	{
		add_letter(table, letter);
	}
	exit = og_cli_table(c, table);
	if (total > (int64_t)json_array_size(letters))
		og_screen_note(&c->screen, "the oldest %zu of %" PRId64 ": --limit lists more",
			json_array_size(letters), total);
	json_decref(answer);
	return exit;
}

static enum og_exit print_letter(struct og_cli *c, const json_t *letter)
{
	static const char *const fields[] = {"field", "value"};
	struct og_table *facts = og_table_new(NULL, OG_COUNT(fields));
	const char *key, *body = og_show_text(letter, "body");
	json_t *value;
	enum og_exit exit;

	json_object_foreach((json_t *)letter, key, value)
	{
		char time[25];

		if (!strcmp(key, "body"))
			continue;
		og_table_cell(facts, "%s", key);
		if (!strcmp(key, "tried")) {
			add_tried(facts, letter);
		} else if (json_is_integer(value) && strlen(key) > 3 && !strcmp(key + strlen(key) - 3, "_ms")) {
			og_clock_format(json_integer_value(value), time);
			og_table_cell(facts, "%s", time);
		} else if (json_is_integer(value)) {
			og_table_cell(facts, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		} else {
			og_table_cell(facts, "%s", json_is_string(value) ? json_string_value(value) : "");
		}
	}
	exit = og_cli_table(c, facts);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (og_screen_answer(&c->screen, "\n", 1) < 0 || og_screen_answer(&c->screen, body, strlen(body)) < 0 ||
		og_screen_answer_end(&c->screen) < 0)
		return OG_EXIT_INTERNAL;
	return OG_EXIT_ANSWERED;
}

static enum og_exit show(struct og_cli *c)
{
	json_t *answer;
	enum og_exit exit;

	if (c->n_args != 2)
		return og_cli_usage(c, "which one? og dead show <id>");
	exit = og_ask_long_or_tell(c, "dead_show", json_pack("{s:s}", "id", c->args[1]), &answer);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	exit = print_letter(c, json_object_get(answer, "dead"));
	json_decref(answer);
	return exit;
}

/* Of all that were meant, some may have to stay. */
static void tell_left(struct og_cli *c, const json_t *answer)
{
	int64_t left = og_show_int(answer, "left");
	const char *why = og_show_text(answer, "why");

	if (left)
		og_screen_note(&c->screen, "%" PRId64 " of them stay dead letters%s%s", left, *why ? ": " : "", why);
}

/* Asks for one id, or for all that the filters leave, and adds what was done to `done`. */
static enum og_exit change_some(struct og_cli *c, const char *verb, const char *count, json_t *body, json_t *done)
{
	json_t *answer;
	enum og_exit exit = og_ask_long_or_tell(c, verb, body, &answer);

	if (exit != OG_EXIT_ANSWERED)
		return exit;
	json_object_set_new(done, count, json_integer(og_show_int(done, count) + og_show_int(answer, count)));
	json_array_extend(json_object_get(done, "ids"), json_object_get(answer, "ids"));
	tell_left(c, answer);
	json_decref(answer);
	return OG_EXIT_ANSWERED;
}

/* One id that fails does not keep the others from being asked for; the first failure is the exit status. */
static enum og_exit change(struct og_cli *c, const char *verb, const char *count)
{
	const struct dead *d = c->options;
	json_t *done = json_pack("{s:i, s:[]}", count, 0, "ids"), *body;
	og_autofree char *line = NULL;
	enum og_exit exit = OG_EXIT_ANSWERED, one;

	if (c->n_args == 1) {
		body = make_filters(d);
		json_object_set_new(body, "all", json_true());
		exit = change_some(c, verb, count, body, done);
	}
	for (int i = 1; i < c->n_args; i++) {
		one = change_some(c, verb, count, json_pack("{s:s}", "id", c->args[i]), done);
		if (exit == OG_EXIT_ANSWERED)
			exit = one;
	}
	if (c->common.json) {
		one = og_cli_json(c, done);
		return exit == OG_EXIT_ANSWERED ? one : exit;
	}
	line = og_printf("%" PRId64 " %s\n", og_show_int(done, count), count);
	json_decref(done);
	if (og_screen_answer(&c->screen, line, strlen(line)) < 0)
		return OG_EXIT_INTERNAL;
	return exit;
}

/* What cannot be taken back is meant. */
static enum og_exit change_if_meant(struct og_cli *c, const char *verb, const char *count)
{
	const struct dead *d = c->options;

	if (c->n_args > 1 && is_filtered(d))
		return og_cli_usage(c, "ids or filters, not both");
	if (c->n_args == 1 && !d->all)
		return og_cli_usage(c, "which ones? an id, or --all for all%s",
			is_filtered(d) ? " that these filters leave" : "; `og dead list` shows them");
	if (c->n_args > 2 && !d->all)
		return og_cli_usage(c, "%d letters at once: --all says that it is meant", c->n_args - 1);
	return change(c, verb, count);
}

static enum og_exit run(struct og_cli *c)
{
	const char *what = c->args[0];

	for (int i = 1; i < c->n_args; i++)
		if (!og_uuid_valid(c->args[i]))
			return og_cli_usage(c, "'%s' is no job's id", c->args[i]);
	if (!strcmp(what, "list"))
		return c->n_args == 1 ? list(c) : og_cli_usage(c, "list takes filters, no ids: `og dead show <id>`");
	if (!strcmp(what, "show"))
		return show(c);
	if (!strcmp(what, "requeue"))
		return change_if_meant(c, "dead_requeue", "requeued");
	if (!strcmp(what, "drop"))
		return change_if_meant(c, "dead_drop", "dropped");
	return og_cli_usage(c, "'%s' is none of list, show, requeue, drop", what);
}

const struct og_verb og_verb_dead = {
	.name = "dead",
	.arguments = "list|show|requeue|drop [id ...]",
	.min = 1,
	.max = IDS_MAX + 1,
	.summary = "looks after dead letters: prompts that no attempt could answer, and their reasons",
	.details =
		"\n`list` and `show` look; `requeue` has them tried anew, with all their attempts, `drop` throws them "
		"away.\n"
		"An operator sees those of all tenants, others their own.",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.operates = true,
	.run = run,
};
