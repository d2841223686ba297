#include "options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"

#define INSTANCE_MAX 9999

enum { OPT_TIER = 256, OPT_SLOTS, OPT_INSTANCE, OPT_NO_SERVE, OPT_CONFIG, OPT_SET, OPT_VERSION };

static const struct option longs[] = {
	{"tier", required_argument, NULL, OPT_TIER},
	{"slots", required_argument, NULL, OPT_SLOTS},
	{"instance", required_argument, NULL, OPT_INSTANCE},
	{"no-serve", no_argument, NULL, OPT_NO_SERVE},
	{"config", required_argument, NULL, OPT_CONFIG},
	{"set", required_argument, NULL, OPT_SET},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

void og_worker_options_help(FILE *out)
{
	fputs("usage: og-worker [options]\n"
	      "\n"
	      "Joins the cluster as a node, and answers prompts with this machine's engine.\n"
	      "\n"
	      "  --tier TIER          the tier to serve; default: the best that this machine is\n"
	      "                       eligible for and the engine serves (worker.tier)\n"
	      "  --slots N            prompts at a time; default: what the engine says, else 1\n"
	      "                       (worker.slots)\n"
	      "  --instance N         to run several workers of one tier on one node; default 1\n"
	      "  --no-serve           be a peer that answers nothing (node.serve, POC_SERVE=0)\n"
	      "  --config FILE        the settings; default: config.ini in OPENGATEWAY_POC_ROOT\n"
	      "  --set SECTION.KEY=V  one setting; may be given several times\n"
	      "  --help, --version\n"
	      "\n"
	      "SIGTERM lets running prompts end (worker.drain); a second one does not wait.\n"
	      "Exit status: 0 stopped as told, 1 it could not start, 2 wrong usage.\n",
		out);
}

static int add_set(struct og_worker_options *o, const char *prefix, const char *value, struct og_error *err)
{
	if (o->n_sets == OG_WORKER_SETS_MAX)
		return og_fail(err, OG_INVALID, "more than %d settings on the command line", OG_WORKER_SETS_MAX);
	o->sets[o->n_sets++] = og_printf("%s%s", prefix, value);
	return 0;
}

static int take(struct og_worker_options *o, int option, const char *value, struct og_error *err)
{
	int64_t n;

	switch (option) {
	case OPT_TIER:
		return add_set(o, "worker.tier=", value, err);
	case OPT_SLOTS:
		return add_set(o, "worker.slots=", value, err);
	case OPT_NO_SERVE:
		return add_set(o, "node.serve=", "no", err);
	case OPT_SET:
		return add_set(o, "", value, err);
	case OPT_CONFIG:
		o->config = value;
		return 0;
	case OPT_INSTANCE:
		if (og_parse_int(value, 1, INSTANCE_MAX, &n, err) < 0)
			return og_fail_in(err, "--instance");
		o->instance = (long)n;
		return 0;
	case OPT_VERSION:
		o->version = true;
		return 0;
	case 'h':
		o->help = true;
		return 0;
	default:
		return -1;
	}
}

int og_worker_options_parse(int argc, char **argv, struct og_worker_options *ret, struct og_error *err)
{
	struct og_worker_options o = {.instance = 1};
	int option;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (option == '?')
			og_fail(err, OG_INVALID, "unknown option %s", argv[optind - 1]);
		else if (option == ':')
			og_fail(err, OG_INVALID, "%s wants a value", argv[optind - 1]);
		if (take(&o, option, optarg, err) < 0) {
			og_worker_options_done(&o);
			return -1;
		}
	}
	if (optind < argc) {
		og_worker_options_done(&o);
		return og_fail(err, OG_INVALID, "'%s' is no option", argv[optind]);
	}
	*ret = o;
	return 0;
}

void og_worker_options_done(struct og_worker_options *o)
{
	for (size_t i = 0; i < o->n_sets; i++)
		free(o->sets[i]);
	o->n_sets = 0;
}
