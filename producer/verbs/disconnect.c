#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "membership.h"
#include "node.h"
#include "verbs.h"

/* The supervisor reads the services without it; -1: it refused, and nothing has changed. One that does not run reads them
 * when it starts. */
static int reload(struct og_cli *c, struct og_error *err)
{
	json_t *answer;

	if (og_node_call_patiently(&c->settings, "reload", &answer, err) < 0)
		return err->kind == OG_RETRY ? 0 : -1;
	json_decref(answer);
	return 0;
}

/* The file is put aside, for `og connect`. Where the supervisor refuses, it is put back, and the node is still a member. */
static enum og_exit leave(struct og_cli *c, const struct og_membership *m)
{
	og_autofree char *aside = NULL;
	struct og_error err;

	if (og_membership_leave(&c->settings, m, &aside, &err) < 0)
		return og_cli_fail(c, OG_EXIT_INTERNAL, &err);
	if (reload(c, &err) < 0) {
		if (rename(aside, m->path) == 0)
			og_fail_in(&err, "still connected to %s", m->cluster);
		else
			og_fail_in(&err, "%s could not be put back as %s", aside, m->path);
		return og_cli_fail(c, og_node_exit(&err), &err);
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
	.details = "\nThe worker finishes what it runs, for worker.drain at most, and takes no more. `og connect` "
		   "brings the "
		   "node back as\nwhat it was. `leave` is the same.",
	.run = run,
};
