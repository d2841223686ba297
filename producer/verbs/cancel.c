#include "ask.h"
#include "base/alloc.h"
#include "base/parse.h"
#include "show.h"
#include "verbs.h"

static char *words(const json_t *answer)
{
	const char *state = og_show_text(answer, "state");

	return og_strdup(*state ? state : "unknown");
}

static enum og_exit run(struct og_cli *c)
{
	const char *id = c->args[0];

	if (!og_uuid_valid(id))
		return og_cli_usage(c, "'%s' is no job's id", id);
	return og_ask_say(c, "cancel", json_pack("{s:s}", "id", id), words);
}

const struct og_verb og_verb_cancel = {
	.name = "cancel",
	.arguments = "<id>",
	.min = 1,
	.max = 1,
	.summary = "ends a job: it prints cancelled, cancelling, or how the job had ended before",
	.details = "\nAn operator ends those of any tenant.",
	.operates = true,
	.run = run,
};
