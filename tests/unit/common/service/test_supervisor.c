/* The supervisor as it runs: on a thread of the test, with real processes; the test talks to its socket as `og`
 * does. */
#include "service/supervisor.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "service/service.h"

TestSuite(supervisor, .timeout = 60);

static char root[] = "/tmp/og-supervisor-XXXXXX", socket_path[128];
static uv_thread_t thread;
static int result;
static struct og_error result_err;

static void path_of(char *out, size_t size, const char *name)
{
	snprintf(out, size, "%s/%s", root, name);
}

static void setup(void)
{
	char path[128];

	og_log_init("test", OG_LOG_ERROR);
	cr_assert_not_null(mkdtemp(root));
	path_of(path, sizeof(path), "services");
	cr_assert_eq(mkdir(path, 0700), 0);
	path_of(socket_path, sizeof(socket_path), "run/supervisor.sock");
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", root);
	cr_assert_eq(system(command), 0);
}

/* service("10-x", "command = sleep 1000\n…") */
static void service(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/services/%s.ini", root, name);
	f = fopen(path, "w");
	fprintf(f, "[service]\n%s", text);
	fclose(f);
}

static void no_service(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/services/%s.ini", root, name);
	cr_assert_eq(unlink(path), 0);
}

static void run(void *arg)
{
	(void)arg;
	result = og_supervisor_run(root, &result_err);
}

static void poll_pause(void)
{
	usleep(20000);
}

/* NULL: nobody answers. */
static json_t *try_call(const char *verb, const char *name)
{
	json_t *request = json_pack("{s:s, s:s*}", "verb", verb, "name", name), *answer = NULL;

	og_control_call(socket_path, request, 10000, &answer, NULL);
	json_decref(request);
	return answer;
}

static json_t *call(const char *verb, const char *name)
{
	json_t *answer = try_call(verb, name);

	cr_assert_not_null(answer, "%s is not answered", verb);
	return answer;
}

static void call_ok(const char *verb, const char *name)
{
	json_t *answer = call(verb, name);
	const char *why = json_string_value(json_object_get(json_object_get(answer, "error"), "message"));

	cr_assert_null(why, "%s: %s", verb, why);
	json_decref(answer);
}

static void start(void)
{
	json_t *answer;

	uv_thread_create(&thread, run, NULL);
	while (!(answer = try_call("status", NULL)))
		poll_pause();
	json_decref(answer);
}

static void stop(void)
{
	call_ok("stop", NULL);
	uv_thread_join(&thread);
	cr_assert_eq(result, 0, "%s", result_err.message);
	cr_assert_eq(access(socket_path, F_OK), -1);
}

/* A number or a text of a service's status. */
static int64_t number(const char *name, const char *key)
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

static bool is(const char *name, const char *state)
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

static bool all_ready(void)
{
	json_t *answer = call("status", NULL);
	bool yes = json_is_true(json_object_get(answer, "ready"));

	json_decref(answer);
	return yes;
}

static void wait_ready(void)
{
	while (!all_ready())
		poll_pause();
}

static char *contents(const char *name)
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

static void wait_contents(const char *name, const char *expected)
{
	while (strcmp(contents(name), expected) != 0)
		poll_pause();
}

static pid_t wait_pid(const char *name)
{
	while (!strchr(contents(name), '\n'))
		poll_pause();
	return (pid_t)atoi(contents(name));
}

static bool alive(pid_t pid)
{
	return kill(pid, 0) == 0;
}

static int listen_at(const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	path_of(at.sun_path, sizeof(at.sun_path), name);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(fd, 8), 0);
	return fd;
}

Test(supervisor, starts_the_next_when_the_one_before_is_ready, .init = setup, .fini = teardown)
{
	char text[256];
	int gate;

	snprintf(text, sizeof(text), "command = sleep 1000\nready = unix:%s/gate\n", root);
	service("10-first", text);
	service("20-second", "command = sh -c \"echo $WORD $OPENGATEWAY_POC_ROOT >out; exec sleep 1000\"\n"
			     "env.WORD = hello\n");
	start();
	while (!is("first", "starting"))
		poll_pause();
	cr_assert(is("second", "waiting"));
	cr_assert_not(all_ready());
	gate = listen_at("gate");
	wait_ready();
	snprintf(text, sizeof(text), "hello %s\n", root);
	wait_contents("out", text);
	close(gate);
	stop();
}

Test(supervisor, stops_in_reverse_order, .init = setup, .fini = teardown)
{
	const char *text =
		"command = sh -c \"trap 'echo $N >>order; exit 0' TERM; echo up >>$N; while :; do sleep 0.02; done\"\n"
		"env.N = %c\n";
	char one[256];

	for (char c = 'a'; c <= 'c'; c++) {
		char name[8] = {'1', '-', c, 0};

		snprintf(one, sizeof(one), text, c);
		service(name, one);
	}
	start();
	wait_contents("a", "up\n");
	wait_contents("b", "up\n");
	wait_contents("c", "up\n");
	stop();
	cr_assert_str_eq(contents("order"), "c\nb\na\n");
}

Test(supervisor, kills_one_that_does_not_stop, .init = setup, .fini = teardown)
{
	pid_t pid;

	service("1-deaf",
		"command = sh -c \"trap '' TERM; echo $$ >pid; while :; do sleep 0.05; done\"\nstop_ms = 100\n");
	start();
	pid = wait_pid("pid");
	stop();
	cr_assert_not(alive(pid));
}

Test(supervisor, restarts_one_that_dies, .init = setup, .fini = teardown)
{
	pid_t first;

	service("1-x", "command = sleep 1000\n");
	start();
	wait_ready();
	first = (pid_t)number("x", "pid");
	kill(first, SIGKILL);
	while (number("x", "pid") == first || !is("x", "ready"))
		poll_pause();
	cr_assert_eq(number("x", "restarts"), 1);
	cr_assert_eq(number("x", "in_a_row"), 1);
	cr_assert_eq(number("x", "exit"), 128 + SIGKILL);
	first = (pid_t)number("x", "pid");
	call_ok("restart", "x");
	while (number("x", "pid") == first || !is("x", "ready"))
		poll_pause();
	cr_assert_eq(number("x", "in_a_row"), 0, "what it did before it was told to start afresh is forgotten");
	cr_assert_eq(number("x", "restarts"), 1, "but not in the count for people");
	stop();
}

Test(supervisor, backs_off_where_one_cannot_live, .init = setup, .fini = teardown)
{
	service("1-crash", "command = sh -c \"echo run >>runs; exit 3\"\n");
	service("2-missing", "command = /no/such/program\n");
	start();
	while (number("crash", "restarts") < 2)
		poll_pause();
	cr_assert_eq(number("crash", "exit"), 3);
	cr_assert_eq(number("missing", "exit"), 127);
	cr_assert(is("missing", "backoff"));
	cr_assert_not(all_ready());
	cr_assert_leq(strlen(contents("runs")), 4 * strlen("run\n"), "it does not wait between two starts");
	stop();
}

Test(supervisor, ends_what_a_service_leaves_behind, .init = setup, .fini = teardown)
{
	pid_t left;

	service("1-x", "command = sh -c \"sleep 1000 & echo $! >pid; exit 0\"\n");
	start();
	left = wait_pid("pid");
	while (alive(left))
		poll_pause();
	stop();
}

Test(supervisor, reloads_without_touching_the_others, .init = setup, .fini = teardown)
{
	pid_t same, changed, gone;
	json_t *answer;
	service("1-same", "command = sleep 1000\n");
	service("2-changed", "command = sleep 1000\n");
	service("3-gone", "command = sleep 1000\n");
	start();
	wait_ready();
	same = (pid_t)number("same", "pid");
	changed = (pid_t)number("changed", "pid");
	gone = (pid_t)number("gone", "pid");

	service("1-same", "command =   sleep   1000\n");
	service("2-changed", "command = sleep 1001\n");
	no_service("3-gone");
	service("0-new", "command = sleep 1000\n");
	answer = call("reload", NULL);
	cr_assert_str_eq(json_string_value(json_array_get(json_object_get(answer, "started"), 0)), "new");
	cr_assert_str_eq(json_string_value(json_array_get(json_object_get(answer, "stopped"), 0)), "gone");
	cr_assert_str_eq(json_string_value(json_array_get(json_object_get(answer, "restarted"), 0)), "changed");
	cr_assert_eq(json_array_size(json_object_get(answer, "restarted")), 1);
	json_decref(answer);

	while (alive(gone) || number("gone", "pid") != -1)
		poll_pause();
	wait_ready();
	cr_assert_eq(number("same", "pid"), same);
	cr_assert_neq(number("changed", "pid"), changed);
	cr_assert_gt(number("new", "pid"), 0);
	stop();
}

Test(supervisor, keeps_all_as_it_is_where_a_file_has_a_mistake, .init = setup, .fini = teardown)
{
	json_t *answer;
	const char *why;
	pid_t pid;

	service("1-x", "command = sleep 1000\n");
	start();
	wait_ready();
	pid = (pid_t)number("x", "pid");
	service("1-x", "command = sleep 1001\n");
	service("2-y", "comand = sleep 1000\n");
	answer = call("reload", NULL);
	why = json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
	cr_assert_not_null(why);
	cr_assert_not_null(strstr(why, "2-y.ini:2: unknown key 'comand'"), "%s", why);
	json_decref(answer);
	cr_assert_eq(number("x", "pid"), pid);
	cr_assert_eq(number("y", "pid"), -1);
	stop();
}

Test(supervisor, restarts_one_or_all_when_told_to, .init = setup, .fini = teardown)
{
	pid_t a, b;
	json_t *answer;

	service("1-a", "command = sleep 1000\n");
	service("2-b", "command = sleep 1000\n");
	start();
	wait_ready();
	a = (pid_t)number("a", "pid");
	b = (pid_t)number("b", "pid");
	call_ok("restart", "b");
	while (number("b", "pid") == b || !all_ready())
		poll_pause();
	cr_assert_eq(number("a", "pid"), a);
	call_ok("restart", NULL);
	while (number("a", "pid") == a || !all_ready())
		poll_pause();
	answer = call("restart", "c");
	cr_assert_not_null(json_object_get(answer, "error"));
	json_decref(answer);
	stop();
}

Test(supervisor, is_refused_where_one_already_runs, .init = setup, .fini = teardown)
{
	struct og_error err = {0};

	start();
	cr_assert_eq(og_supervisor_run(root, &err), -1);
	cr_assert_not_null(strstr(err.message, "already runs"), "%s", err.message);
	stop();
}

Test(supervisor, refuses_to_start_on_a_mistake, .init = setup, .fini = teardown)
{
	struct og_error err = {0};

	service("1-a", "command = sleep 1000\n");
	service("2-a", "command = sleep 1000\n");
	cr_assert_eq(og_supervisor_run(root, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert_not_null(strstr(err.message, "another service 'a'"), "%s", err.message);
}

/* In a process of its own, so that it can be killed; what it starts comes to us when it is gone. */
static pid_t start_process(void)
{
	json_t *answer;
	pid_t pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork();
	if (pid == 0)
		_exit(og_supervisor_run(root, NULL) == 0 ? 0 : 1);
	while (!(answer = try_call("status", NULL)))
		poll_pause();
	json_decref(answer);
	return pid;
}

/* Ours to reap since the supervisor is gone; a zombie would look alive. */
static bool gone(pid_t pid)
{
	waitpid(pid, NULL, WNOHANG);
	return !alive(pid);
}

Test(supervisor, ends_what_a_killed_one_left_running, .init = setup, .fini = teardown)
{
	/* One as it is, one that left its session, and two whose environment is gone, as Redis overwrites its own: a
	 * service itself, and the child of one that dies as well. */
	static const char *const names[] = {"plain", "away", "bare", "child"};
	pid_t supervisor, parent, pids[4];

	service("1-plain", "command = sh -c \"echo $$ >plain; exec sleep 1000\"\n");
	service("2-away", "command = sh -c \"setsid sleep 1000 & echo $! >away; wait\"\n");
	service("3-bare", "command = sh -c \"echo $$ >bare; exec env -i sleep 1000\"\n");
	service("4-parent", "command = sh -c \"env -i sleep 1000 & echo $! >child; echo $$ >parent; wait\"\n");
	supervisor = start_process();
	for (size_t i = 0; i < 4; i++)
		pids[i] = wait_pid(names[i]);
	parent = wait_pid("parent");
	kill(supervisor, SIGKILL);
	waitpid(supervisor, NULL, 0);
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	for (size_t i = 0; i < 4; i++)
		cr_assert(alive(pids[i]), "%s is not left running: nothing is tested", names[i]);
	no_service("1-plain");
	no_service("2-away");
	no_service("3-bare");
	no_service("4-parent");
	start();
	for (size_t i = 0; i < 4; i++) {
		while (!gone(pids[i]))
			poll_pause();
	}
	stop();
}

/* A record outlives its process: what has its pid by then is not ours. */
Test(supervisor, leaves_alone_who_has_a_pid_that_was_once_a_services, .init = setup, .fini = teardown)
{
	char path[128], boot[64] = "", stale[256];
	pid_t stranger = fork();
	FILE *f;

	if (stranger == 0) {
		setsid();
		pause();
		_exit(0);
	}
	path_of(path, sizeof(path), "run");
	cr_assert_eq(mkdir(path, 0700), 0);
	f = fopen("/proc/sys/kernel/random/boot_id", "r");
	cr_assert_not_null(fgets(boot, sizeof(boot), f));
	fclose(f);
	for (int i = 0; i < 2; i++) { /* of an earlier start time, and of an earlier boot */
		snprintf(stale, sizeof(stale), "%d %d %s", stranger, i ? 0 : 1, i ? "another-boot\n" : boot);
		path_of(path, sizeof(path), i ? "run/a.pid" : "run/b.pid");
		f = fopen(path, "w");
		fputs(stale, f);
		fclose(f);
	}
	start();
	cr_assert(alive(stranger));
	cr_assert_eq(access(path, F_OK), -1, "the stale record is kept");
	stop();
	cr_assert_eq(waitpid(stranger, NULL, WNOHANG), 0, "the stranger was ended");
	kill(stranger, SIGKILL);
	waitpid(stranger, NULL, 0);
}

Test(supervisor, kills_all_at_the_second_signal, .init = setup, .fini = teardown)
{
	pid_t supervisor, deaf;
	int status;

	service("1-deaf",
		"command = sh -c \"trap '' TERM; echo $$ >pid; while :; do sleep 0.05; done\"\nstop_ms = 600000\n");
	supervisor = start_process();
	deaf = wait_pid("pid");
	kill(supervisor, SIGTERM);
	while (!is("deaf", "stopping"))
		poll_pause();
	kill(supervisor, SIGTERM);
	waitpid(supervisor, &status, 0);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 0);
	while (!gone(deaf))
		poll_pause();
}

Test(supervisor, writes_what_they_say_to_a_log_each, .init = setup, .fini = teardown)
{
	service("1-talker", "command = sh -c \"echo out; echo err >&2; exec sleep 1000\"\n");
	start();
	wait_contents("logs/talker.log", "out\nerr\n");
	stop();
}

Test(supervisor, says_nothing_of_systemds_to_them, .init = setup, .fini = teardown)
{
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	setenv("WATCHDOG_USEC", "60000000", 1);
	service("1-x", "command = sh -c \"echo [$NOTIFY_SOCKET$WATCHDOG_USEC] >out; exec sleep 1000\"\n");
	start();
	wait_contents("out", "[]\n");
	stop();
}
