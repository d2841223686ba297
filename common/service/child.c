#include "service/child.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "service/child_log.h"
#include "service/orphans.h"

#define ENV_MAX 512

extern char **environ;

struct og_child {
	uv_process_t process; /* first: a handle is its child */
	og_child_cb *cb;
	void *ctx;
};

/* systemd's words to us are not meant for those that we start. */
static bool is_for_us_alone(const char *variable)
{
	static const char *const names[] = {"NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID="};

	for (size_t i = 0; i < OG_COUNT(names); i++) {
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

/* Adds the variables of `list` that are not there yet: of a name that is there twice, programs do not agree which one
 * counts. Pointers only. */
static void add_missing(char *const *list, char *env[static ENV_MAX + 1], size_t *n)
{
	for (; *list && *n < ENV_MAX; list++) {
		size_t name = strcspn(*list, "=") + 1;
		bool there = is_for_us_alone(*list);

		for (size_t i = 0; !there && i < *n; i++)
			there = strncmp(env[i], *list, name) == 0;
		if (!there)
			env[(*n)++] = *list;
	}
	env[*n] = NULL;
}

static void on_closed(uv_handle_t *h)
{
	free(h);
}

static void on_exited(uv_process_t *p, int64_t status, int signal)
{
	struct og_child *c = (struct og_child *)p;

	kill(-p->pid, SIGKILL); /* what it left behind in its group */
	uv_close((uv_handle_t *)p, on_closed);
	c->cb(c->ctx, status, signal);
}

static int spawn(uv_loop_t *loop, struct og_child *c, const struct og_supervised *s, const char *root, int log)
{
	og_autofree char *own_root = og_printf("OPENGATEWAY_POC_ROOT=%s", root);
	og_autofree char *mark = og_printf("%s=%s", OG_ORPHAN_VARIABLE, root);
	char *const own[] = {mark, own_root, NULL};
	char *env[ENV_MAX + 1];
	size_t n = 0;
	uv_stdio_container_t stdio[] = {
		{.flags = UV_IGNORE},
		{.flags = UV_INHERIT_FD, .data.fd = log},
		{.flags = UV_INHERIT_FD, .data.fd = log},
	};

	add_missing(s->env, env, &n);
	add_missing(own, env, &n);
	add_missing(environ, env, &n);
	return uv_spawn(loop, &c->process,
		&(uv_process_options_t){
			.exit_cb = on_exited,
			.file = s->args[0],
			.args = (char **)s->args,
			.env = env,
			.cwd = root,
			.flags = UV_PROCESS_DETACHED, /* its own session, and so its own group */
			.stdio_count = OG_COUNT(stdio),
			.stdio = stdio,
		});
}

int og_child_start(uv_loop_t *loop, const struct og_supervised *s, const char *root, const char *log, og_child_cb *cb,
	void *ctx, struct og_child **ret, struct og_error *err)
{
	struct og_child *c;
	int fd, rc;

	if (og_child_log_open(log, &fd, err) != 0)
		return -1;
	c = og_new(struct og_child);
	c->cb = cb;
	c->ctx = ctx;
	rc = spawn(loop, c, s, root, fd);
	close(fd);
	if (rc != 0) {
		uv_close((uv_handle_t *)&c->process, on_closed);
		return og_fail(err, OG_RETRY, "cannot run %s: %s", s->args[0], uv_strerror(rc));
	}
	*ret = c;
	return 0;
}

pid_t og_child_pid(const struct og_child *c)
{
	return c->process.pid;
}

void og_child_terminate(const struct og_child *c)
{
	kill(c->process.pid, SIGTERM);
}

void og_child_kill(const struct og_child *c)
{
	kill(-c->process.pid, SIGKILL);
}
