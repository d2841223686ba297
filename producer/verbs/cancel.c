#include <string.h>

#include "ask.h"
#include "base/alloc.h"
#include "base/parse.h"
#include "verbs.h"

static enum og_exit run(struct og_cli *c)
{
	const char *id = c->args[0], *state;
	og_autofree char *line = NULL;
	enum og_exit exit;
	json_t *answer;

	if (!og_uuid_valid(id))
		return og_cli_usage(c, "'%s' is no job's id", id);
	exit = og_ask_or_tell(c, "cancel", json_pack("{s:s}", "id", id), &answer);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	if (c->common.json)
		return og_cli_json(c, answer);
	state = json_string_value(json_object_get(answer, "state"));
	line = og_printf("%s\n", state ? state : "unknown");
	if (og_screen_answer(&c->screen, line, strlen(line)) < 0)
		exit = OG_EXIT_INTERNAL;
	json_decref(answer);
	return exit;
}

const struct og_verb og_verb_cancel = {
	.name = "cancel",
	.arguments = "<id>",
	.min = 1,
	.max = 1,
	.summary = "ends a job: it prints cancelled, cancelling, or how the job had ended before",
	.run = run,
};
