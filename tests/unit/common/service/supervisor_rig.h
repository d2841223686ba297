/* The supervisor as it runs: on a thread of the test, with real processes; the test talks to its socket as `og`
 * does. */
#ifndef OG_TESTS_COMMON_SERVICE_SUPERVISOR_RIG_H
#define OG_TESTS_COMMON_SERVICE_SUPERVISOR_RIG_H

#include "service/supervisor.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "service/service.h"

static char root[] = "/tmp/og-supervisor-XXXXXX", socket_path[128];
static uv_thread_t thread;
static int result;
static struct og_error result_err;

static inline void path_of(char *out, size_t size, const char *name)
{
	snprintf(out, size, "%s/%s", root, name);
}

static inline void setup(void)
{
	char path[128];

	og_log_init("test", OG_LOG_ERROR);
	cr_assert_not_null(mkdtemp(root));
	path_of(path, sizeof(path), "services");
	cr_assert_eq(mkdir(path, 0700), 0);
	path_of(socket_path, sizeof(socket_path), "run/supervisor.sock");
}

static inline void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", root);
	cr_assert_eq(system(command), 0);
}

/* service("10-x", "command = sleep 1000\n…") */
static inline void service(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/services/%s.ini", root, name);
	f = fopen(path, "w");
	fprintf(f, "[service]\n%s", text);
	fclose(f);
}

static inline void no_service(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/services/%s.ini", root, name);
	cr_assert_eq(unlink(path), 0);
}

static inline void run(void *arg)
{
	(void)arg;
	result = og_supervisor_run(root, &result_err);
}

static inline void poll_pause(void)
{
	usleep(20000);
}

/* NULL: nobody answers. */
static inline json_t *try_call(const char *verb, const char *name)
{
	json_t *request = json_pack("{s:s, s:s*}", "verb", verb, "name", name), *answer = NULL;

	og_control_call(socket_path, request, 10000, &answer, NULL);
	json_decref(request);
	return answer;
}

static inline json_t *call(const char *verb, const char *name)
{
	json_t *answer = try_call(verb, name);

	cr_assert_not_null(answer, "%s is not answered", verb);
	return answer;
}

static inline void call_ok(const char *verb, const char *name)
{
	json_t *answer = call(verb, name);
	const char *why = json_string_value(json_object_get(json_object_get(answer, "error"), "message"));

	cr_assert_null(why, "%s: %s", verb, why);
	json_decref(answer);
}

static inline void start(void)
{
	json_t *answer;

	uv_thread_create(&thread, run, NULL);
	while (!(answer = try_call("status", NULL)))
		poll_pause();
	json_decref(answer);
}

static inline void stop(void)
{
	call_ok("stop", NULL);
	uv_thread_join(&thread);
	cr_assert_eq(result, 0, "%s", result_err.message);
	cr_assert_eq(access(socket_path, F_OK), -1);
}

/* A number or a text of a service's status. */
static inline int64_t number(const char *name, const char *key)
{
	json_t *answer = call("status", NULL), *item;
	int64_t n = -1;
	size_t i;

	json_array_foreach(json_object_get(answer, "services"), i, item)
	{
		if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0)
			n = json_integer_value(json_object_get(item, key));
	}
	json_decref(answer);
	return n;
}

static inline bool is(const char *name, const char *state)
{
	json_t *answer = call("status", NULL), *item;
	bool yes = false;
	size_t i;

	json_array_foreach(json_object_get(answer, "services"), i, item)
	{
		if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0)
			yes = strcmp(json_string_value(json_object_get(item, "state")), state) == 0;
	}
	json_decref(answer);
	return yes;
}

static inline bool all_ready(void)
{
	json_t *answer = call("status", NULL);
	bool yes = json_is_true(json_object_get(answer, "ready"));

	json_decref(answer);
	return yes;
}

static inline void wait_ready(void)
{
	while (!all_ready())
		poll_pause();
}

static inline char *contents(const char *name)
{
	static char text[4096];
	char path[128];
	FILE *f;

	path_of(path, sizeof(path), name);
	text[0] = '\0';
	f = fopen(path, "r");
	if (f) {
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		fclose(f);
	}
	return text;
}

static inline void wait_contents(const char *name, const char *expected)
{
	while (strcmp(contents(name), expected) != 0)
		poll_pause();
}

static inline pid_t wait_pid(const char *name)
{
	while (!strchr(contents(name), '\n'))
		poll_pause();
	return (pid_t)atoi(contents(name));
}

static inline bool alive(pid_t pid)
{
	return kill(pid, 0) == 0;
}

static inline int listen_at(const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	path_of(at.sun_path, sizeof(at.sun_path), name);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(fd, 8), 0);
	return fd;
}

#endif
