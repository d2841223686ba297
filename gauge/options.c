#include "options.h"

#include <getopt.h>

void og_gauge_command_help(FILE *out)
{
	fputs("Usage: og-gauge [OPTION]...\n"
	      "Gauges this machine, writes <root>/resources.json, and says what it found.\n"
	      "\n"
	      "      --write           write resources.json (the default)\n"
	      "      --print           do not write it\n"
	      "      --eligible        show each tier of the catalogue and why this machine may not serve it\n"
	      "      --bench           also measure memory and arithmetic, for about 2 s\n"
	      "      --json            print JSON\n"
	      "      --root DIR        the data root; default: $OPENGATEWAY_POC_ROOT, else ~/.opengateway-poc\n"
	      "      --catalogue FILE  the tiers; default: as in <root>/config.ini, else the built-in ones\n"
	      "      --sample          only print the built-in tiers, as a catalogue.ini to change\n"
	      "      --help            show this\n"
	      "\n"
	      "Exit status:\n"
	      "  0  done\n"
	      "  1  something failed: resources.json was not written (the old one stays), config.ini is wrong\n"
	      "  2  wrong usage\n"
	      "  3  the catalogue cannot be read, or has a mistake\n"
	      "  4  with --eligible: this machine may serve no tier\n"
	      "\n"
	      "What each measure means: docs/GAUGE.md\n",
		out);
}

int og_gauge_command_parse(int argc, char **argv, struct og_gauge_command *ret)
{
	enum { JSON, PRINT, WRITE, ELIGIBLE, BENCH, ROOT, CATALOGUE, SAMPLE, HELP };
	static const struct option options[] = {
		{"json", no_argument, NULL, JSON},
		{"print", no_argument, NULL, PRINT},
		{"write", no_argument, NULL, WRITE},
		{"eligible", no_argument, NULL, ELIGIBLE},
		{"bench", no_argument, NULL, BENCH},
		{"root", required_argument, NULL, ROOT},
		{"catalogue", required_argument, NULL, CATALOGUE},
		{"sample", no_argument, NULL, SAMPLE},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	struct og_gauge_command c = {0};
	int option;

	optind = 0; /* start afresh: tests parse more than once */
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case JSON:
			c.json = true;
			break;
		case PRINT:
			c.print_only = true;
			break;
		case WRITE:
			c.print_only = false;
			break;
		case ELIGIBLE:
			c.eligible = true;
			break;
		case BENCH:
			c.bench = true;
			break;
		case ROOT:
			c.root = optarg;
			break;
		case CATALOGUE:
			c.catalogue = optarg;
			break;
		case SAMPLE:
			c.sample = true;
			break;
		case HELP:
			c.help = true;
			break;
		default: /* getopt has said what */
			return -1;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "og-gauge: '%s' is no option, and there are no arguments\n", argv[optind]);
		return -1;
	}
	*ret = c;
	return 0;
}
