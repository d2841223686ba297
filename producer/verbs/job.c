#include <inttypes.h>
#include <string.h>

#include "ask.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "show.h"
#include "verbs.h"

#define PAST_MS INT64_C(1000000000000) /* of 2001: what is below is no time of day, but a duration */

static const char *const headings[] = {"FIELD", "VALUE"};

/* The record as it comes: every key a row, times made readable. */
static void fill(struct og_table *table, const json_t *answer)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(answer, "job"), key, value)
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
}

static enum og_exit run(struct og_cli *c)
{
	const char *id = c->args[0];

	if (!og_uuid_valid(id))
		return og_cli_usage(c, "'%s' is no job's id", id);
	return og_ask_table(c, NULL, "job", json_pack("{s:s}", "id", id), headings, OG_COUNT(headings), fill);
}

const struct og_verb og_verb_job = {
	.name = "job",
	.arguments = "<id>",
	.min = 1,
	.max = 1,
	.summary = "shows the record of a job: its state, times and node",
	.run = run,
};
