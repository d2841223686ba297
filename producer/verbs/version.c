#include <stdio.h>

#include "model/envelope.h"
#include "verbs.h"

static enum og_exit run(struct og_cli *c)
{
	if (c->common.json)
		return og_cli_json(c, json_pack("{s:s, s:{s:i, s:i}}", "version", OG_VERSION, "protocol", "major",
					      OG_VERSION_MAJOR, "minor", OG_VERSION_MINOR));
	printf("og %s (protocol %d.%d)\n", OG_VERSION, OG_VERSION_MAJOR, OG_VERSION_MINOR);
	return OG_EXIT_ANSWERED;
}

const struct og_verb og_verb_version = {
	.name = "version",
	.arguments = "",
	.bare = true,
	.summary = "prints the version",
	.run = run,
};
