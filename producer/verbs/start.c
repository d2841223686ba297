#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "joined.h"
#include "membership.h"
#include "node.h"
#include "service/supervisor.h"
#include "verbs.h"

#define POLL_US 20000

struct start {
	bool foreground;
};

static const struct start defaults = {0};

static const struct og_option options[] = {
	{"foreground", 0, NULL, OG_OPTION_FLAG, offsetof(struct start, foreground), 0, 0,
		"stay, and log to stderr: for systemd and containers"},
};

static enum og_exit foreground(struct og_cli *c)
{
	struct og_error err;

	if (og_supervisor_run(c->settings.root, &err) < 0)
		return og_cli_fail(c, OG_EXIT_INTERNAL, &err);
	return OG_EXIT_ANSWERED;
}

/* The child of the fork: away from the terminal, into the background. Does not return. */
static void become_daemon(struct og_cli *c, int log)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	/* A script's other descriptors too: who reads the other end of one waits for us otherwise. */
	close_range(STDERR_FILENO + 1, ~0u, 0);
	exit((int)foreground(c));
}

/* Waits until the supervisor answers; -1: it ended, or it is late. */
static int wait_up(struct og_cli *c, pid_t pid, const char *log, struct og_error *err)
{
	int64_t end = og_clock_mono_ms() + OG_NODE_UP_MS;

	for (;;) {
		json_t *status;

		if (waitpid(pid, NULL, WNOHANG) == pid)
			return og_fail(err, OG_FATAL, "the supervisor ended at once: %s says why", log);
		if (og_node_call(&c->settings, "status", OG_NODE_CALL_MS, &status, NULL) == 0) {
			json_decref(status);
			return 0;
		}
		if (og_clock_mono_ms() > end)
			return og_fail(err, OG_RETRY, "the supervisor does not answer: look at %s", log);
		usleep(POLL_US);
	}
}

static void on_wait(void *ctx, const char *service)
{
	og_screen_progress(ctx, "waiting for %s", service);
}

/* A prompt right after the start must find somebody: each node of this root is heard, and serves where it should. */
static enum og_exit wait_joined(struct og_cli *c)
{
	enum og_exit exit = OG_EXIT_ANSWERED;
	struct og_memberships all;
	struct og_error err;

	if (og_memberships_load(&c->settings, NULL, &all, &err) < 0)
		return og_cli_fail(c, OG_EXIT_USAGE, &err);
	for (size_t i = 0; i < all.n && exit == OG_EXIT_ANSWERED; i++)
		exit = og_joined_wait(c, all.items[i].cluster, all.items[i].node, all.items[i].serve);
	og_memberships_done(&all);
	return exit;
}

static enum og_exit wait_ready(struct og_cli *c, const char *how)
{
	struct og_error err;
	enum og_exit exit;

	if (og_node_wait_ready(&c->settings, OG_NODE_READY_MS, on_wait, &c->screen, &err) < 0)
		return og_cli_fail(c, OG_EXIT_NOT_CONNECTED, &err);
	exit = wait_joined(c);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	og_screen_settle(&c->screen);
	og_screen_note(&c->screen, "%s", how);
	return OG_EXIT_ANSWERED;
}

/* The one place that decides who keeps the node: a supervisor of ours. */
static enum og_exit background(struct og_cli *c)
{
	og_autofree char *folder = og_path_join(c->settings.root, "logs");
	og_autofree char *path = og_path_join(folder, "supervisor.log");
	struct og_error err;
	int log;
	pid_t pid;

	if (og_mkdir_p(folder, 0700, &err) < 0)
		return og_cli_fail(c, OG_EXIT_INTERNAL, &err);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	pid = log < 0 ? -1 : fork();
	if (pid < 0) {
		og_screen_error(&c->screen, "cannot start (%s): %s", path, strerror(errno));
		return OG_EXIT_INTERNAL;
	}
	if (!pid)
		become_daemon(c, log);
	close(log);
	if (wait_up(c, pid, path, &err) < 0)
		return og_cli_fail(c, OG_EXIT_NOT_CONNECTED, &err);
	return wait_ready(c, "started");
}

static enum og_exit run(struct og_cli *c)
{
	const struct start *s = c->options;
	struct og_error err;
	json_t *answer;

	if (s->foreground)
		return foreground(c);
	if (og_node_call_patiently(&c->settings, "reload", &answer, &err) < 0)
		return err.kind == OG_RETRY ? background(c) : og_cli_fail(c, og_node_exit(&err), &err);
	json_decref(answer);
	return wait_ready(c, "runs");
}

const struct og_verb og_verb_start = {
	.name = "start",
	.arguments = "",
	.summary = "starts this node's services, those that are new where it runs, and waits until they are ready",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
