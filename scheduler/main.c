/* og-scheduler: places prompts. docs/SCHEDULER.md says how it decides. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/options.h"
#include "model/tenants.h"
#include "service/service.h"
#include "shell/scheduler.h"

#define KEY_CAP      1024
#define REDIS_WINDOW 8192
#define DRAIN_MS     3000
#define CREDENTIALS  "scheduler"

struct program {
	uv_loop_t loop;
	struct og_settings settings;
	struct og_catalogue *catalogue;
	struct og_tenants *tenants;
	uv_signal_t hangup;
	struct og_credentials credentials;
	char *lease_key;
	size_t lease_key_len;
	struct og_service *service;
	struct og_scheduler *scheduler;
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
		"of its control socket, <root>/run/scheduler-NAME.sock; default: its process id"},
	{"help", 'h', NULL, OG_OPTION_FLAG, offsetof(struct options, help), 0, 0, "show this"},
	{"version", 0, NULL, OG_OPTION_FLAG, offsetof(struct options, version), 0, 0, "show the version"},
};

static int help(void)
{
	fputs("usage: og-scheduler [options]\n\n"
	      "Places the cluster's prompts and keeps track of them. Run two or more: one leads, the others stand "
	      "by.\n\n",
		stdout);
	og_options_print(rows, OG_COUNT(rows), false, stdout);
	fputs("\nIt stops at SIGTERM or SIGINT, after what it is moving has moved.\n"
	      "At SIGHUP it reads the file of the tenants anew.\n"
	      "Exit status: 0 stopped as told, 1 it failed, 2 wrong usage.\n",
		stdout);
	return EXIT_SUCCESS;
}

static int load_lease_key(struct program *p, struct og_error *err)
{
	og_autofree char *path = og_path_join(p->settings.secrets, "lease.key");

	if (og_file_read(path, KEY_CAP, &p->lease_key, &p->lease_key_len, err) != 0)
		return og_fail_in(err, "the lease key (run og-broker-config apply)");
	while (p->lease_key_len && strchr(" \r\n", p->lease_key[p->lease_key_len - 1]))
		p->lease_key_len--;
	return p->lease_key_len >= 32 ? 0
	                              : og_fail(err, OG_FATAL, "%s holds no key: it is shorter than 32 bytes", path);
}

static int load(struct program *p, const struct options *o, struct og_error *err)
{
	enum og_log_level level;

	if (og_settings_load(o->config, o->sets.items, &p->settings, err) != 0)
		return -1;
	og_log_level_parse(p->settings.log_level, &level, NULL);
	og_log_init("og-scheduler", level);
	if (og_credentials_load(&p->settings, CREDENTIALS, &p->credentials, err) != 0 ||
		og_catalogue_load(p->settings.catalogue, &p->catalogue, err) != 0 ||
		og_tenants_load(p->settings.tenants, &p->tenants, err) != 0 || load_lease_key(p, err) != 0)
		return -1;
	return 0;
}

/* --- connections --- */

static int dial_amqp(
	void *ctx, const char *name, const struct og_amqp_events *events, struct og_amqp **ret, struct og_error *err)
{
	struct program *p = ctx;

	return og_service_amqp(&p->loop, &p->settings, CREDENTIALS, name, false, events, ret, err);
}

static struct og_redis *dial_redis(void *ctx, const struct og_redis_events *events, struct og_error *err)
{
	struct program *p = ctx;
	const struct og_redis_config config = {
		.address = p->settings.redis,
		.user = *p->settings.redis_user ? p->settings.redis_user : p->credentials.user,
		.password = p->credentials.password,
		.timeout_ms = p->settings.redis_timeout_ms,
		.window = REDIS_WINDOW,
	};

	return og_redis_open(&p->loop, &config, events, err);
}

/* --- the service --- */

static void on_state(void *ctx, bool ready, const char *text)
{
	struct program *p = ctx;

	og_info(text, NULL);
	if (ready)
		og_service_ready(p->service, text);
	else
		og_service_not_ready(p->service, text);
}

static void on_refused(void *ctx, const struct og_error *why)
{
	struct program *p = ctx;

	og_error_log(why->message,
		"hint=\"check cluster.id and the scheduler's credentials, or run og-broker-config apply\"");
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

	og_scheduler_drain(p->scheduler);
}

/* The tenants are read anew; where the file is wrong, the old ones stay. */
static void on_hangup(uv_signal_t *handle, int number)
{
	struct program *p = handle->data;
	struct og_tenants *old = p->tenants;
	struct og_error err;

	(void)number;
	if (og_tenants_load(p->settings.tenants, &p->tenants, &err) != 0) {
		og_error_log(err.message, "hint=\"the tenants are as they were\"");
		return;
	}
	og_info("the tenants were read", "file=%s tenants=%zu", p->settings.tenants, p->tenants->n);
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

static int start_service(struct program *p, const struct options *o, struct og_error *err)
{
	og_autofree char *run = og_path_join(p->settings.root, "run");
	og_autofree char *name = o->name ? og_strdup(o->name) : og_printf("%d", (int)getpid());
	og_autofree char *file = og_printf("scheduler-%s.sock", name);
	og_autofree char *path = og_path_join(run, file);
	const struct og_service_config config = {
		.name = "og-scheduler",
		.control_path = path,
		.drain_ms = DRAIN_MS,
		.on_drain = on_drain,
		.on_stop = on_stop,
		.on_status = on_status,
		.ctx = p,
	};

	return og_mkdir_p(run, 0700, err) != 0 ? -1 : og_service_start(&p->loop, &config, &p->service, err);
}

static int start_scheduler(struct program *p, struct og_error *err)
{
	const struct og_scheduler_config config = {
		.settings = &p->settings,
		.catalogue = p->catalogue,
		.tenants = p->tenants,
		.user = p->credentials.user,
		.lease_key = p->lease_key,
		.lease_key_len = p->lease_key_len,
		.dialer = {.amqp = dial_amqp, .redis = dial_redis, .ctx = p},
		.on_state = on_state,
		.on_drained = on_drained,
		.on_refused = on_refused,
		.ctx = p,
	};

	if (og_scheduler_start(&p->loop, &config, &p->scheduler, err) != 0)
		return -1;
	uv_signal_init(&p->loop, &p->hangup);
	p->hangup.data = p;
	uv_signal_start(&p->hangup, on_hangup, SIGHUP);
	return 0;
}

static void done(struct program *p)
{
	og_scheduler_free(p->scheduler);
	og_service_free(p->service);
	uv_loop_close(&p->loop);
	free(p->lease_key);
	free(p->catalogue);
	og_tenants_free(p->tenants);
	og_settings_done(&p->settings);
}

int main(int argc, char **argv)
{
	struct program p = {.status = EXIT_SUCCESS};
	struct options options = {0};
	const struct og_options set = {rows, OG_COUNT(rows), &options};
	struct og_error err;

	if (og_options_of_program(&set, argc, argv, &err) != 0) {
		fprintf(stderr, "og-scheduler: %s (og-scheduler --help tells the options)\n", err.message);
		return 2;
	}
	if (options.help)
		return help();
	if (options.version)
		return puts("og-scheduler " OG_VERSION) == EOF;
	og_log_init("og-scheduler", OG_LOG_INFO);
	uv_loop_init(&p.loop);
	if (load(&p, &options, &err) != 0 || start_service(&p, &options, &err) != 0) {
		og_error_log(err.message, NULL);
		p.status = EXIT_FAILURE;
	} else {
		if (start_scheduler(&p, &err) != 0) {
			og_error_log(err.message, NULL);
			p.status = EXIT_FAILURE;
			og_service_stop(p.service);
		}
		uv_run(&p.loop, UV_RUN_DEFAULT);
	}
	done(&p);
	return p.status;
}
