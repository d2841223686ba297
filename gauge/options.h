#ifndef OG_GAUGE_OPTIONS_H
#define OG_GAUGE_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

struct og_gauge_command {
	bool json, print_only, eligible, bench, sample, help, version;
	const char *root, *catalogue; /* NULL where not given */
};

enum og_gauge_exit {
	OG_GAUGE_DONE = 0,
	OG_GAUGE_FAILED = 1,
	OG_GAUGE_USAGE = 2,
	OG_GAUGE_CATALOGUE = 3,
	OG_GAUGE_NOT_ELIGIBLE = 4,
};

int og_gauge_command_parse(int argc, char **argv, struct og_gauge_command *ret, struct og_error *err); /* INVALID */
void og_gauge_command_help(FILE *out);

#endif
