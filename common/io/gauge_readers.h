/* The readers that gauge.c puts together; nobody else includes this. Each fills its part of the profile and never
 * fails. */
#ifndef OG_IO_GAUGE_READERS_H
#define OG_IO_GAUGE_READERS_H

#include <stdbool.h>

#include "io/gauge.h"

void og_gauge_warn(struct og_profile *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Cores, CPU model, RAM, swap: gauge_host.c. `prefix` is never NULL. */
void og_gauge_host(const char *prefix, struct og_profile *p);

/* Lowers each to what the cgroups of this process, v1 and v2, leave of it: gauge_cgroup.c. */
struct og_gauge_limits {
	double cpu_cores;
	int64_t ram_total_bytes, ram_available_bytes;
};
void og_gauge_cgroups(const char *prefix, struct og_gauge_limits *limits);

/* gauge_nvidia.c */
void og_gauge_nvidia(const char *program, int64_t timeout_ms, struct og_profile *p);

/* The text of <prefix><path>, or of its file `name` (may be NULL); NULL where it cannot be read. The caller frees. */
char *og_gauge_text(const char *prefix, const char *path, const char *name);

#endif
