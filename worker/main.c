#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "io/gauge.h"
#include "options.h"
#include "service/daemon.h"
#include "worker.h"

struct program {
	struct og_worker_options options;
	struct og_settings settings;
	struct og_node_id node;
	struct og_credentials credentials;
	struct og_catalogue *catalogue;
	struct og_profile profile;
	uv_loop_t loop;
	struct og_worker *worker;
	struct og_service *service;
};

static int load(struct program *p, struct og_error *err)
{
	const struct og_settings *s = &p->settings;

	if (og_daemon_settings("og-worker", p->options.config, p->options.sets.items, &p->settings, err) < 0)
		return -1;
	if (og_node_id_load(s, &p->node, err) < 0 || og_credentials_load(s, "worker", &p->credentials, err) < 0 ||
		og_catalogue_load(s->catalogue, &p->catalogue, err) < 0)
		return -1;
	if (s->serve && strcmp(s->tier, "auto") != 0 && !og_catalogue_find(p->catalogue, s->tier))
		return og_catalogue_unknown(p->catalogue, s->tier, NULL, err);
	if (s->serve)
		og_gauge_read(&(struct og_gauge_options){.root = s->root}, &p->profile);
	return 0;
}

/* "<node's folder>/worker-<tier or auto>-<n>.sock": what names a worker on its machine, so a second one of the name
 * is refused. */
static char *control_path(const struct program *p)
{
	const struct og_tier *t = og_catalogue_find(p->catalogue, p->settings.tier);
	const char *what = !p->settings.serve ? "peer" : t ? t->key : "auto";

	return og_printf("%s/worker-%s-%lld.sock", p->node.dir, what, (long long)p->options.instance);
}

static int run(struct program *p, struct og_error *err)
{
	og_autofree char *path = control_path(p);
	const struct og_worker_config config = {.settings = &p->settings,
		.node = &p->node,
		.credentials = &p->credentials,
		.catalogue = p->catalogue,
		.profile = p->settings.serve ? &p->profile : NULL,
		.instance = p->options.instance};
	struct og_service_config service = {.name = "og-worker",
		.control_path = path,
		.drain_ms = p->settings.drain_ms,
		.on_drain = og_worker_drain,
		.on_stop = og_worker_stop,
		.on_status = og_worker_status};
	int rc;

	uv_loop_init(&p->loop);
	p->worker = service.ctx = og_worker_new(&config);
	rc = og_service_start(&p->loop, &service, &p->service, err);
	if (rc == 0) {
		rc = og_worker_start(p->worker, &p->loop, p->service, err);
		if (rc < 0)
			og_service_stop(p->service);
	}
	uv_run(&p->loop, UV_RUN_DEFAULT);
	og_service_free(p->service);
	og_worker_free(p->worker);
	uv_loop_close(&p->loop);
	return rc;
}

int main(int argc, char **argv)
{
	struct program p = {0};
	struct og_error err;
	int rc;

	og_log_init("og-worker", OG_LOG_INFO);
	if (og_worker_options_parse(argc, argv, &p.options, &err) < 0) {
		fprintf(stderr, "og-worker: %s (og-worker --help tells the options)\n", err.message);
		return 2;
	}
	if (p.options.help || p.options.version) {
		if (p.options.help)
			og_worker_options_help(stdout);
		else
			puts("og-worker " OG_VERSION);
		og_worker_options_done(&p.options);
		return 0;
	}
	rc = load(&p, &err) == 0 && run(&p, &err) == 0 ? 0 : 1;
	if (rc)
		og_error_log(err.message, NULL);
	free(p.catalogue);
	og_settings_done(&p.settings);
	og_worker_options_done(&p.options);
	return rc;
}
