#include "service/orphans.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
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

#define ENVIRON_CAP (4u * 1024 * 1024)
#define LOOK_MS     20
#define KILLED_MS   2000 /* a killed process is gone sooner, unless the kernel holds it */

static bool is_marked(int64_t pid, const char *mark)
{
	og_autofree char *path = og_printf("/proc/%lld/environ", (long long)pid);
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

/* Sends `number` (0: nothing) to each; returns how many there are. */
static unsigned signal_marked(const char *mark, int number)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	while (proc && (entry = readdir(proc))) {
		int64_t pid;

		if (!isdigit((unsigned char)entry->d_name[0]) ||
			og_parse_int(entry->d_name, 1, INT32_MAX, &pid, NULL) != 0)
			continue;
		if (pid == getpid() || !is_marked(pid, mark))
			continue;
		n++;
		if (number)
			kill((pid_t)pid, number);
	}
	if (proc)
		closedir(proc);
	return n;
}

static bool all_gone(const char *mark, int64_t ms)
{
	int64_t end = og_clock_mono_ms() + ms;

	while (signal_marked(mark, 0)) {
		if (og_clock_mono_ms() >= end)
			return false;
		usleep(LOOK_MS * 1000);
	}
	return true;
}

unsigned og_orphans_end(const char *root, int64_t ms)
{
	og_autofree char *mark = og_printf("%s=%s", OG_ORPHAN_VARIABLE, root);
	unsigned n = signal_marked(mark, SIGTERM);

	if (n && !all_gone(mark, ms)) {
		signal_marked(mark, SIGKILL);
		all_gone(mark, KILLED_MS);
	}
	return n;
}
