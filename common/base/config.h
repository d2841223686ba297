/* Configuration as a table: one row per key, which also makes the sample file, docs/CONFIG.md and `--help`.
 *
 * Where a value comes from, the later winning: the row's default, the file (INI, libinih), the environment variable
 * that the row names, `--set section.key=value`. */
#ifndef OG_BASE_CONFIG_H
#define OG_BASE_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

enum og_config_type {
	OG_CONFIG_STRING,   /* char *, owned by the struct; "" allowed */
	OG_CONFIG_INT,      /* int64_t */
	OG_CONFIG_BOOL,     /* bool */
	OG_CONFIG_DURATION, /* int64_t, milliseconds; written "30s" */
	OG_CONFIG_BYTES,    /* int64_t; written "8MiB" */
};

struct og_config_row {
	const char *section, *key;
	enum og_config_type type;
	size_t offset;        /* of the field in the settings struct */
	const char *fallback; /* the default, as it would be written in the file */
	int64_t min, max;     /* for INT, DURATION (ms), BYTES; a STRING's length is at most max (0: 4096) */
	const char *env;      /* environment variable that overrides the file; NULL for none */
	const char *help;     /* one sentence; units where they matter */
};

/* All defaults into the zeroed struct at `base`. Aborts if a default does not parse: that is our bug. */
void og_config_defaults(const struct og_config_row *rows, size_t n, void *base);
/* Errors name file, line and key, and for an unknown key the nearest known one. A missing file is not an error
 * (returns 0). */
int og_config_read_file(const struct og_config_row *rows, size_t n, void *base, const char *path, struct og_error *err);
int og_config_read_env(const struct og_config_row *rows, size_t n, void *base, struct og_error *err);
/* One "section.key=value". */
int og_config_set(const struct og_config_row *rows, size_t n, void *base, const char *assignment, struct og_error *err);
void og_config_done(const struct og_config_row *rows, size_t n, void *base); /* frees the strings */

void og_config_print_sample(const struct og_config_row *rows, size_t n, FILE *out);
void og_config_print_markdown(const struct og_config_row *rows, size_t n, FILE *out);

#endif
