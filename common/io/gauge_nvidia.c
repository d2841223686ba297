/* NVIDIA GPUs, as nvidia-smi tells them. Not installed: there are none, and that is no fault. Installed but failing,
 * hanging or unreadable: there may be GPUs that nobody will use, so the profile says what happened. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/parse.h"
#include "io/gauge_readers.h"

#define TIMEOUT_MS 5000
#define OUTPUT_CAP (64u * 1024)
#define REAP_MS    1000 /* a process that the driver holds does not die even of SIGKILL: it is left behind */
#define MIB        (1024 * 1024)

extern char **environ;

/* Starts the program in a process group of its own, all that it says going into *ret_fd. 0, or an errno. */
static int start(const char *program, pid_t *ret_pid, int *ret_fd)
{
	const char *const argv[] = {program, "--query-gpu=name,memory.total,memory.free,driver_version",
		"--format=csv,noheader,nounits", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return errno;
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
	rc = posix_spawnp(ret_pid, program, &actions, &attr, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	close(fds[1]);
	if (rc)
		close(fds[0]);
	else
		*ret_fd = fds[0];
	return rc;
}

/* Reads until the end of the output. NULL, or what was wrong: it did not end in time, or there is too much. */
static const char *read_output(int fd, int64_t until, struct og_buf *out)
{
	for (;;) {
		int64_t left = until - og_clock_mono_ms();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char bytes[4096];
		ssize_t n;

		if (left <= 0)
			return "hangs";
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, bytes, sizeof(bytes));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL;
		if (og_buf_add(out, bytes, (size_t)n) < 0)
			return "prints without end";
	}
}

static bool reap(pid_t pid, int64_t until, int *ret_status)
{
	pid_t done;

	while (!(done = waitpid(pid, ret_status, WNOHANG)) && og_clock_mono_ms() < until)
		poll(NULL, 0, 5);
	return done == pid;
}

/* Runs the program. True: it ended by itself within the time, with *ret_status. */
static bool run(const char *program, int64_t timeout_ms, struct og_buf *out, int *ret_status, struct og_profile *p)
{
	int64_t until = og_clock_mono_ms() + timeout_ms;
	const char *wrong;
	pid_t pid;
	int fd, rc = start(program, &pid, &fd);

	if (rc) {
		if (rc != ENOENT)
			og_gauge_warn(p, "nvidia-smi cannot be started: %s; GPUs count as 0", strerror(rc));
		return false;
	}
	wrong = read_output(fd, until, out);
	close(fd);
	if (!wrong && !reap(pid, until, ret_status))
		wrong = "hangs";
	if (wrong) {
		kill(-pid, SIGKILL);
		reap(pid, og_clock_mono_ms() + REAP_MS, ret_status);
		og_gauge_warn(
			p, "nvidia-smi %s: killed, %.1f s allowed; GPUs count as 0", wrong, (double)timeout_ms / 1000);
	}
	return !wrong;
}

/* Takes the last comma-separated field off the line: a GPU's name is free text, so fields are counted from the end. */
static char *last_field(char *line)
{
	char *comma = strrchr(line, ',');

	if (!comma)
		return NULL;
	*comma = '\0';
	return comma + 1 + strspn(comma + 1, " ");
}

/* MiB in text, as bytes; -1: not a number ("[N/A]" where the GPU shares the machine's memory). */
static int64_t mib(const char *field)
{
	int64_t value;

	return og_parse_int(field, 0, 1 << 30, &value, NULL) < 0 ? -1 : value * MIB;
}

static void read_line(char *line, struct og_profile *p)
{
	struct og_gpu *gpu = &p->gpus[p->n_gpus];
	og_autofree char *whole = og_strdup(line);
	const char *driver = last_field(line);
	const char *free_mib = driver ? last_field(line) : NULL;
	const char *total_mib = free_mib ? last_field(line) : NULL;

	if (!total_mib || !*line) {
		og_gauge_warn(p, "nvidia-smi printed something else than a GPU: '%.120s'", whole);
		return;
	}
	if (p->n_gpus == OG_GPUS_MAX) {
		og_gauge_warn(p, "there are more than %d GPUs: '%.120s' is left out", OG_GPUS_MAX, line);
		return;
	}
	snprintf(gpu->name, sizeof(gpu->name), "%s", line);
	snprintf(gpu->driver, sizeof(gpu->driver), "%s", driver);
	gpu->vram_total_bytes = mib(total_mib);
	gpu->vram_free_bytes = mib(free_mib);
	if (gpu->vram_total_bytes < 0 || gpu->vram_free_bytes < 0)
		og_gauge_warn(p, "GPU %zu, %.100s, tells no VRAM ('%.20s' total, '%.20s' free): counted as 0",
			p->n_gpus, gpu->name, total_mib, free_mib);
	if (gpu->vram_total_bytes < 0)
		gpu->vram_total_bytes = 0;
	if (gpu->vram_free_bytes < 0)
		gpu->vram_free_bytes = 0;
	if (gpu->vram_free_bytes > gpu->vram_total_bytes)
		gpu->vram_free_bytes = gpu->vram_total_bytes;
	p->n_gpus++;
}

void og_gauge_nvidia(const char *program, int64_t timeout_ms, struct og_profile *p)
{
	struct og_buf out;
	char *rest = NULL, *line;
	int status;

	og_buf_init(&out, OUTPUT_CAP);
	if (run(program ? program : "nvidia-smi", timeout_ms ? timeout_ms : TIMEOUT_MS, &out, &status, p)) {
		og_buf_adds(&out, "");
		line = strtok_r(out.data, "\r\n", &rest);
		if (WIFSIGNALED(status))
			og_gauge_warn(p, "nvidia-smi died of signal %d; GPUs count as 0", WTERMSIG(status));
		else if (WEXITSTATUS(status))
			og_gauge_warn(p, "nvidia-smi failed with status %d%s%.120s; GPUs count as 0",
				WEXITSTATUS(status), line ? ": " : "", line ? line : "");
		else if (!line)
			og_gauge_warn(p, "nvidia-smi printed nothing; GPUs count as 0");
		else
			for (; line; line = strtok_r(NULL, "\r\n", &rest))
				read_line(line, p);
	}
	og_buf_done(&out);
}
