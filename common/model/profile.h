/* What a machine has: resources.json, version 1, units in the key names. docs/GAUGE.md defines each measure. */
#ifndef OG_MODEL_PROFILE_H
#define OG_MODEL_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/catalogue.h"

#define OG_PROFILE_VERSION      1
#define OG_GPUS_MAX             16
#define OG_PROFILE_WARNINGS_MAX 8
#define OG_PROFILE_CAP          (64u * 1024) /* bytes of the file */

struct og_gpu {
	char name[OG_NAME_MAX], driver[32];
	int64_t vram_total_bytes, vram_free_bytes;
};

/* What `og-gauge --bench` measured, by running it. */
struct og_bench {
	char measured_at[25];                                                 /* RFC 3339, UTC */
	int64_t threads;                                                      /* that "all cores" means */
	double memory_read_one_core_gb_per_s, memory_read_all_cores_gb_per_s; /* 10^9 bytes */
	double multiply_add_one_core_gflops,
		multiply_add_all_cores_gflops; /* double precision; one is two operations */
};

struct og_profile {
	char gauged_at[25]; /* RFC 3339, UTC */
	char hostname[OG_NAME_MAX];
	double cpu_cores;         /* min(affinity mask, cgroup quota); may be fractional */
	int64_t cpu_cores_online; /* of the machine */
	char cpu_model[OG_NAME_MAX];
	int64_t ram_total_bytes; /* min(MemTotal, cgroup limit) */
	int64_t ram_available_bytes;
	int64_t swap_total_bytes;
	struct og_gpu gpus[OG_GPUS_MAX];
	size_t n_gpus;
	char disk_path[512];
	int64_t disk_total_bytes, disk_free_bytes; /* free to this user, of the file system of the data root */
	bool has_temperature;
	double temperature_celsius; /* the hottest zone */
	bool has_bench;
	struct og_bench bench;
	char warnings[OG_PROFILE_WARNINGS_MAX][256];
	size_t n_warnings;
};

/* The file's text; caller frees. */
char *og_profile_encode(const struct og_profile *p);
/* Truncated, foreign, of another version, or with an impossible value: INVALID, and the message says which and that
 * `og-gauge` writes a new one. */
int og_profile_decode(const char *text, size_t len, struct og_profile *ret, struct og_error *err);

/* An "8 GB" machine shows less than 8 GiB, as the firmware, the kernel and the driver keep a part: RAM and VRAM
 * count as met from this part of the need on. Cores and disk are counted exactly. */
#define OG_PROFILE_TOLERANCE 0.93

/* Judges one row on its own. True: eligible, `why` is "". False: `why` says every need that is not met, in the order
 * of the table: "needs 16 cores, has 2; needs 8 GiB VRAM, has 0". What it has is rounded down. */
bool og_profile_judge(const struct og_profile *p, const struct og_tier *t, char *why, size_t size);

int64_t og_profile_vram_bytes(const struct og_profile *p); /* of the largest single GPU */

#endif
