#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "joined.h"
#include "membership.h"
#include "node.h"
#include "verbs.h"

#define NAME_LEN 64

/* What a vhost and a file may be called. */
static bool is_name(const char *cluster)
{
	size_t len = strlen(cluster);

	return len && len <= NAME_LEN && *cluster != '.' &&
	       strspn(cluster, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

static void on_wait(void *ctx, const char *service)
{
	og_screen_progress(ctx, "waiting for %s", service);
}

static enum og_exit start_it(struct og_cli *c, const char *cluster, const char *node, bool serve, bool again)
{
	struct og_error err;
	enum og_exit exit;
	json_t *answer;

	if (og_node_call_patiently(&c->settings, "reload", &answer, &err) < 0) {
		if (err.kind != OG_RETRY)
			return og_cli_fail(c, og_node_exit(&err), &err);
		og_screen_note(&c->screen, "this node does not run: it joins %s at `og start`", cluster);
		return OG_EXIT_ANSWERED;
	}
	json_decref(answer);
	if (og_node_wait_ready(&c->settings, OG_NODE_READY_MS, on_wait, &c->screen, &err) < 0)
		return og_cli_fail(c, OG_EXIT_NOT_CONNECTED, &err);
	exit = og_joined_wait(c, cluster, node, serve);
	if (exit == OG_EXIT_ANSWERED)
		og_screen_note(&c->screen, "connected to %s%s%s", cluster, again ? " already" : "",
			serve ? "" : " as a peer (with POC_SERVE=1 it serves)");
	return exit;
}

/* `existing`: what makes it a member already, or NULL. */
static enum og_exit join(struct og_cli *c, const char *cluster, const struct og_membership *existing, bool again)
{
	struct og_error err;

	if (existing && (existing->serve || !c->settings.serve))
		return start_it(c, cluster, existing->node, existing->serve, again);
	if (og_membership_write(&c->settings, cluster, existing, &err) < 0)
		return og_cli_fail(c, OG_EXIT_INTERNAL, &err);
	return start_it(c, cluster, existing ? existing->node : c->settings.node_name, c->settings.serve, false);
}

/* As what it was when it left; POC_SERVE says otherwise. */
static enum og_exit come_back(struct og_cli *c, const char *cluster, struct og_membership *left)
{
	const char *said = getenv("POC_SERVE");
	struct og_error err;

	if (og_membership_return(&c->settings, left, &err) < 0)
		return og_cli_fail(c, OG_EXIT_USAGE, &err);
	if (left->serve && said && *said && !c->settings.serve &&
		og_membership_write(&c->settings, cluster, left, &err) < 0)
		return og_cli_fail(c, OG_EXIT_INTERNAL, &err);
	left->serve = left->serve && (!said || !*said || c->settings.serve);
	return join(c, cluster, left, false);
}

/* It is no member yet. */
static enum og_exit begin(struct og_cli *c, const char *cluster)
{
	struct og_memberships left;
	struct og_error err;
	enum og_exit exit = og_reach(c, cluster, &err);

	if (exit != OG_EXIT_ANSWERED)
		return og_cli_fail(c, exit, &err);
	if (og_memberships_left(&c->settings, cluster, &left, &err) < 0)
		return og_cli_fail(c, OG_EXIT_USAGE, &err);
	if (left.n > 1)
		exit = og_cli_usage(c,
			"%zu nodes of this root were connected to %s: say which one comes back with NODE_NAME", left.n,
			cluster);
	else
		exit = left.n ? come_back(c, cluster, &left.items[0]) : join(c, cluster, NULL, false);
	og_memberships_done(&left);
	return exit;
}

static enum og_exit run(struct og_cli *c)
{
	const char *cluster = c->args[0];
	struct og_memberships memberships;
	struct og_error err;
	enum og_exit exit;

	if (!is_name(cluster))
		return og_cli_usage(c, "'%s' cannot be a cluster's name", cluster);
	if (og_memberships_load(&c->settings, cluster, &memberships, &err) < 0)
		return og_cli_fail(c, OG_EXIT_USAGE, &err);
	exit = memberships.n ? join(c, cluster, &memberships.items[0], true) : begin(c, cluster);
	og_memberships_done(&memberships);
	return exit;
}

const struct og_verb og_verb_connect = {
	.name = "connect",
	.arguments = "<cluster>",
	.min = 1,
	.max = 1,
	.summary = "makes this node a member of a cluster: its worker joins it",
	.details =
		"\nThe broker must know the cluster and let this node's users into it. With POC_SERVE=1 or node.serve\n"
		"the node serves; else it is a peer, and one that was disconnected comes back as what it was (as a "
		"peer\n"
		"with POC_SERVE=0). A peer that is connected again with POC_SERVE=1 comes to serve; one that serves\n"
		"goes on serving until it is disconnected. `join` is the same.",
	.run = run,
};
