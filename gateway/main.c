/* og-gateway: serves the cluster over HTTP to the clients that people have. docs/GATEWAY.md tells what it answers. */
#include <stdio.h>
#include <sys/resource.h>

#include "base/log.h"
#include "gateway.h"
#include "service/daemon.h"

struct program {
	struct og_daemon daemon;
	struct og_gateway *gateway;
};

/* Each of its clients may send a prompt at the same moment. */
static int load(struct og_daemon *d, struct og_error *err)
{
	(void)err;
	if (d->settings.broker_window < d->settings.gateway_connections_max)
		d->settings.broker_window = d->settings.gateway_connections_max;
	return 0;
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
	og_daemon_state(ctx, ready, text);
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

static void serve(struct og_daemon *d, struct og_service_config *service)
{
	service->drain_ms = d->settings.gateway_drain_ms;
	service->on_drain = on_drain;
	service->on_stop = on_stop;
	service->on_status = on_status;
	service->on_ask = on_ask;
}

static int start(struct og_daemon *d, struct og_error *err)
{
	struct program *p = (struct program *)d;
	const struct og_gateway_config config = {.settings = &d->settings,
		.catalogue = d->catalogue,
		.credentials = &d->credentials,
		.on_state = on_state,
		.on_refused = og_daemon_refused,
		.on_drained = og_daemon_drained,
		.on_first_key = on_first_key,
		.ctx = p};

	allow_descriptors();
	return og_gateway_start(&d->loop, &config, &p->gateway, err);
}

static void free_gateway(struct og_daemon *d)
{
	og_gateway_free(((struct program *)d)->gateway);
}

static const struct og_daemon_kind kind = {
	.name = "og-gateway",
	.role = "gateway",
	.about = "Serves the cluster over HTTP: OpenAI's, Ollama's and Anthropic's clients can use it as it is. Run as "
		 "many "
		 "as you like.\n",
	.notes = "At SIGTERM or SIGINT it takes no more requests and lets those under way end (gateway.drain); a "
		 "second one "
		 "does not wait.\n",
	.load = load,
	.serve = serve,
	.start = start,
	.free = free_gateway,
};

int main(int argc, char **argv)
{
	struct program p = {0};

	return og_daemon_main(&p.daemon, &kind, argc, argv);
}
