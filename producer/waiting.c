#include "waiting.h"

#include "base/parse.h"
#include "follow.h"
#include "loop.h"

enum og_exit og_wait_run(struct og_cli *c, bool stream, int64_t timeout_ms)
{
	struct og_follow_job job = {
		.id = c->args[0], .stream = stream, .json = c->common.json, .timeout_ms = timeout_ms};
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
