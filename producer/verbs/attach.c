#include "base/alloc.h"
#include "verbs.h"
#include "waiting.h"

struct attach {
	int64_t timeout_ms;
};

static const struct attach defaults = {0};

static const struct og_option options[] = {
	{"timeout", 0, "TIME", OG_OPTION_DURATION, offsetof(struct attach, timeout_ms), 100, INT64_C(2592000000),
		"leave when it has not ended in this time; the job goes on"},
};

static enum og_exit run(struct og_cli *c)
{
	const struct attach *a = c->options;

	if (c->common.json)
		return og_cli_usage(c, "what comes word by word is no JSON: `og wait --json` prints the end");
	return og_wait_run(c, true, a->timeout_ms);
}

const struct og_verb og_verb_attach = {
	.name = "attach",
	.arguments = "<id>",
	.min = 1,
	.max = 1,
	.summary = "shows the answer of a job that runs, from its first word on, as it comes",
	.details = "\nCtrl-C leaves; the job goes on. A job that has ended is printed whole.",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
