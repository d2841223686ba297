#include <inttypes.h>
#include <string.h>

#include "ask.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "show.h"
#include "verbs.h"

#define PAST_MS INT64_C(1000000000000) /* of 2001: what is below is no time of day, but a duration */
#define HISTORY "history"

static const char *const record_headings[] = {"FIELD", "VALUE"};
static const char *const history_headings[] = {"TIME", ">AFTER", "WHAT", ">ATTEMPT", "NODE", "WORDS"};

/* The record as it comes: every key a row, times made readable. */
static void add_field(struct og_table *table, const char *key, const json_t *value)
{
	og_autofree char *raw = NULL;
	size_t len = strlen(key);
	bool is_time = len > 3 && !strcmp(key + len - 3, "_ms") && json_integer_value(value) > PAST_MS;
	char time[25];

	og_table_cell(table, "%.*s", is_time ? (int)len - 3 : (int)len, key);
	if (is_time) {
		og_clock_format(json_integer_value(value), time);
		og_table_cell(table, "%s", time);
	} else if (json_is_string(value)) {
		og_table_cell(table, "%s", json_string_value(value));
	} else {
		raw = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		og_table_cell(table, "%s", raw ? raw : "");
	}
}

static struct og_table *make_record(const json_t *job)
{
	struct og_table *table = og_table_new(record_headings, OG_COUNT(record_headings));
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)job, key, value)
	{
		if (strcmp(key, HISTORY) != 0)
			add_field(table, key, value);
	}
	return table;
}

/* What happened, when, and how long after what came before it. */
static void add_event(struct og_table *table, const json_t *event, int64_t before_ms)
{
	const char *type = og_show_text(event, "error"), *words = og_show_text(event, "words");
	int64_t at = og_show_int(event, "at_ms"), attempt = og_show_int(event, "attempt");
	char time[25], delta[OG_SHOW_SIZE] = "";

	og_clock_format(at, time);
	if (before_ms)
		og_show_duration(at - before_ms, delta);
	og_table_cell(table, "%s", time);
	og_table_cell(table, "%s%s", *delta && *delta != '-' ? "+" : "", delta);
	og_table_cell(table, "%s", og_show_text(event, "what"));
	if (attempt)
		og_table_cell(table, "%" PRId64, attempt);
	else
		og_table_cell(table, "%s", "");
	og_table_cell(table, "%s", og_show_text(event, "node_name"));
	og_table_cell(table, "%s%s%s", type, *type && *words ? ": " : "", words);
}

static struct og_table *make_history(const json_t *history)
{
	struct og_table *table = og_table_new(history_headings, OG_COUNT(history_headings));
	const json_t *event;
	int64_t before = 0;
	size_t i;

	json_array_foreach(history, i, event)
	{
		add_event(table, event, before);
		before = og_show_int(event, "at_ms");
	}
	return table;
}

static enum og_exit show(struct og_cli *c, const json_t *job)
{
	const json_t *history = json_object_get(job, HISTORY);
	enum og_exit exit = og_cli_table(c, make_record(job));

	if (exit != OG_EXIT_ANSWERED || !json_array_size(history))
		return exit;
	if (og_screen_answer(&c->screen, "\n", 1) < 0)
		return OG_EXIT_INTERNAL;
	return og_cli_table(c, make_history(history));
}

static enum og_exit run(struct og_cli *c)
{
	json_t *answer;
	enum og_exit exit = og_ask_about_job(c, "job", &answer);

	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	exit = show(c, json_object_get(answer, "job"));
	json_decref(answer);
	return exit;
}

const struct og_verb og_verb_job = {
	.name = "job",
	.arguments = "<id>",
	.min = 1,
	.max = 1,
	.summary = "shows the record of a job, and its history: when it went where, each attempt, and why it ended",
	.operates = true,
	.run = run,
};
