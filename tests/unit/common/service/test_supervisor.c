/* What the supervisor does with services, and what it is told. */
#include "common/service/supervisor_rig.h"

TestSuite(supervisor, .timeout = 60);

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
