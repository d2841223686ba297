/* A container shows the whole machine in /proc; what it may use of it stands in its cgroups. A limit anywhere
 * between the process's group and the root holds, so every level is read and the least counts.
 *
 * The path in /proc/self/cgroup may be one that this process cannot see: a container often has its own group mounted
 * as the root. Levels that are not there are skipped, and the root is always read. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "io/gauge_readers.h"

/* One controller in one version of its interface. */
struct controller {
	const char *name; /* in /proc/self/cgroup: "" is the unified hierarchy, v2 */
	const char *mount;
	void (*read)(const struct controller *c, const char *prefix, const char *dir, struct og_gauge_limits *limits);
	/* memory's files */
	const char *limit, *usage, *reclaimable;
};

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The first line of a file as a number; -1: no such file, or not a number ("max"). */
static int64_t number(const char *prefix, const char *dir, const char *name)
{
	og_autofree char *text = og_gauge_text(prefix, dir, name);
	int64_t value = -1;

	if (text) {
		text[strcspn(text, "\n")] = '\0';
		if (og_parse_int(text, 0, INT64_MAX, &value, NULL) < 0)
			return -1;
	}
	return value;
}

static void read_memory(const struct controller *c, const char *prefix, const char *dir, struct og_gauge_limits *limits)
{
	int64_t limit = number(prefix, dir, c->limit);
	int64_t used = number(prefix, dir, c->usage);
	og_autofree char *stat = og_gauge_text(prefix, dir, "memory.stat");
	const char *line = stat ? strstr(stat, c->reclaimable) : NULL;

	if (limit < 0)
		return;
	limits->ram_total_bytes = least(limits->ram_total_bytes, limit);
	if (used < 0)
		return;
	if (line)
		used -= least(used, strtoll(line + strlen(c->reclaimable), NULL, 10));
	limits->ram_available_bytes = least(limits->ram_available_bytes, used < limit ? limit - used : 0);
}

static void take_quota(long long quota_us, long long period_us, struct og_gauge_limits *limits)
{
	double cores = (double)quota_us / (double)period_us;

	if (quota_us > 0 && period_us > 0 && cores < limits->cpu_cores)
		limits->cpu_cores = cores;
}

static void read_cpu_v1(const struct controller *c, const char *prefix, const char *dir, struct og_gauge_limits *limits)
{
	(void)c;
	take_quota(number(prefix, dir, "cpu.cfs_quota_us"), number(prefix, dir, "cpu.cfs_period_us"), limits);
}

static void read_cpu_v2(const struct controller *c, const char *prefix, const char *dir, struct og_gauge_limits *limits)
{
	og_autofree char *text = og_gauge_text(prefix, dir, "cpu.max"); /* "50000 100000" or "max 100000" */
	char *rest;
	long long quota;

	(void)c;
	if (!text)
		return;
	quota = strtoll(text, &rest, 10);
	if (rest != text)
		take_quota(quota, strtoll(rest, NULL, 10), limits);
}

static const struct controller controllers[] = {
	{"", "/sys/fs/cgroup", read_cpu_v2, NULL, NULL, NULL},
	{"", "/sys/fs/cgroup", read_memory, "memory.max", "memory.current", "\ninactive_file "},
	/* systemd's hybrid layout */
	{"", "/sys/fs/cgroup/unified", read_cpu_v2, NULL, NULL, NULL},
	{"", "/sys/fs/cgroup/unified", read_memory, "memory.max", "memory.current", "\ninactive_file "},
	{"cpu", "/sys/fs/cgroup/cpu", read_cpu_v1, NULL, NULL, NULL},
	{"memory", "/sys/fs/cgroup/memory", read_memory, "memory.limit_in_bytes", "memory.usage_in_bytes",
		"\ntotal_inactive_file "},
};

/* Is `name` one of the controllers in "cpu,cpuacct"? The unified hierarchy names none. */
static bool names(const char *list, const char *name)
{
	size_t len = strlen(name);

	if (!len)
		return !*list;
	for (const char *s = list; s; s = strchr(s, ',')) {
		s += *s == ',';
		if (!strncmp(s, name, len) && (!s[len] || s[len] == ','))
			return true;
	}
	return false;
}

static void walk_up(const struct controller *c, const char *prefix, const char *group, struct og_gauge_limits *limits)
{
	og_autofree char *dir = og_printf("%s%s", c->mount, group);

	for (char *slash; (slash = strrchr(dir, '/')) > dir + strlen(c->mount) - 1; *slash = '\0')
		c->read(c, prefix, dir, limits);
	c->read(c, prefix, c->mount, limits);
}

void og_gauge_cgroups(const char *prefix, struct og_gauge_limits *limits)
{
	og_autofree char *text = og_gauge_text(prefix, "/proc/self/cgroup", NULL);
	char *rest = NULL;

	/* "4:memory:/docker/7b83", "0::/user.slice" */
	for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest)) {
		char *list = strchr(line, ':');
		char *group = list ? strchr(list + 1, ':') : NULL;

		if (!group)
			continue;
		*group++ = '\0';
		for (size_t i = 0; i < OG_COUNT(controllers); i++)
			if (names(list + 1, controllers[i].name))
				walk_up(&controllers[i], prefix, group, limits);
	}
}
