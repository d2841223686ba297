/* What this machine has: the readers behind `og-gauge`, `og resources` and the worker's start. They block (a few
 * milliseconds; up to `nvidia_timeout_ms` where nvidia-smi hangs), so call them before the loop runs. docs/GAUGE.md
 * defines each measure. */
#ifndef OG_IO_GAUGE_H
#define OG_IO_GAUGE_H

#include <stdint.h>

#include "base/error.h"
#include "model/profile.h"

struct og_gauge_options {
	const char *root;          /* the data root, whose file system is measured; it need not be there yet */
	const char *prefix;        /* put before /proc and /sys, for tests; NULL: none */
	const char *nvidia_smi;    /* the program; NULL: "nvidia-smi" on PATH */
	int64_t nvidia_timeout_ms; /* 0: 5 s */
};

/* Never fails: what cannot be read is zero, with a warning in the profile that says what happened. */
void og_gauge_read(const struct og_gauge_options *options, struct og_profile *ret);

/* Measures for about 2 s, with as many threads as `p` has cores, and at most an eighth of its available RAM. */
void og_gauge_bench(const struct og_profile *p, struct og_bench *ret);

/* <root>/resources.json. Saving makes the root; where it fails (a full disk) the old file stays as it was. */
int og_gauge_load(const char *root, struct og_profile *ret, struct og_error *err);
int og_gauge_save(const char *root, const struct og_profile *p, struct og_error *err);

#endif
