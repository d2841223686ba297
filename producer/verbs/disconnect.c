#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "node.h"
#include "verbs.h"

static enum og_exit leave(struct og_cli *c, const struct og_membership *m)
{
	struct og_error err;
	json_t *answer;

	if (unlink(m->path) < 0) {
		og_screen_error(&c->screen, "%s: %s", m->path, strerror(errno));
		return OG_EXIT_INTERNAL;
	}
	if (og_node_call(&c->settings, "reload", OG_NODE_CALL_MS, &answer, &err) < 0) {
		if (err.kind != OG_RETRY)
			return og_cli_fail(c, OG_EXIT_INTERNAL, &err);
	} else {
		json_decref(answer);
	}
	og_screen_note(&c->screen, "disconnected from %s: its worker finishes what it runs", m->cluster);
	return OG_EXIT_ANSWERED;
}

static enum og_exit run(struct og_cli *c)
{
	const char *cluster = c->args[0];
	struct og_memberships memberships;
	struct og_error err;
	enum og_exit exit;

	if (og_memberships_load(&c->settings, cluster, &memberships, &err) < 0)
		return og_cli_fail(c, OG_EXIT_USAGE, &err);
	if (memberships.n == 1) {
		exit = leave(c, &memberships.items[0]);
	} else if (memberships.n) {
		og_screen_error(&c->screen,
			"%zu nodes of this root are connected to %s: say which one leaves with NODE_NAME",
			memberships.n, cluster);
		exit = OG_EXIT_USAGE;
	} else {
		og_screen_error(&c->screen,
			"not connected to %s: `og clusters` lists what this machine is connected to", cluster);
		exit = OG_EXIT_NOT_FOUND;
	}
	og_memberships_done(&memberships);
	return exit;
}

const struct og_verb og_verb_disconnect = {
	.name = "disconnect",
	.arguments = "<cluster>",
	.min = 1,
	.max = 1,
	.summary = "ends this node's membership of a cluster; the node stays up",
	.details = "\nThe worker finishes what it runs, and takes no more. `leave` is the same.",
	.run = run,
};
