#include "options.h"

#include "base/alloc.h"

#define INSTANCE_MAX 9999
#define AT(field)    offsetof(struct og_worker_options, field)

static const struct og_option rows[] = {
	{"tier", 0, "TIER", OG_OPTION_TEXT, AT(tier), 0, 0,
		"the tier to serve (worker.tier); default: the best that this machine may and the engine does"},
	{"slots", 0, "N", OG_OPTION_TEXT, AT(slots), 0, 0,
		"prompts at a time (worker.slots); default: what the engine says, else 1"},
	{"instance", 0, "N", OG_OPTION_INT, AT(instance), 1, INSTANCE_MAX,
		"to run several workers of one tier on one node; default 1"},
	{"no-serve", 0, NULL, OG_OPTION_FLAG, AT(no_serve), 0, 0,
		"be a peer that answers nothing (node.serve, POC_SERVE=0)"},
	{"config", 0, "FILE", OG_OPTION_TEXT, AT(config), 0, 0,
		"the settings; default: config.ini in OPENGATEWAY_POC_ROOT"},
	{"set", 0, "SECTION.KEY=VALUE", OG_OPTION_LIST, AT(sets), 0, 0, "one setting; may be given several times"},
	{"help", 'h', NULL, OG_OPTION_FLAG, AT(help), 0, 0, "show this"},
	{"version", 0, NULL, OG_OPTION_FLAG, AT(version), 0, 0, "show the version"},
};

void og_worker_options_help(FILE *out)
{
	fputs("usage: og-worker [options]\n\n"
	      "Joins the cluster as a node, and answers prompts with this machine's engine.\n\n",
		out);
	og_options_print(rows, OG_COUNT(rows), false, out);
	fputs("\nSIGTERM lets running prompts end (worker.drain); a second one does not wait.\n"
	      "Exit status: 0 stopped as told, 1 it could not start, 2 wrong usage.\n",
		out);
}

/* The options that stand for settings become settings, which are checked in one place. */
static int make_sets(struct og_worker_options *o, struct og_error *err)
{
	if (o->tier)
		o->made[0] = og_printf("worker.tier=%s", o->tier);
	if (o->slots)
		o->made[1] = og_printf("worker.slots=%s", o->slots);
	for (size_t i = 0; i < OG_COUNT(o->made); i++)
		if (o->made[i] && og_list_add(&o->sets, o->made[i], err) < 0)
			return -1;
	return o->no_serve ? og_list_add(&o->sets, "node.serve=no", err) : 0;
}

int og_worker_options_parse(int argc, char **argv, struct og_worker_options *ret, struct og_error *err)
{
	struct og_worker_options o = {.instance = 1};
	const struct og_options set = {rows, OG_COUNT(rows), &o};

	if (og_options_of_program(&set, argc, argv, err) < 0)
		return -1;
	if (make_sets(&o, err) < 0) {
		og_worker_options_done(&o);
		return -1;
	}
	*ret = o;
	return 0;
}

void og_worker_options_done(struct og_worker_options *o)
{
	for (size_t i = 0; i < OG_COUNT(o->made); i++)
		og_free_at(&o->made[i]);
}
