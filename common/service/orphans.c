#include "service/orphans.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/parse.h"
#include "service/supervisor.h"

#define ENVIRON_CAP (4u * 1024 * 1024)
#define FILE_CAP    4096
#define LOOK_MS     20
#define KILLED_MS   2000 /* a killed process is gone sooner, unless the kernel holds it */
#define BOOT_ID     "/proc/sys/kernel/random/boot_id"

struct session {
	int leader;
	unsigned long long start; /* of the leader: clock ticks since the boot */
};

struct orphans {
	char *mark; /* "OG_SUPERVISED_ROOT=/the/root" */
	struct session sessions[OG_SUPERVISED_MAX];
	size_t n_sessions;
};

/* -1: there is no such process, or no more than its exit status. */
static int read_stat(int pid, int *ret_session, unsigned long long *ret_start)
{
	og_autofree char *path = og_printf("/proc/%d/stat", pid);
	og_autofree char *text = NULL;
	const char *rest;
	char state;

	if (og_file_read(path, FILE_CAP, &text, NULL, NULL) != 0)
		return -1;
	/* The name, in parentheses, may hold anything: the numbers begin behind the last one. */
	rest = strrchr(text, ')');
	if (!rest || sscanf(rest, ") %c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
			     &state, ret_session, ret_start) != 3)
		return -1;
	return state == 'Z' ? -1 : 0;
}

static char *record_path(const char *root, const char *name)
{
	return og_printf("%s/run/%s.pid", root, name);
}

void og_orphans_note(const char *root, const char *name, pid_t leader)
{
	og_autofree char *path = record_path(root, name), *boot = NULL, *line = NULL;
	unsigned long long start;
	int session;

	if (read_stat(leader, &session, &start) != 0 || og_file_read(BOOT_ID, FILE_CAP, &boot, NULL, NULL) != 0)
		return;
	line = og_printf("%d %llu %s", (int)leader, start, boot);
	og_file_write_atomic(path, line, strlen(line), 0600, NULL);
}

void og_orphans_clear(const char *root, const char *name)
{
	og_autofree char *path = record_path(root, name);

	unlink(path);
}

/* A record of another boot says nothing, nor does one whose leader's pid is another process's by now. */
static bool read_record(const char *path, struct session *ret)
{
	og_autofree char *text = NULL, *boot = NULL;
	unsigned long long start;
	int session, at = 0;

	if (og_file_read(path, FILE_CAP, &text, NULL, NULL) != 0 ||
		og_file_read(BOOT_ID, FILE_CAP, &boot, NULL, NULL) != 0)
		return false;
	if (sscanf(text, "%d %llu %n", &ret->leader, &ret->start, &at) != 2 || strcmp(text + at, boot) != 0)
		return false;
	return read_stat(ret->leader, &session, &start) != 0 || start == ret->start;
}

static int is_record(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len > 4 && strcmp(d->d_name + len - 4, ".pid") == 0;
}

/* Calls for each record: read (into `o`), or, with `o` NULL, remove. */
static void each_record(const char *root, struct orphans *o)
{
	og_autofree char *folder = og_path_join(root, "run");
	struct dirent **files = NULL;
	int n = scandir(folder, &files, is_record, alphasort);

	for (int i = 0; i < n; i++) {
		og_autofree char *path = og_path_join(folder, files[i]->d_name);

		if (!o)
			unlink(path);
		else if (o->n_sessions < OG_SUPERVISED_MAX && read_record(path, &o->sessions[o->n_sessions]))
			o->n_sessions++;
		free(files[i]);
	}
	free(files);
}

static bool is_marked(int pid, const char *mark)
{
	og_autofree char *path = og_printf("/proc/%d/environ", pid);
	og_autofree char *text = NULL;
	size_t len = 0;

	/* One that we may not read is another user's, and a zombie has none. */
	if (og_file_read(path, ENVIRON_CAP, &text, &len, NULL) != 0)
		return false;
	for (const char *p = text; p < text + len; p += strlen(p) + 1) {
		if (strcmp(p, mark) == 0)
			return true;
	}
	return false;
}

static bool is_in_session(int pid, const struct orphans *o)
{
	unsigned long long start;
	int session;

	if (!o->n_sessions || read_stat(pid, &session, &start) != 0)
		return false;
	for (size_t i = 0; i < o->n_sessions; i++) {
		if (session == o->sessions[i].leader && start >= o->sessions[i].start)
			return true;
	}
	return false;
}

/* Sends `number` (0: nothing) to each; returns how many there are. */
static unsigned signal_each(const struct orphans *o, int number)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	while (proc && (entry = readdir(proc))) {
		int64_t pid;

		if (og_parse_int(entry->d_name, 1, INT32_MAX, &pid, NULL) != 0 || pid == getpid())
			continue;
		if (!is_marked((int)pid, o->mark) && !is_in_session((int)pid, o))
			continue;
		n++;
		if (number)
			kill((pid_t)pid, number);
	}
	if (proc)
		closedir(proc);
	return n;
}

static bool all_gone(const struct orphans *o, int64_t ms)
{
	int64_t end = og_clock_mono_ms() + ms;

	while (signal_each(o, 0)) {
		if (og_clock_mono_ms() >= end)
			return false;
		usleep(LOOK_MS * 1000);
	}
	return true;
}

unsigned og_orphans_end(const char *root, int64_t ms)
{
	og_autofree char *mark = og_printf("%s=%s", OG_ORPHAN_VARIABLE, root);
	struct orphans o = {.mark = mark};
	unsigned n;

	each_record(root, &o);
	n = signal_each(&o, SIGTERM);
	if (n && !all_gone(&o, ms)) {
		signal_each(&o, SIGKILL);
		all_gone(&o, KILLED_MS);
	}
	each_record(root, NULL);
	return n;
}
