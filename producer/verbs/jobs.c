#include <inttypes.h>

#include "ask.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "show.h"
#include "verbs.h"

struct jobs {
	int64_t limit;
};

static const struct jobs defaults = {.limit = 50};

static const struct og_option options[] = {
	{"limit", 'n', "N", OG_OPTION_INT, offsetof(struct jobs, limit), 1, 1000, "so many of the newest (50)"},
};

static const char *const headings[] = {"ID", "STATE", "TIER", "CLASS", ">AGE", ">TOOK", "NODE"};

static void fill(struct og_table *table, const json_t *answer)
{
	int64_t now = og_clock_wall_ms();
	const json_t *job;
	size_t i;

	json_array_foreach(json_object_get(answer, "jobs"), i, job)
	{
		int64_t accepted = og_show_int(job, "accepted_ms"), ended = og_show_int(job, "ended_ms");
		char age[OG_SHOW_SIZE] = "", took[OG_SHOW_SIZE] = "";

		if (accepted) /* not in a record that Redis lost in the middle of a job */
			og_show_duration(now - accepted, age);
		if (accepted && ended)
			og_show_duration(ended - accepted, took);
		og_table_cell(table, "%s", og_show_text(job, "id"));
		og_table_cell(table, "%s", og_show_text(job, "state"));
		og_table_cell(table, "%s", og_show_text(job, "tier"));
		og_table_cell(table, "%s", og_show_text(job, "class"));
		og_table_cell(table, "%s", age);
		og_table_cell(table, "%s", took);
		if (json_is_integer(json_object_get(job, "ahead")))
			og_table_cell(table, "%" PRId64 " ahead", og_show_int(job, "ahead"));
		else
			og_table_cell(table, "%s", og_show_text(job, "node_name"));
	}
}

static enum og_exit run(struct og_cli *c)
{
	const struct jobs *j = c->options;

	return og_ask_table(
		c, NULL, "jobs", json_pack("{s:I}", "limit", (json_int_t)j->limit), headings, OG_COUNT(headings), fill);
}

const struct og_verb og_verb_jobs = {
	.name = "jobs",
	.arguments = "",
	.summary = "lists the newest jobs of your tenant",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
