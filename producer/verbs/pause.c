#include "ask.h"
#include "base/alloc.h"
#include "show.h"
#include "verbs.h"

static char *words(const json_t *answer)
{
	return og_printf("%s is paused: nothing is placed in it, what comes waits", og_show_text(answer, "tier"));
}

static enum og_exit run(struct og_cli *c)
{
	return og_ask_say(c, "pause", json_pack("{s:s}", "tier", c->args[0]), words);
}

const struct og_verb og_verb_pause = {
	.name = "pause",
	.arguments = "<tier>",
	.min = 1,
	.max = 1,
	.summary = "stops placing prompts in a tier: what runs ends, what comes waits",
	.details = "\nFor operators. It lasts until `og resume`, also over a change of the leading scheduler.",
	.operates = true,
	.run = run,
};
