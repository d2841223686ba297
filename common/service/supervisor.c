#include "service/supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "service/keeper.h"
#include "service/orphans.h"
#include "service/service.h"

#define DRAIN_MS 86400000 /* each service's stop_ms bounds the stop */

struct supervisor {
	uv_loop_t loop;
	struct og_service *service;
	struct og_keeper *keeper;
};

static void on_change(void *ctx)
{
	struct supervisor *s = ctx;
	const char *waiting_for;
	og_autofree char *status = NULL;

	if (og_keeper_ready(s->keeper, &waiting_for)) {
		og_service_ready(s->service, "all services are ready");
		return;
	}
	status = og_printf("waiting for %s", waiting_for);
	og_service_not_ready(s->service, status);
}

static void on_stopped(void *ctx)
{
	struct supervisor *s = ctx;

	og_service_stop(s->service);
}

static void on_drain(void *ctx)
{
	struct supervisor *s = ctx;

	og_keeper_stop(s->keeper);
}

static void on_stop(void *ctx)
{
	struct supervisor *s = ctx;

	og_keeper_close(s->keeper);
}

static void on_status(void *ctx, json_t *status)
{
	struct supervisor *s = ctx;

	json_object_set_new(status, "services", og_keeper_status(s->keeper));
}

static int on_control(void *ctx, const char *verb, const json_t *request, json_t *answer, struct og_error *err)
{
	struct supervisor *s = ctx;

	if (strcmp(verb, "stop") == 0) {
		og_service_drain(s->service);
		return 0;
	}
	if (strcmp(verb, "reload") == 0)
		return og_keeper_load(s->keeper, answer, err);
	if (strcmp(verb, "restart") == 0)
		return og_keeper_restart(s->keeper, json_string_value(json_object_get(request, "name")), err);
	return og_fail(err, OG_INVALID, "unknown verb '%s': there are status, stop, restart and reload", verb);
}

static int make_folders(const char *root, struct og_error *err)
{
	static const char *const names[] = {"run", "logs", "services"};

	for (size_t i = 0; i < OG_COUNT(names); i++) {
		og_autofree char *path = og_path_join(root, names[i]);

		if (og_mkdir_p(path, 0700, err) != 0)
			return -1;
	}
	return 0;
}

/* The socket is the lock: who has it may end what an earlier one left, and only then start its own. */
static int start(struct supervisor *s, const char *root, struct og_error *err)
{
	og_autofree char *path = og_path_join(root, "run/supervisor.sock");
	const struct og_keeper_events events = {.on_change = on_change, .on_stopped = on_stopped, .ctx = s};
	const struct og_service_config config = {
		.name = "supervisor",
		.control_path = path,
		.drain_ms = DRAIN_MS,
		.on_drain = on_drain,
		.on_stop = on_stop,
		.on_status = on_status,
		.on_control = on_control,
		.ctx = s,
	};
	unsigned orphans;

	if (og_service_start(&s->loop, &config, &s->service, err) != 0)
		return -1;
	orphans = og_orphans_end(root, OG_SUPERVISOR_ORPHANS_MS);
	if (orphans)
		og_warn("ended what an earlier supervisor left running", "processes=%u", orphans);
	s->keeper = og_keeper_new(&s->loop, root, &events);
	on_change(s);
	if (og_keeper_load(s->keeper, NULL, err) == 0)
		return 0;
	og_service_stop(s->service);
	return -1;
}

int og_supervisor_run(const char *root, struct og_error *err)
{
	struct supervisor s = {0};
	og_autofree char *real = realpath(root, NULL);
	int rc;

	if (!real)
		return og_fail(err, OG_FATAL, "%s: %s", root, strerror(errno));
	umask(077); /* what the services keep (jobs, answers, logs) is this user's alone */
	if (make_folders(real, err) != 0)
		return -1;
	uv_loop_init(&s.loop);
	rc = start(&s, real, err);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	uv_loop_close(&s.loop);
	og_keeper_free(s.keeper);
	og_service_free(s.service);
	return rc;
}
