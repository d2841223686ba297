/* The command line of og-worker. */
#ifndef OG_WORKER_OPTIONS_H
#define OG_WORKER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/options.h"

struct og_worker_options {
	const char *config;  /* NULL: <root>/config.ini */
	struct og_list sets; /* "section.key=value": what --set says, and what the options below stand for */
	const char *tier, *slots;
	bool no_serve;
	int64_t instance;
	bool help, version;
	char *made[2]; /* of the sets; owned */
};

/* INVALID: say the message, and how to get help. What it finds points into argv. */
int og_worker_options_parse(int argc, char **argv, struct og_worker_options *ret, struct og_error *err);
void og_worker_options_done(struct og_worker_options *o);
void og_worker_options_help(FILE *out);

#endif
