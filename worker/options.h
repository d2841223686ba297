/* The command line of og-worker. */
#ifndef OG_WORKER_OPTIONS_H
#define OG_WORKER_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

#define OG_WORKER_SETS_MAX 64

struct og_worker_options {
	const char *config;                 /* NULL: <root>/config.ini */
	char *sets[OG_WORKER_SETS_MAX + 1]; /* "section.key=value", NULL-terminated; owned */
	size_t n_sets;
	long instance;
	bool help, version;
};

/* INVALID: say the message, and how to get help. */
int og_worker_options_parse(int argc, char **argv, struct og_worker_options *ret, struct og_error *err);
void og_worker_options_done(struct og_worker_options *o);
void og_worker_options_help(FILE *out);

#endif
