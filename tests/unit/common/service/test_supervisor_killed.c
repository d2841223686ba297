/* A supervisor in a process of its own, and what becomes of its services when it is killed. */
#include <sys/prctl.h>
#include <sys/wait.h>

#include "common/service/supervisor_rig.h"

TestSuite(supervisor_killed, .timeout = 60);

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

Test(supervisor_killed, ends_what_a_killed_one_left_running, .init = setup, .fini = teardown)
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
Test(supervisor_killed, leaves_alone_who_has_a_pid_that_was_once_a_services, .init = setup, .fini = teardown)
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

Test(supervisor_killed, kills_all_at_the_second_signal, .init = setup, .fini = teardown)
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
