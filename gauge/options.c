#include "options.h"

#include "base/alloc.h"
#include "base/options.h"

#define AT(field) offsetof(struct og_gauge_command, field)

static const struct og_option rows[] = {
	{"print", 0, NULL, OG_OPTION_FLAG, AT(print_only), 0, 0, "only print, do not write resources.json"},
	{"eligible", 0, NULL, OG_OPTION_FLAG, AT(eligible), 0, 0,
		"show each tier of the catalogue and why this machine may not serve it"},
	{"bench", 0, NULL, OG_OPTION_FLAG, AT(bench), 0, 0, "also measure memory and arithmetic, for about 2 s"},
	{"json", 0, NULL, OG_OPTION_FLAG, AT(json), 0, 0, "print JSON"},
	{"root", 0, "DIR", OG_OPTION_TEXT, AT(root), 0, 0,
		"the data root; default: $OPENGATEWAY_POC_ROOT, else ~/.opengateway-poc"},
	{"catalogue", 0, "FILE", OG_OPTION_TEXT, AT(catalogue), 0, 0,
		"the tiers; default: as in <root>/config.ini, else the built-in ones"},
	{"sample", 0, NULL, OG_OPTION_FLAG, AT(sample), 0, 0,
		"only print the built-in tiers, as a catalogue.ini to change"},
	{"help", 'h', NULL, OG_OPTION_FLAG, AT(help), 0, 0, "show this"},
	{"version", 0, NULL, OG_OPTION_FLAG, AT(version), 0, 0, "show the version"},
};

void og_gauge_command_help(FILE *out)
{
	fputs("usage: og-gauge [options]\n\n"
	      "Gauges this machine, writes <root>/resources.json, and says what it found.\n\n",
		out);
	og_options_print(rows, OG_COUNT(rows), false, out);
	fputs("\nExit status:\n"
	      "  0  done\n"
	      "  1  something failed: resources.json was not written (the old one stays), config.ini is wrong\n"
	      "  2  wrong usage\n"
	      "  3  the catalogue cannot be read, or has a mistake\n"
	      "  4  with --eligible: this machine may serve no tier\n\n"
	      "What each measure means: docs/GAUGE.md\n",
		out);
}

int og_gauge_command_parse(int argc, char **argv, struct og_gauge_command *ret, struct og_error *err)
{
	struct og_gauge_command c = {0};
	const struct og_options set = {rows, OG_COUNT(rows), &c};

	if (og_options_of_program(&set, argc, argv, err) < 0)
		return -1;
	*ret = c;
	return 0;
}
