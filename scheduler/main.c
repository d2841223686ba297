/* og-scheduler: places prompts. docs/SCHEDULER.md says how it decides. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "model/tenants.h"
#include "service/daemon.h"
#include "shell/scheduler.h"

#define KEY_CAP      1024
#define REDIS_WINDOW 8192
#define DRAIN_MS     3000
#define ROLE         "scheduler"

struct program {
	struct og_daemon daemon;
	struct og_tenants *tenants;
	uv_signal_t hangup;
	char *lease_key;
	size_t lease_key_len;
	struct og_scheduler *scheduler;
};

static int load_lease_key(struct program *p, struct og_error *err)
{
	og_autofree char *path = og_path_join(p->daemon.settings.secrets, "lease.key");

	if (og_file_read(path, KEY_CAP, &p->lease_key, &p->lease_key_len, err) != 0)
		return og_fail_in(err, "the lease key (run og-broker-config apply)");
	while (p->lease_key_len && strchr(" \r\n", p->lease_key[p->lease_key_len - 1]))
		p->lease_key_len--;
	return p->lease_key_len >= 32 ? 0
	                              : og_fail(err, OG_FATAL, "%s holds no key: it is shorter than 32 bytes", path);
}

static int load(struct og_daemon *d, struct og_error *err)
{
	struct program *p = (struct program *)d;

	return og_tenants_load(d->settings.tenants, &p->tenants, err) < 0 ? -1 : load_lease_key(p, err);
}

/* --- connections --- */

static int dial_amqp(
	void *ctx, const char *name, const struct og_amqp_events *events, struct og_amqp **ret, struct og_error *err)
{
	struct program *p = ctx;

	return og_service_amqp(&p->daemon.loop, &p->daemon.settings, ROLE, name, false, events, ret, err);
}

static struct og_redis *dial_redis(void *ctx, const struct og_redis_events *events, struct og_error *err)
{
	struct program *p = ctx;
	const struct og_redis_config config = {
		.address = p->daemon.settings.redis,
		.user = *p->daemon.settings.redis_user ? p->daemon.settings.redis_user : p->daemon.credentials.user,
		.password = p->daemon.credentials.password,
		.timeout_ms = p->daemon.settings.redis_timeout_ms,
		.window = REDIS_WINDOW,
	};

	return og_redis_open(&p->daemon.loop, &config, events, err);
}

/* --- the service --- */

static void on_state(void *ctx, bool ready, const char *text)
{
	og_info(text, NULL);
	og_daemon_state(ctx, ready, text);
}

static void on_drain(void *ctx)
{
	struct program *p = ctx;

	og_scheduler_drain(p->scheduler);
}

/* The tenants are read anew; where the file is wrong, the old ones stay. */
static void on_hangup(uv_signal_t *handle, int number)
{
	struct program *p = handle->data;
	struct og_tenants *old = p->tenants;
	struct og_error err;

	(void)number;
	if (og_tenants_load(p->daemon.settings.tenants, &p->tenants, &err) != 0) {
		og_error_log(err.message, "hint=\"the tenants are as they were\"");
		return;
	}
	og_info("the tenants were read", "file=%s tenants=%zu", p->daemon.settings.tenants, p->tenants->n);
	og_scheduler_set_tenants(p->scheduler, p->tenants);
	og_tenants_free(old);
}

static void on_stop(void *ctx)
{
	struct program *p = ctx;

	if (p->hangup.data)
		uv_close((uv_handle_t *)&p->hangup, NULL);
	if (p->scheduler)
		og_scheduler_stop(p->scheduler);
}

static void on_status(void *ctx, json_t *status)
{
	struct program *p = ctx;

	og_scheduler_status(p->scheduler, status);
}

static void serve(struct og_daemon *d, struct og_service_config *service)
{
	(void)d;
	service->drain_ms = DRAIN_MS;
	service->on_drain = on_drain;
	service->on_stop = on_stop;
	service->on_status = on_status;
}

static int start(struct og_daemon *d, struct og_error *err)
{
	struct program *p = (struct program *)d;
	const struct og_scheduler_config config = {
		.settings = &d->settings,
		.catalogue = d->catalogue,
		.tenants = p->tenants,
		.user = d->credentials.user,
		.lease_key = p->lease_key,
		.lease_key_len = p->lease_key_len,
		.dialer = {.amqp = dial_amqp, .redis = dial_redis, .ctx = p},
		.on_state = on_state,
		.on_drained = og_daemon_drained,
		.on_refused = og_daemon_refused,
		.ctx = p,
	};

	if (og_scheduler_start(&d->loop, &config, &p->scheduler, err) != 0)
		return -1;
	uv_signal_init(&d->loop, &p->hangup);
	p->hangup.data = p;
	uv_signal_start(&p->hangup, on_hangup, SIGHUP);
	return 0;
}

static void free_scheduler(struct og_daemon *d)
{
	struct program *p = (struct program *)d;

	og_scheduler_free(p->scheduler);
	og_tenants_free(p->tenants);
	free(p->lease_key);
}

static const struct og_daemon_kind kind = {
	.name = "og-scheduler",
	.role = ROLE,
	.about = "Places the cluster's prompts and keeps track of them. Run two or more: one leads, the others stand "
		 "by.\n",
	.notes = "It stops at SIGTERM or SIGINT, after what it is moving has moved.\n"
		 "At SIGHUP it reads the file of the tenants anew.\n",
	.load = load,
	.serve = serve,
	.start = start,
	.free = free_scheduler,
};

int main(int argc, char **argv)
{
	struct program p = {0};

	return og_daemon_main(&p.daemon, &kind, argc, argv);
}
