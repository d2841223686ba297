#include "ask.h"
#include "base/alloc.h"
#include "show.h"
#include "verbs.h"

static char *words(const json_t *answer)
{
	return og_printf("%s is open: what waits is placed as there is room", og_show_text(answer, "tier"));
}

static enum og_exit run(struct og_cli *c)
{
	return og_ask_say(c, "resume", json_pack("{s:s}", "tier", c->args[0]), words);
}

const struct og_verb og_verb_resume = {
	.name = "resume",
	.arguments = "<tier>",
	.min = 1,
	.max = 1,
	.summary = "lets a paused tier go on",
	.details = "\nFor operators.",
	.operates = true,
	.run = run,
};
