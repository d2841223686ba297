#include <stdio.h>

#include "base/alloc.h"
#include "verbs.h"

struct help {
	bool markdown;
};

static const struct help defaults = {0};

static const struct og_option options[] = {
	{"markdown", 0, NULL, OG_OPTION_FLAG, offsetof(struct help, markdown), 0, 0,
		"the reference part of docs/CLI.md"},
};

static enum og_exit run(struct og_cli *c)
{
	const struct help *h = c->options;
	const struct og_verb *v = c->n_args ? og_verb_find(c->args[0]) : NULL;

	if (c->n_args && !v)
		return og_cli_usage(c, "no verb '%s'", c->args[0]);
	if (h->markdown)
		og_help_markdown(stdout);
	else if (v)
		og_help_verb(v, stdout);
	else
		og_help_overview(stdout);
	return OG_EXIT_ANSWERED;
}

const struct og_verb og_verb_help = {
	.name = "help",
	.arguments = "[verb]",
	.max = 1,
	.bare = true,
	.summary = "prints this help, or a verb's",
	.options = options,
	.n_options = OG_COUNT(options),
	.defaults = &defaults,
	.options_size = sizeof(defaults),
	.run = run,
};
