#include "service/service.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

TestSuite(service, .timeout = 60);

/* A service on a loop of its own, in a folder of its own. */
static struct fixture {
	uv_loop_t loop;
	struct og_service *service;
	char dir[64], socket[96];
	int drains, stops;
	bool drain_forever;
	void (*on_drain)(void);
	struct og_control_ask *kept; /* one to answer later */
	uv_idle_t idle;
} f;

static void setup(void)
{
	f = (struct fixture){.dir = "/tmp/og-service-XXXXXX"};
	cr_assert_not_null(mkdtemp(f.dir));
	snprintf(f.socket, sizeof(f.socket), "%s/s.sock", f.dir);
	uv_loop_init(&f.loop);
}

static void teardown(void)
{
	char command[128];

	og_service_free(f.service);
	cr_expect_eq(uv_loop_close(&f.loop), 0, "something is left on the loop");
	snprintf(command, sizeof(command), "rm -r %s", f.dir);
	cr_assert_eq(system(command), 0);
}

static void on_drain(void *ctx)
{
	(void)ctx;
	f.drains++;
	if (f.on_drain)
		f.on_drain();
	else if (!f.drain_forever)
		og_service_stop(f.service);
}

static void on_stop(void *ctx)
{
	(void)ctx;
	f.stops++;
}

static void on_status(void *ctx, json_t *status)
{
	(void)ctx;
	json_object_set_new(status, "slots", json_integer(4));
}

static void on_later(uv_idle_t *idle)
{
	json_t *answer = json_pack("{s:b}", "later", true);

	uv_close((uv_handle_t *)idle, NULL);
	og_control_answer(OG_TAKE(f.kept), answer);
}

static int on_control(void *ctx, const char *verb, const json_t *request, json_t *answer, struct og_error *err)
{
	(void)ctx;
	if (strcmp(verb, "stop") == 0) {
		og_service_stop(f.service);
		json_object_set_new(answer, "stopping", json_true());
		return 0;
	}
	if (strcmp(verb, "echo") == 0) {
		json_object_set(answer, "echo", json_object_get(request, "text"));
		return 0;
	}
	return og_fail(err, OG_INVALID, "no verb '%s' here", verb);
}

static bool on_ask(void *ctx, const char *verb, const json_t *request, struct og_control_ask *ask)
{
	(void)ctx;
	if (strcmp(verb, "later") == 0) {
		f.kept = ask;
		uv_idle_init(&f.loop, &f.idle);
		uv_idle_start(&f.idle, on_later);
		return true;
	}
	if (strcmp(verb, "keep") != 0)
		return false;
	f.kept = ask;
	if (json_is_true(json_object_get(request, "stop")))
		og_service_stop(f.service);
	return true;
}

static void start(int64_t drain_ms)
{
	struct og_error err = {0};
	const struct og_service_config config = {
		.name = "og-test",
		.control_path = f.socket,
		.drain_ms = drain_ms,
		.on_drain = on_drain,
		.on_stop = on_stop,
		.on_status = on_status,
		.on_control = on_control,
		.on_ask = on_ask,
	};

	cr_assert_eq(og_service_start(&f.loop, &config, &f.service, &err), 0, "%s", err.message);
}

static void again(void)
{
	raise(SIGTERM);
}

Test(service, drains_at_the_first_signal, .init = setup, .fini = teardown)
{
	start(10000);
	raise(SIGINT);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	cr_assert_eq(f.drains, 1);
	cr_assert_eq(f.stops, 1);
	cr_assert_eq(access(f.socket, F_OK), -1, "the socket is left");
}

Test(service, stops_at_the_second_signal, .init = setup, .fini = teardown)
{
	f.on_drain = again;
	start(3600000);
	raise(SIGTERM);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	cr_assert_eq(f.drains, 1);
	cr_assert_eq(f.stops, 1);
}

Test(service, stops_when_the_drain_takes_too_long, .init = setup, .fini = teardown)
{
	f.drain_forever = true;
	start(30);
	og_service_drain(f.service);
	og_service_drain(f.service);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	cr_assert_eq(f.drains, 1);
	cr_assert_eq(f.stops, 1);
}

Test(service, stops_at_once_without_a_drain, .init = setup, .fini = teardown)
{
	start(0);
	raise(SIGTERM);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	cr_assert_eq(f.drains, 0);
	cr_assert_eq(f.stops, 1);
}

/* Calls from a thread, as another process would; then the service is told to stop. */
struct caller {
	const char *request;
	json_t *answer;
	struct og_error err;
	int rc;
	char raw[256];
};

static json_t *call_stop(void)
{
	json_t *request = json_pack("{s:s}", "verb", "stop"), *answer = NULL;
	struct og_error err = {0};

	cr_assert_eq(og_control_call(f.socket, request, 5000, &answer, &err), 0, "%s", err.message);
	json_decref(request);
	return answer;
}

static void run_caller(void *arg)
{
	struct caller *c = arg;
	json_t *request = json_loads(c->request, 0, NULL);

	c->rc = og_control_call(f.socket, request, 5000, &c->answer, &c->err);
	json_decref(request);
	json_decref(call_stop());
}

static void with_loop(void (*entry)(void *), void *arg)
{
	uv_thread_t thread;

	uv_thread_create(&thread, entry, arg);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	uv_thread_join(&thread);
}

Test(service, answers_status_with_what_the_program_adds, .init = setup, .fini = teardown)
{
	struct caller c = {.request = "{\"verb\":\"status\"}"};

	start(0);
	og_service_ready(f.service, "serving");
	with_loop(run_caller, &c);
	cr_assert_eq(c.rc, 0, "%s", c.err.message);
	cr_assert_str_eq(json_string_value(json_object_get(c.answer, "name")), "og-test");
	cr_assert_str_eq(json_string_value(json_object_get(c.answer, "status")), "serving");
	cr_assert_eq(json_integer_value(json_object_get(c.answer, "pid")), getpid());
	cr_assert(json_is_true(json_object_get(c.answer, "ready")));
	cr_assert(json_is_false(json_object_get(c.answer, "draining")));
	cr_assert_eq(json_integer_value(json_object_get(c.answer, "slots")), 4);
	json_decref(c.answer);
}

Test(service, says_what_is_wrong_with_a_request, .init = setup, .fini = teardown)
{
	struct caller c = {.request = "{\"verb\":\"dance\"}"};
	json_t *error;

	start(0);
	with_loop(run_caller, &c);
	cr_assert_eq(c.rc, 0);
	error = json_object_get(c.answer, "error");
	cr_assert_str_eq(json_string_value(json_object_get(error, "type")), "invalid");
	cr_assert_str_eq(json_string_value(json_object_get(error, "message")), "no verb 'dance' here");
	json_decref(c.answer);
}

/* Bytes as they are, read until the other end closes or `lines` lines are there. */
static void run_unanswered(void *arg)
{
	struct caller *c = arg;
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), lines = 0;
	size_t len = 0, want = 0;
	ssize_t n;

	for (const char *p = c->request; *p; p++)
		want += *p == '\n';
	strcpy(to.sun_path, f.socket);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	n = send(fd, c->request, strlen(c->request), MSG_NOSIGNAL);
	while ((size_t)lines < want && (n = read(fd, c->raw + len, sizeof(c->raw) - 1 - len)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			lines += c->raw[len + (size_t)i] == '\n';
		len += (size_t)n;
	}
	c->rc = lines;
	close(fd);
}

static void run_raw(void *arg)
{
	run_unanswered(arg);
	json_decref(call_stop());
}

Test(service, answers_several_lines_in_order_and_refuses_garbage, .init = setup, .fini = teardown)
{
	struct caller c = {.request = "{\"verb\":\"echo\",\"text\":1}\nnonsense\n{\"verb\":\"echo\",\"text\":2}\n"};

	start(0);
	with_loop(run_raw, &c);
	cr_assert_eq(c.rc, 3, "%s", c.raw);
	cr_assert_eq(strncmp(c.raw, "{\"echo\":1}\n{\"error\":", 20), 0, "%s", c.raw);
	cr_assert_not_null(strstr(c.raw, "}\n{\"echo\":2}\n"), "%s", c.raw);
}

Test(service, answers_later_and_keeps_the_order, .init = setup, .fini = teardown)
{
	struct caller c = {.request = "{\"verb\":\"later\"}\n{\"verb\":\"echo\",\"text\":2}\n"};

	start(0);
	with_loop(run_raw, &c);
	cr_assert_eq(c.rc, 2, "%s", c.raw);
	cr_assert_str_eq(c.raw, "{\"later\":true}\n{\"echo\":2}\n");
}

/* Asks, and goes without its answer. */
static void run_hasty(void *arg)
{
	struct caller *c = arg;
	json_t *request = json_loads(c->request, 0, NULL);

	c->rc = og_control_call(f.socket, request, 50, &c->answer, &c->err);
	json_decref(request);
	json_decref(call_stop());
}

Test(service, may_answer_who_has_gone, .init = setup, .fini = teardown)
{
	struct caller c = {.request = "{\"verb\":\"keep\"}"};

	start(0);
	with_loop(run_hasty, &c);
	cr_assert_eq(c.rc, -1);
	cr_assert_eq(c.err.kind, OG_BUSY, "%s", c.err.message);
	cr_assert_not_null(f.kept);
	og_control_answer(f.kept, json_object());
}

Test(service, stops_with_an_answer_outstanding, .init = setup, .fini = teardown)
{
	struct caller c = {.request = "{\"verb\":\"keep\",\"stop\":true}\n"};
	const struct og_error why = {OG_RETRY, "too late"};

	start(0);
	with_loop(run_unanswered, &c);
	cr_assert_eq(c.rc, 0, "%s", c.raw);
	cr_assert_eq(f.stops, 1);
	og_control_refuse(f.kept, &why);
}

Test(service, closes_on_a_line_without_end, .init = setup, .fini = teardown)
{
	char *endless = malloc(400000);
	struct caller c = {.request = endless};

	memset(endless, 'x', 399998);
	strcpy(endless + 399998, "\n");
	start(0);
	with_loop(run_raw, &c);
	cr_assert_eq(c.rc, 0, "it answered: %s", c.raw);
	free(endless);
}

Test(service, keeps_its_socket_to_its_user, .init = setup, .fini = teardown)
{
	struct stat st;

	umask(0);
	start(0);
	cr_assert_eq(stat(f.socket, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	og_service_stop(f.service);
	uv_run(&f.loop, UV_RUN_DEFAULT);
}

static int start_bare(const char *path, struct og_service **ret, struct og_error *err)
{
	const struct og_service_config config = {.name = "og-test", .control_path = path, .on_stop = on_stop};

	return og_service_start(&f.loop, &config, ret, err);
}

Test(service, is_refused_where_it_already_runs, .init = setup, .fini = teardown)
{
	struct og_service *second = NULL;
	struct og_error err = {0};

	start(0);
	cr_assert_eq(start_bare(f.socket, &second, &err), -1);
	cr_assert_null(second);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert_not_null(strstr(err.message, "already runs"), "%s", err.message);
	og_service_stop(f.service);
	uv_run(&f.loop, UV_RUN_DEFAULT);
}

Test(service, replaces_the_socket_of_a_dead_process, .init = setup, .fini = teardown)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		uv_loop_t loop;
		struct og_service *s;
		const struct og_service_config config = {.name = "dead", .control_path = f.socket, .on_stop = on_stop};

		uv_loop_init(&loop);
		_exit(og_service_start(&loop, &config, &s, NULL) == 0 ? 7 : 1);
	}
	waitpid(pid, &status, 0);
	cr_assert_eq(WEXITSTATUS(status), 7);
	cr_assert_eq(access(f.socket, F_OK), 0, "the dead process left no socket: nothing is tested");
	start(0);
	og_service_stop(f.service);
	uv_run(&f.loop, UV_RUN_DEFAULT);
}

Test(service, refuses_a_path_that_is_too_long_for_a_socket, .init = setup, .fini = teardown)
{
	char path[200];
	struct og_error err = {0};

	memset(path, 'p', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	cr_assert_eq(start_bare(path, &f.service, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
	cr_assert_not_null(strstr(err.message, "107 bytes"), "%s", err.message);
}

Test(service, tells_systemd_how_it_goes, .init = setup, .fini = teardown)
{
	static const char *const expected[] = {
		"READY=1\nSTATUS=up\n", "STATUS=broker away\n", "WATCHDOG=1\n", "STOPPING=1\n"};
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char pid[16], word[128];

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", f.dir);
	snprintf(pid, sizeof(pid), "%d", getpid());
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	setenv("WATCHDOG_USEC", "20000", 1);
	setenv("WATCHDOG_PID", pid, 1);

	start(0);
	og_service_ready(f.service, "up");
	og_service_not_ready(f.service, "broker away");
	for (size_t i = 0; i < 4;) {
		ssize_t n;

		while ((n = recv(fd, word, sizeof(word) - 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
			uv_run(&f.loop, UV_RUN_ONCE);
		cr_assert_gt(n, 0);
		word[n] = '\0';
		if (i == 3 && !strcmp(word, expected[2]))
			continue; /* a slow machine's second beat, before the stop */
		cr_assert_str_eq(word, expected[i]);
		if (i++ == 2)
			og_service_stop(f.service);
	}
	uv_run(&f.loop, UV_RUN_DEFAULT);
	close(fd);
}

Test(service, has_no_watchdog_that_is_meant_for_another_process, .init = setup, .fini = teardown)
{
	setenv("WATCHDOG_USEC", "20000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	start(0);
	uv_run(&f.loop, UV_RUN_NOWAIT);
	cr_assert_eq(uv_backend_timeout(&f.loop), -1, "a timer runs");
	og_service_stop(f.service);
	uv_run(&f.loop, UV_RUN_DEFAULT);
}

Test(control_call, says_so_when_nobody_is_there, .timeout = 60, .init = setup, .fini = teardown)
{
	json_t *request = json_pack("{s:s}", "verb", "status"), *answer = NULL;
	struct og_error err = {0};

	cr_assert_eq(og_control_call(f.socket, request, 100, &answer, &err), -1);
	cr_assert_null(answer);
	cr_assert_eq(err.kind, OG_RETRY);
	cr_assert_not_null(strstr(err.message, f.socket), "%s", err.message);
	json_decref(request);
}

Test(control_call, does_not_wait_for_ever, .timeout = 60, .init = setup, .fini = teardown)
{
	json_t *request = json_pack("{s:s}", "verb", "status"), *answer = NULL;
	struct og_error err = {0};

	start(0); /* and the loop does not run */
	cr_assert_eq(og_control_call(f.socket, request, 50, &answer, &err), -1);
	cr_assert_eq(err.kind, OG_BUSY, "it is there: it must not be taken for one that is not");
	cr_assert_not_null(strstr(err.message, "in time"), "%s", err.message);
	json_decref(request);
	og_service_stop(f.service);
	uv_run(&f.loop, UV_RUN_DEFAULT);
}
