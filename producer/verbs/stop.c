#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "node.h"
#include "service/orphans.h"
#include "service/service.h"
#include "show.h"
#include "verbs.h"

#define GONE_MS    120000 /* a broker writes to its disk; workers and gateways have their drain before */
#define POLL_US    50000
#define ORPHANS_MS 30000 /* from SIGTERM to SIGKILL */
#define ASK_MS     500
#define NAMES_CAP  1024u

/* Nobody has the socket: but a supervisor that was killed left its services running. */
static enum og_exit end_orphans(struct og_cli *c)
{
	og_autofree char *root = realpath(c->settings.root, NULL);
	unsigned n = root ? og_orphans_end(root, ORPHANS_MS) : 0;

	if (n)
		og_screen_note(&c->screen, "stopped: the supervisor had been killed, %u of its processes were left", n);
	else
		og_screen_note(&c->screen, "this node does not run");
	return OG_EXIT_ANSWERED;
}

/* Prompts that this machine's workers still run. */
static int64_t count_prompts(const struct og_settings *s)
{
	og_autofree char *pattern = og_path_join(s->root, "nodes/*/worker-*.sock");
	json_t *request = json_pack("{s:s}", "verb", "status"), *answer;
	glob_t found = {0};
	int64_t n = 0;

	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			if (og_control_call(found.gl_pathv[i], request, ASK_MS, &answer, NULL) < 0)
				continue;
			n += og_show_int(answer, "busy");
			json_decref(answer);
		}
	}
	globfree(&found);
	json_decref(request);
	return n;
}

/* "worker-nodea, gateway": those that were told to end and have not yet. */
static void name_stopping(const json_t *services, struct og_buf *names)
{
	const json_t *service;
	size_t i;

	json_array_foreach(services, i, service)
	{
		if (!strcmp(og_show_text(service, "state"), "stopping"))
			og_buf_addf(names, "%s%s", names->len ? ", " : "", og_show_text(service, "name"));
	}
}

static void show_waited_for(struct og_cli *c, const json_t *status)
{
	char drain[OG_SHOW_SIZE];
	int64_t prompts = count_prompts(&c->settings);
	struct og_buf names;

	og_buf_init(&names, NAMES_CAP);
	name_stopping(json_object_get(status, "services"), &names);
	og_show_duration(c->settings.drain_ms, drain);
	if (prompts)
		og_screen_progress(&c->screen,
			"stopping: waiting for %s; %" PRId64
			" prompts may end within %s (worker.drain), then another worker "
			"runs them",
			og_buf_str(&names), prompts, drain);
	else if (names.len)
		og_screen_progress(&c->screen, "stopping: waiting for %s", og_buf_str(&names));
	og_buf_done(&names);
}

/* It has gone when nobody can be reached; one that is slow to answer still stops. */
static bool runs(struct og_cli *c)
{
	struct og_error err;
	json_t *status;

	if (og_node_call(&c->settings, "status", OG_NODE_CALL_MS, &status, &err) < 0)
		return err.kind != OG_RETRY;
	show_waited_for(c, status);
	json_decref(status);
	return true;
}

static enum og_exit run(struct og_cli *c)
{
	int64_t end = og_clock_mono_ms() + c->settings.drain_ms + c->settings.gateway_drain_ms + GONE_MS;
	struct og_error err;
	json_t *answer;

	og_screen_progress(&c->screen, "stopping");
	if (og_node_call_patiently(&c->settings, "stop", &answer, &err) < 0) {
		og_screen_settle(&c->screen);
		if (err.kind == OG_RETRY)
			return end_orphans(c);
		if (err.kind == OG_BUSY)
			og_fail_in(&err, "the supervisor runs, but does not answer");
		return og_cli_fail(c, og_node_exit(&err), &err);
	}
	json_decref(answer);
	while (runs(c)) {
		if (og_clock_mono_ms() > end) {
			og_screen_error(&c->screen, "it still stops: `og status` shows what");
			return OG_EXIT_NOT_CONNECTED;
		}
		usleep(POLL_US);
	}
	og_screen_settle(&c->screen);
	og_screen_note(&c->screen, "stopped");
	return OG_EXIT_ANSWERED;
}

const struct og_verb og_verb_stop = {
	.name = "stop",
	.arguments = "",
	.summary = "stops this node's services, when the worker has finished what it runs, or after worker.drain",
	.details = "\nWhat a worker still runs after worker.drain (30s) it hands back, and another worker runs it. "
		   "What is "
		   "waited\nfor is shown while it lasts. With 8 it still stops, and `og status` shows what.",
	.run = run,
};
