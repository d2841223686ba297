#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ask.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "changes.h"
#include "poll.h"
#include "show.h"
#include "verbs.h"

#define DAY_MS   INT64_C(86400000)
#define WATCH_MS 1000

struct jobs {
	int64_t limit, since_ms;
	const char *state, *tier, *class_name, *tenant;
	bool all, watch;
};

static const struct jobs defaults = {.limit = 50};

#define AT(field) offsetof(struct jobs, field)

static const struct og_option options[] = {
	{"limit", 'n', "N", OG_OPTION_INT, AT(limit), 1, 1000, "so many of the newest (50)"},
	{"state", 0, "STATE", OG_OPTION_TEXT, AT(state), 0, 0, "those in this state alone, as running or dead"},
	{"tier", 't', "TIER", OG_OPTION_TEXT, AT(tier), 0, 0, "those of this tier alone"},
	{"class", 0, "CLASS", OG_OPTION_TEXT, AT(class_name), 0, 0, "high, normal or batch"},
	{"since", 0, "TIME", OG_OPTION_DURATION, AT(since_ms), 1, 3650 * DAY_MS,
		"those that came within this time, as 10m or 2h"},
	{"tenant", 0, "TENANT", OG_OPTION_TEXT, AT(tenant), 0, 0, "those of this tenant; for operators"},
	{"all", 0, NULL, OG_OPTION_FLAG, AT(all), 0, 0, "those of all tenants; for operators"},
	{"watch", 'w', NULL, OG_OPTION_FLAG, AT(watch), 0, 0,
		"look every second until Ctrl-C; into a pipe each change is a line"},
};

static const char *const headings[] = {"ID", "STATE", "TIER", "CLASS", ">AGE", ">TOOK", ">ATTEMPT", "NODE"};
static const char *const headings_of_all[] = {
	"ID", "STATE", "TIER", "CLASS", ">AGE", ">TOOK", ">ATTEMPT", "NODE", "TENANT"};

static void add_place(struct og_table *table, const json_t *job)
{
	char eta[OG_SHOW_SIZE];

	if (!json_is_integer(json_object_get(job, "ahead"))) {
		og_table_cell(table, "%s", og_show_text(job, "node_name"));
		return;
	}
	if (!og_show_int(job, "eta_ms")) {
		og_table_cell(table, "%" PRId64 " ahead", og_show_int(job, "ahead"));
		return;
	}
	og_show_duration(og_show_int(job, "eta_ms"), eta);
	og_table_cell(table, "%" PRId64 " ahead, in %s", og_show_int(job, "ahead"), eta);
}

static void add_job(struct og_table *table, const json_t *job, bool all)
{
	int64_t accepted = og_show_int(job, "accepted_ms"), ended = og_show_int(job, "ended_ms");
	char age[OG_SHOW_SIZE] = "", took[OG_SHOW_SIZE] = "";

	if (accepted) /* not in a record that Redis lost in the middle of a job */
		og_show_duration(og_clock_wall_ms() - accepted, age);
	if (accepted && ended)
		og_show_duration(ended - accepted, took);
	og_table_cell(table, "%s", og_show_text(job, "id"));
	og_table_cell(table, "%s", og_show_text(job, "state"));
	og_table_cell(table, "%s", og_show_text(job, "tier"));
	og_table_cell(table, "%s", og_show_text(job, "class"));
	og_table_cell(table, "%s", age);
	og_table_cell(table, "%s", took);
	if (og_show_int(job, "attempt"))
		og_table_cell(table, "%" PRId64, og_show_int(job, "attempt"));
	else
		og_table_cell(table, "%s", "");
	add_place(table, job);
	if (all)
		og_table_cell(table, "%s", og_show_text(job, "tenant"));
}

static struct og_table *make_table(const struct jobs *j, const json_t *answer, size_t most)
{
	bool all = j->all || j->tenant;
	struct og_table *table = all ? og_table_new(headings_of_all, OG_COUNT(headings_of_all))
	                             : og_table_new(headings, OG_COUNT(headings));
	const json_t *job;
	size_t i;

	json_array_foreach(json_object_get(answer, "jobs"), i, job)
	{
		if (i < most)
			add_job(table, job, all);
	}
	return table;
}

/* ── watching ── */

struct watch {
	struct og_cli *cli;
	struct og_changes *changes;
};

/* What scrolled away could not be drawn over. */
static size_t rows_of_window(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 2 ? size.ws_row - 2u : 22;
}

static bool redraw(struct watch *w, const json_t *answer, enum og_exit *ret)
{
	static const char clear[] = "\x1b[H\x1b[2J";

	if (write(STDOUT_FILENO, clear, sizeof(clear) - 1) < 0)
		*ret = OG_EXIT_INTERNAL;
	else
		*ret = og_cli_table(w->cli, make_table(w->cli->options, answer, rows_of_window()));
	return *ret == OG_EXIT_ANSWERED;
}

static bool print_changes(struct watch *w, json_t *answer, enum og_exit *ret)
{
	json_t *changed = og_changes_of(w->changes, json_object_get(answer, "jobs"));
	const json_t *job;
	size_t i;

	*ret = OG_EXIT_ANSWERED;
	json_array_foreach(changed, i, job)
	{
		og_autofree char *line = w->cli->common.json ? json_dumps(job, JSON_COMPACT) : og_change_line(job);
		og_autofree char *whole = og_printf("%s\n", line);

		if (og_screen_answer(&w->cli->screen, whole, strlen(whole)) < 0)
			*ret = OG_EXIT_INTERNAL;
	}
	json_decref(changed);
	return *ret == OG_EXIT_ANSWERED;
}

static bool on_answers(void *ctx, json_t *const *answers, enum og_exit *ret)
{
	struct watch *w = ctx;
	const struct og_screen *screen = &w->cli->screen;

	if (screen->out_tty && screen->err_tty && !w->cli->common.json)
		return redraw(w, answers[0], ret);
	return print_changes(w, answers[0], ret);
}

static void on_away(void *ctx, const char *why)
{
	struct watch *w = ctx;

	if (why)
		og_screen_progress(&w->cli->screen, "%s: trying again", why);
}

static enum og_exit watch(struct og_cli *c, json_t *body)
{
	struct watch w = {.cli = c, .changes = og_changes_new()};
	struct og_poll poll = {.cli = c,
		.verbs = {"jobs"},
		.bodies = {body},
		.n = 1,
		.period_ms = WATCH_MS,
		.on_answers = on_answers,
		.on_away = on_away,
		.ctx = &w};
	struct og_error err = {0};
	enum og_exit exit = og_poll_run(&poll, &err);

	if (err.kind)
		og_cli_fail(c, exit, &err);
	og_changes_free(w.changes);
	json_decref(body);
	return exit;
}

/* ── the verb ── */

static json_t *make_body(const struct jobs *j)
{
	json_t *body = json_pack("{s:I, s:s*, s:s*, s:s*, s:s*}", "limit", (json_int_t)j->limit, "state", j->state,
		"tier", j->tier, "class", j->class_name, "tenant", j->tenant);

	if (j->since_ms)
		json_object_set_new(body, "since_ms", json_integer(j->since_ms));
	return body;
}

static enum og_exit run(struct og_cli *c)
{
	const struct jobs *j = c->options;
	enum og_state state;
	enum og_class class;
	struct og_error err;
	enum og_exit exit;
	json_t *answer;

	if (j->state && og_state_parse(j->state, &state, &err) < 0)
		return og_cli_usage(c, "--state: %s", err.message);
	if (j->class_name && og_class_parse(j->class_name, &class, &err) < 0)
		return og_cli_usage(c, "--class: %s", err.message);
	c->operates = j->all || j->tenant;
	if (c->operates && !og_cli_may_operate(c)) {
		og_screen_error(&c->screen,
			"not_allowed: other tenants' jobs are for operators: the host that set up the "
			"broker has their credentials, run it there");
		return OG_EXIT_NOT_ALLOWED;
	}
	if (j->watch)
		return watch(c, make_body(j));
	exit = og_ask_or_tell(c, "jobs", make_body(j), &answer);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	exit = og_cli_table(c, make_table(j, answer, SIZE_MAX));
	json_decref(answer);
	return exit;
}

const struct og_verb og_verb_jobs = {
	.name = "jobs",
	.arguments = "",
	.summary = "lists the newest jobs of your tenant; an operator's --all those of every tenant",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
