#include "service/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/options.h"

#define EXIT_USAGE 2

struct options {
	const char *config, *name;
	struct og_list sets;
	bool help, version;
};

static const struct og_option rows[] = {
	{"config", 0, "FILE", OG_OPTION_TEXT, offsetof(struct options, config), 0, 0,
		"the settings; default: config.ini in OPENGATEWAY_POC_ROOT"},
	{"set", 0, "SECTION.KEY=VALUE", OG_OPTION_LIST, offsetof(struct options, sets), 0, 0,
		"one setting; may be given several times"},
	{"name", 0, "NAME", OG_OPTION_TEXT, offsetof(struct options, name), 0, 0,
		"of its control socket in <root>/run; default: its process id"},
	{"help", 'h', NULL, OG_OPTION_FLAG, offsetof(struct options, help), 0, 0, "show this"},
	{"version", 0, NULL, OG_OPTION_FLAG, offsetof(struct options, version), 0, 0, "show the version"},
};

static void help(const struct og_daemon_kind *kind)
{
	printf("usage: %s [options]\n\n%s\n", kind->name, kind->about);
	og_options_print(rows, OG_COUNT(rows), false, stdout);
	printf("\n%sExit status: 0 stopped as told, 1 it failed, 2 wrong usage.\n", kind->notes);
}

int og_daemon_settings(
	const char *name, const char *file, const char *const *sets, struct og_settings *ret, struct og_error *err)
{
	enum og_log_level level;

	if (og_settings_load(file, sets, ret, err) < 0)
		return -1;
	og_log_level_parse(ret->log_level, &level, NULL); /* it is one of them: the settings' table has seen to it */
	og_log_init(name, level);
	return 0;
}

static int load(struct og_daemon *d, const struct options *o, struct og_error *err)
{
	const struct og_daemon_kind *kind = d->kind;

	if (og_daemon_settings(kind->name, o->config, o->sets.items, &d->settings, err) < 0 ||
		og_credentials_load(&d->settings, kind->role, &d->credentials, err) < 0 ||
		og_catalogue_load(d->settings.catalogue, &d->catalogue, err) < 0)
		return -1;
	return kind->load ? kind->load(d, err) : 0;
}

static int serve(struct og_daemon *d, const struct options *o, struct og_error *err)
{
	const struct og_daemon_kind *kind = d->kind;
	og_autofree char *run = og_path_join(d->settings.root, "run");
	og_autofree char *file = o->name ? og_printf("%s-%s.sock", kind->role, o->name)
	                                 : og_printf("%s-%d.sock", kind->role, (int)getpid());
	og_autofree char *path = og_path_join(run, file);
	struct og_service_config config = {.name = kind->name, .control_path = path, .ctx = d};

	kind->serve(d, &config);
	return og_mkdir_p(run, 0700, err) < 0 ? -1 : og_service_start(&d->loop, &config, &d->service, err);
}

static void fail(struct og_daemon *d, const struct og_error *err)
{
	og_error_log(err->message, NULL);
	d->status = EXIT_FAILURE;
}

void og_daemon_state(void *daemon, bool ready, const char *text)
{
	struct og_daemon *d = daemon;

	if (ready)
		og_service_ready(d->service, text);
	else
		og_service_not_ready(d->service, text);
}

void og_daemon_drained(void *daemon)
{
	struct og_daemon *d = daemon;

	og_service_stop(d->service);
}

void og_daemon_refused(void *daemon, const struct og_error *why)
{
	struct og_daemon *d = daemon;

	og_error_log(why->message, "hint=\"check cluster.id and the %s's credentials, or run og-broker-config apply\"",
		d->kind->role);
	d->status = EXIT_FAILURE;
	og_service_stop(d->service);
}

static void run(struct og_daemon *d, const struct options *o)
{
	struct og_error err;

	if (load(d, o, &err) < 0 || serve(d, o, &err) < 0) {
		fail(d, &err);
		return;
	}
	if (d->kind->start(d, &err) < 0) {
		fail(d, &err);
		og_service_stop(d->service);
	}
	uv_run(&d->loop, UV_RUN_DEFAULT);
}

int og_daemon_main(struct og_daemon *d, const struct og_daemon_kind *kind, int argc, char **argv)
{
	struct options options = {0};
	const struct og_options set = {rows, OG_COUNT(rows), &options};
	struct og_error err;

	if (og_options_of_program(&set, argc, argv, &err) < 0) {
		fprintf(stderr, "%s: %s (%s --help tells the options)\n", kind->name, err.message, kind->name);
		return EXIT_USAGE;
	}
	if (options.help || options.version) {
		if (options.help)
			help(kind);
		else
			printf("%s %s\n", kind->name, OG_VERSION);
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	d->kind = kind;
	og_log_init(kind->name, OG_LOG_INFO);
	uv_loop_init(&d->loop);
	run(d, &options);
	kind->free(d);
	og_service_free(d->service);
	uv_loop_close(&d->loop);
	free(d->catalogue);
	og_settings_done(&d->settings);
	return d->status;
}
