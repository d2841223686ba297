#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "node.h"
#include "service/orphans.h"
#include "verbs.h"

#define GONE_MS    120000 /* a worker drains, a broker writes to its disk */
#define POLL_US    50000
#define ORPHANS_MS 30000 /* from SIGTERM to SIGKILL */

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

/* It has gone when nobody can be reached; one that is slow to answer still stops. */
static bool runs(struct og_cli *c)
{
	struct og_error err;
	json_t *answer;

	if (og_node_call(&c->settings, "status", OG_NODE_CALL_MS, &answer, &err) < 0)
		return err.kind != OG_RETRY;
	json_decref(answer);
	return true;
}

static enum og_exit run(struct og_cli *c)
{
	int64_t end = og_clock_mono_ms() + GONE_MS;
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
	.summary = "stops this node's services: the worker finishes what it runs",
	.run = run,
};
