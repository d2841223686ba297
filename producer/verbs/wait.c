#include "base/alloc.h"
#include "base/parse.h"
#include "follow.h"
#include "loop.h"
#include "verbs.h"

struct wait {
	int64_t timeout_ms;
};

static const struct wait defaults = {0};

static const struct og_option options[] = {
	{"timeout", 0, "TIME", OG_OPTION_DURATION, offsetof(struct wait, timeout_ms), 100, INT64_C(2592000000),
		"leave when it has not ended in this time; the job goes on"},
};

static enum og_exit run(struct og_cli *c)
{
	const struct wait *w = c->options;
	struct og_follow_job job = {.id = c->args[0], .json = c->common.json, .timeout_ms = w->timeout_ms};
	struct og_session_config config;
	char user[OG_NAME_MAX];
	struct og_error err;
	enum og_exit exit;
	uv_loop_t *loop;

	if (!og_uuid_valid(job.id))
		return og_cli_usage(c, "'%s' is no job's id", job.id);
	if (og_cli_session(c, false, user, &config, &err) < 0)
		return og_cli_fail(c, OG_EXIT_NOT_CONNECTED, &err);
	loop = og_loop_new();
	exit = og_follow(loop, &config, &job, &og_follow_usual, &c->screen);
	og_loop_free(loop);
	return exit;
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
