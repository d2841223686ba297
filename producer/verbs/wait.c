#include "base/alloc.h"
#include "verbs.h"
#include "waiting.h"

struct wait {
	int64_t timeout_ms;
	bool stream;
};

static const struct wait defaults = {0};

static const struct og_option options[] = {
	{"timeout", 0, "TIME", OG_OPTION_DURATION, offsetof(struct wait, timeout_ms), 100, INT64_C(2592000000),
		"leave when it has not ended in this time; the job goes on"},
	{"stream", 0, NULL, OG_OPTION_FLAG, offsetof(struct wait, stream), 0, 0,
		"print the answer as it comes, from its first word on (`og attach` is the same)"},
};

static enum og_exit run(struct og_cli *c)
{
	const struct wait *w = c->options;

	if (w->stream && c->common.json)
		return og_cli_usage(c, "--stream does not go with --json");
	return og_wait_run(c, w->stream, w->timeout_ms);
}

const struct og_verb og_verb_wait = {
	.name = "wait",
	.arguments = "<id>",
	.min = 1,
	.max = 1,
	.summary = "waits for a job to end, and prints its answer",
	.details = "\nCtrl-C leaves; the job goes on.",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
