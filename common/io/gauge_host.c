#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "io/gauge_readers.h"

#define TEXT_CAP (16u << 20) /* /proc/cpuinfo has some 1.5 KiB a core */

char *og_gauge_text(const char *prefix, const char *path, const char *name)
{
	og_autofree char *whole = og_printf("%s%s%s%s", prefix, path, name ? "/" : "", name ? name : "");
	char *text = NULL;

	return og_file_read(whole, TEXT_CAP, &text, NULL, NULL) < 0 ? NULL : text;
}

/* Cores in this process's affinity mask, which cpusets narrow too. */
static int affinity(void)
{
	cpu_set_t sets[16]; /* one alone is too small for a machine of more than 1024 */

	if (sched_getaffinity(0, sizeof(sets), sets) < 0)
		return (int)sysconf(_SC_NPROCESSORS_ONLN);
	return CPU_COUNT_S(sizeof(sets), sets);
}

/* The value of the line "key<blanks>: value" of `text`, into out. */
static bool value_of(const char *text, const char *key, char *out, size_t size)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		const char *value;

		line += *line == '\n';
		value = line + len;
		if (strncmp(line, key, len) != 0)
			continue;
		value += strspn(value, " \t");
		if (*value++ != ':')
			continue;
		value += strspn(value, " \t");
		snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
		return true;
	}
	return false;
}

static void read_model(const char *prefix, char *out, size_t size)
{
	og_autofree char *cpuinfo = og_gauge_text(prefix, "/proc/cpuinfo", NULL);
	og_autofree char *board = NULL;

	if (value_of(cpuinfo, "model name", out, size))
		return;
	/* Arm boards name the board instead */
	board = og_gauge_text(prefix, "/proc/device-tree/model", NULL);
	snprintf(out, size, "%s", board ? board : "");
}

static int64_t meminfo_bytes(const char *text, const char *key)
{
	char value[64];

	return value_of(text, key, value, sizeof(value)) ? strtoll(value, NULL, 10) * 1024 : 0;
}

void og_gauge_host(const char *prefix, struct og_profile *p)
{
	og_autofree char *meminfo = og_gauge_text(prefix, "/proc/meminfo", NULL);
	struct og_gauge_limits limits = {
		.cpu_cores = affinity(),
		.ram_total_bytes = meminfo_bytes(meminfo, "MemTotal"),
		.ram_available_bytes = meminfo_bytes(meminfo, "MemAvailable"),
	};

	if (!limits.ram_total_bytes)
		og_gauge_warn(p, "/proc/meminfo does not say how much RAM there is: counted as 0");
	og_gauge_cgroups(prefix, &limits);
	p->cpu_cores = limits.cpu_cores;
	p->cpu_cores_online = sysconf(_SC_NPROCESSORS_ONLN);
	read_model(prefix, p->cpu_model, sizeof(p->cpu_model));
	p->ram_total_bytes = limits.ram_total_bytes;
	p->ram_available_bytes = limits.ram_available_bytes < limits.ram_total_bytes ? limits.ram_available_bytes
	                                                                             : limits.ram_total_bytes;
	p->swap_total_bytes = meminfo_bytes(meminfo, "SwapTotal");
}
