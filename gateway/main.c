/* og-gateway: serves the cluster over HTTP to the clients that people have. docs/GATEWAY.md tells what it answers. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/options.h"
#include "gateway.h"
#include "service/service.h"

#define ROLE "gateway"

struct program {
	uv_loop_t loop;
	struct og_settings settings;
	struct og_credentials credentials;
	struct og_catalogue *catalogue;
	struct og_service *service;
	struct og_gateway *gateway;
	int status;
};

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
		"of its control socket, <root>/run/gateway-NAME.sock; default: its process id"},
	{"help", 'h', NULL, OG_OPTION_FLAG, offsetof(struct options, help), 0, 0, "show this"},
	{"version", 0, NULL, OG_OPTION_FLAG, offsetof(struct options, version), 0, 0, "show the version"},
};

static int help(void)
{
	fputs("usage: og-gateway [options]\n\n"
	      "Serves the cluster over HTTP: OpenAI's, Ollama's and Anthropic's clients can use it as it is. Run as "
	      "many "
	      "as you like.\n\n",
		stdout);
	og_options_print(rows, OG_COUNT(rows), false, stdout);
	fputs("\nAt SIGTERM or SIGINT it takes no more requests and lets those under way end (gateway.drain); a second "
	      "one "
	      "does not wait.\n"
	      "Exit status: 0 stopped as told, 1 it failed, 2 wrong usage.\n",
		stdout);
	return EXIT_SUCCESS;
}

static int load(struct program *p, const struct options *o, struct og_error *err)
{
	enum og_log_level level;

	if (og_settings_load(o->config, o->sets.items, &p->settings, err) != 0)
		return -1;
	og_log_level_parse(p->settings.log_level, &level, NULL);
	og_log_init("og-gateway", level);
	/* Each of its clients may send a prompt at the same moment. */
	if (p->settings.broker_window < p->settings.gateway_connections_max)
		p->settings.broker_window = p->settings.gateway_connections_max;
	if (og_credentials_load(&p->settings, ROLE, &p->credentials, err) != 0)
		return -1;
	return og_catalogue_load(p->settings.catalogue, &p->catalogue, err);
}

/* A connection is a descriptor, one that waits is two: as many as we may have. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* ── the service ── */

static void on_state(void *ctx, bool ready, const char *text)
{
	struct program *p = ctx;

	og_info(text, "port=%d", og_gateway_port(p->gateway));
	if (ready)
		og_service_ready(p->service, text);
	else
		og_service_not_ready(p->service, text);
}

static void on_refused(void *ctx, const struct og_error *why)
{
	struct program *p = ctx;

	og_error_log(
		why->message, "hint=\"check cluster.id and the gateway's credentials, or run og-broker-config apply\"");
	p->status = EXIT_FAILURE;
	og_service_stop(p->service);
}

static void on_drained(void *ctx)
{
	struct program *p = ctx;

	og_service_stop(p->service);
}

static void on_drain(void *ctx)
{
	struct program *p = ctx;

	og_info("Draining", NULL);
	og_gateway_drain(p->gateway);
}

static void on_stop(void *ctx)
{
	struct program *p = ctx;

	if (p->gateway)
		og_gateway_stop(p->gateway);
}

static void on_status(void *ctx, json_t *status)
{
	struct program *p = ctx;

	if (p->gateway)
		og_gateway_status(p->gateway, status);
}

static bool on_ask(void *ctx, const char *verb, const json_t *request, struct og_control_ask *ask)
{
	struct program *p = ctx;

	return p->gateway && og_gateway_ask(p->gateway, verb, request, ask);
}

/* Shown once: on the terminal, or in the log of whoever started us. */
static void on_first_key(void *ctx, const char *secret, const char *path, const struct og_error *err)
{
	(void)ctx;
	if (err)
		og_error_log(err->message, "hint=\"make a key: og keys create NAME --admin\"");
	if (!secret)
		return;
	printf("The first API key, an admin's, which is in %s too: %s\n", path, secret);
	fflush(stdout);
}

static int start_service(struct program *p, const struct options *o, struct og_error *err)
{
	og_autofree char *run = og_path_join(p->settings.root, "run");
	og_autofree char *name = o->name ? og_strdup(o->name) : og_printf("%d", (int)getpid());
	og_autofree char *file = og_printf("gateway-%s.sock", name);
	og_autofree char *path = og_path_join(run, file);
	const struct og_service_config config = {
		.name = "og-gateway",
		.control_path = path,
		.drain_ms = p->settings.gateway_drain_ms,
		.on_drain = on_drain,
		.on_stop = on_stop,
		.on_status = on_status,
		.on_ask = on_ask,
		.ctx = p,
	};

	return og_mkdir_p(run, 0700, err) != 0 ? -1 : og_service_start(&p->loop, &config, &p->service, err);
}

static int start_gateway(struct program *p, struct og_error *err)
{
	const struct og_gateway_config config = {.settings = &p->settings,
		.catalogue = p->catalogue,
		.credentials = &p->credentials,
		.on_state = on_state,
		.on_refused = on_refused,
		.on_drained = on_drained,
		.on_first_key = on_first_key,
		.ctx = p};

	allow_descriptors();
	return og_gateway_start(&p->loop, &config, &p->gateway, err);
}

int main(int argc, char **argv)
{
	struct program p = {.status = EXIT_SUCCESS};
	struct options options = {0};
	const struct og_options set = {rows, OG_COUNT(rows), &options};
	struct og_error err;

	if (og_options_of_program(&set, argc, argv, &err) != 0) {
		fprintf(stderr, "og-gateway: %s (og-gateway --help tells the options)\n", err.message);
		return 2;
	}
	if (options.help)
		return help();
	if (options.version)
		return puts("og-gateway " OG_VERSION) == EOF;
	og_log_init("og-gateway", OG_LOG_INFO);
	uv_loop_init(&p.loop);
	if (load(&p, &options, &err) != 0 || start_service(&p, &options, &err) != 0) {
		og_error_log(err.message, NULL);
		p.status = EXIT_FAILURE;
	} else {
		if (start_gateway(&p, &err) != 0) {
			og_error_log(err.message, NULL);
			p.status = EXIT_FAILURE;
			og_service_stop(p.service);
		}
		uv_run(&p.loop, UV_RUN_DEFAULT);
	}
	og_gateway_free(p.gateway);
	og_service_free(p.service);
	uv_loop_close(&p.loop);
	free(p.catalogue);
	og_settings_done(&p.settings);
	return p.status;
}
