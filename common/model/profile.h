/* What a machine has: resources.json, version 1, units in the key names. docs/GAUGE.md defines each measure. */
#ifndef OG_MODEL_PROFILE_H
#define OG_MODEL_PROFILE_H

#include <stdbool.h>
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

struct og_profile {
	char gauged_at[25]; /* RFC 3339, UTC */
	char hostname[OG_NAME_MAX];
	double cpu_cores; /* min(affinity mask, cgroup quota); may be fractional */
	int cpu_cores_online;
	char cpu_model[OG_NAME_MAX];
	int64_t ram_total_bytes; /* min(MemTotal, cgroup limit) */
	int64_t ram_available_bytes;
	struct og_gpu gpus[OG_GPUS_MAX];
	int n_gpus;
	char disk_path[512];
	int64_t disk_total_bytes, disk_free_bytes; /* free to this user, of the file system of the data root */
	bool has_temperature;
	double temperature_celsius; /* the hottest zone */
	char warnings[OG_PROFILE_WARNINGS_MAX][256];
	int n_warnings;
};

/* The file's text; caller frees. */
char *og_profile_encode(const struct og_profile *p);
/* Truncated, foreign, of another version, or with an impossible value: INVALID, and the message says which and that `og-gauge` writes a new one. */
int og_profile_decode(const char *text, size_t len, struct og_profile *ret, struct og_error *err);

/* Judges one row on its own. True: eligible. False: `why` says every need that is not met, "needs 8 GiB VRAM, has 0; needs 16 cores, has 2".
 * Tolerance: RAM and VRAM count as met from 93 % on (an "8 GB" host shows less than 8 GiB), cores and disk exactly. */
bool og_profile_judge(const struct og_profile *p, const struct og_tier *t, char *why, size_t size);

int64_t og_profile_vram_bytes(const struct og_profile *p); /* of the largest single GPU */

#endif
