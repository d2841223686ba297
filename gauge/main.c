/* og-gauge: what this machine has, and which tiers it may serve. The readers are common/io/gauge*.c. */
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "io/gauge.h"
#include "model/settings.h"
#include "options.h"
#include "report.h"

static int complain(const struct og_error *err, enum og_gauge_exit status)
{
	fprintf(stderr, "og-gauge: %s\n", err->message);
	return (int)status;
}

/* A catalogue that was asked for by name must be there; the configured one need not. */
static int load_catalogue(
	const char *named, const struct og_settings *s, struct og_catalogue **ret, struct og_error *err)
{
	if (named && access(named, R_OK) < 0)
		return og_fail(err, OG_INVALID, "cannot read the catalogue %s: %m", named);
	return og_catalogue_load(named ? named : s->catalogue, ret, err);
}

static void gauge(const struct og_gauge_command *command, const char *root, struct og_profile *p)
{
	const struct og_gauge_options options = {.root = root};
	static struct og_profile old;

	og_gauge_read(&options, p);
	p->has_bench = command->bench;
	if (command->bench) {
		og_gauge_bench(p, &p->bench);
	} else if (!og_gauge_load(root, &old, NULL) && old.has_bench) {
		p->has_bench = true; /* the last measurement stays until there is another */
		p->bench = old.bench;
	}
}

/* How many tiers are met, where they were shown; else 1. */
static size_t report(const struct og_gauge_command *command, const struct og_profile *p, const struct og_catalogue *c)
{
	if (command->eligible)
		return command->json ? og_report_tiers_json(p, c, stdout) : og_report_tiers(p, c, stdout);
	if (command->json) {
		og_report_profile_json(p, stdout);
		return 1;
	}
	og_report_profile(p, stdout);
	og_report_eligible(p, c, stdout);
	return 1;
}

static int run(const struct og_gauge_command *command, const struct og_settings *settings)
{
	og_autofree struct og_catalogue *catalogue = NULL;
	og_autofree struct og_profile *profile = og_new(struct og_profile);
	struct og_error err;
	size_t met;

	if (load_catalogue(command->catalogue, settings, &catalogue, &err) < 0)
		return complain(&err, OG_GAUGE_CATALOGUE);
	gauge(command, settings->root, profile);
	met = report(command, profile, catalogue);
	if (fflush(stdout) == EOF)
		return og_fail(&err, OG_FATAL, "cannot write the report: %m"), complain(&err, OG_GAUGE_FAILED);
	if (!command->print_only && og_gauge_save(settings->root, profile, &err) < 0)
		return complain(&err, OG_GAUGE_FAILED);
	return met ? OG_GAUGE_DONE : OG_GAUGE_NOT_ELIGIBLE;
}

int main(int argc, char **argv)
{
	struct og_gauge_command command;
	struct og_settings settings;
	struct og_error err;
	int status;

	og_log_init("og-gauge", OG_LOG_WARN);
	if (og_gauge_command_parse(argc, argv, &command, &err) < 0) {
		fprintf(stderr, "og-gauge: %s (og-gauge --help tells the options)\n", err.message);
		return OG_GAUGE_USAGE;
	}
	if (command.help) {
		og_gauge_command_help(stdout);
		return OG_GAUGE_DONE;
	}
	if (command.version) {
		puts("og-gauge " OG_VERSION);
		return OG_GAUGE_DONE;
	}
	if (command.sample) {
		fputs(og_catalogue_default_text(), stdout);
		return OG_GAUGE_DONE;
	}
	if (command.root)
		setenv("OPENGATEWAY_POC_ROOT", command.root, 1); /* settings are found there too */
	if (og_settings_load(NULL, NULL, &settings, &err) < 0)
		return complain(&err, OG_GAUGE_FAILED);
	status = run(&command, &settings);
	og_settings_done(&settings);
	return status;
}
