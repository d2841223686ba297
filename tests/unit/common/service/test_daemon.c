#include "service/daemon.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "leaks.h"
#include "scratch.h"

/* A program whose start does what a test wants of it. */
static struct {
	struct og_daemon d;
	const char *fails; /* "load" or "start" */
	bool refused;      /* it starts, and the broker refuses it */
	int loads, serves, starts, stops, frees;
	bool socket; /* where --name says it is, while it runs */
} p;

static int load(struct og_daemon *d, struct og_error *err)
{
	p.loads++;
	cr_expect_str_eq(d->credentials.user, "thing-1");
	cr_expect_not_null(d->catalogue);
	return p.fails && !strcmp(p.fails, "load") ? og_fail(err, OG_FATAL, "no load") : 0;
}

static void on_stop(void *ctx)
{
	cr_expect_eq(ctx, &p.d);
	p.stops++;
}

static void serve(struct og_daemon *d, struct og_service_config *service)
{
	(void)d;
	p.serves++;
	service->on_stop = on_stop;
}

static int start(struct og_daemon *d, struct og_error *err)
{
	p.starts++;
	p.socket = access(scratch_path("run/thing-one.sock"), F_OK) == 0;
	if (p.fails && !strcmp(p.fails, "start"))
		return og_fail(err, OG_FATAL, "no start");
	if (p.refused)
		og_daemon_refused(d, &(struct og_error){OG_FATAL, "the broker refuses"});
	else
		og_daemon_drained(d);
	return 0;
}

static void free_it(struct og_daemon *d)
{
	(void)d;
	p.frees++;
}

static const struct og_daemon_kind kind = {
	.name = "og-thing",
	.role = "thing",
	.about = "Does a thing.\n",
	.notes = "It stops.\n",
	.load = load,
	.serve = serve,
	.start = start,
	.free = free_it,
};

static void init(void)
{
	scratch_init();
	for (size_t i = 0; i < og_settings_n_rows; i++)
		if (og_settings_rows[i].env)
			unsetenv(og_settings_rows[i].env);
	setenv("OPENGATEWAY_POC_ROOT", scratch, 1);
	mkdir(scratch_path("secrets"), 0700);
	scratch_write("secrets/thing.credentials", "thing-1 secret\n");
	chmod(scratch_path("secrets/thing.credentials"), 0600);
}

TestSuite(daemon, .init = init, .fini = scratch_fini, .timeout = 60);

static int run(const char *option, const char *value)
{
	char *argv[] = {(char *)"og-thing", (char *)option, (char *)value, NULL};

	return og_daemon_main(&p.d, &kind, value ? 3 : option ? 2 : 1, argv);
}

Test(daemon, loads_serves_starts_and_ends)
{
	cr_assert_eq(run("--name", "one"), 0);
	cr_expect_eq(p.loads, 1);
	cr_expect_eq(p.serves, 1);
	cr_expect_eq(p.starts, 1);
	cr_expect_eq(p.stops, 1);
	cr_expect_eq(p.frees, 1);
	cr_expect(p.socket, "its socket is named after it");
	cr_expect_neq(access(scratch_path("run/thing-one.sock"), F_OK), 0, "and gone with it");
}

Test(daemon, wrong_usage_and_what_only_prints_start_nothing)
{
	cr_redirect_stdout();
	cr_redirect_stderr();
	cr_expect_eq(run("--nonsense", NULL), 2);
	cr_expect_eq(run("argument", NULL), 2);
	cr_expect_eq(run("--help", NULL), 0);
	cr_expect_eq(run("--version", NULL), 0);
	cr_expect_eq(p.loads + p.starts + p.frees, 0);
}

Test(daemon, settings_that_are_wrong)
{
	cr_expect_eq(run("--set", "log.level=loud"), 1);
	cr_expect_eq(p.loads, 0);
	cr_expect_eq(p.frees, 1);
}

Test(daemon, a_load_that_fails)
{
	p.fails = "load";
	cr_expect_eq(run(NULL, NULL), 1);
	cr_expect_eq(p.serves, 0);
	cr_expect_eq(p.frees, 1);
}

Test(daemon, a_start_that_fails_is_stopped)
{
	p.fails = "start";
	cr_expect_eq(run("--name", "one"), 1);
	cr_expect_eq(p.stops, 1);
	cr_expect_eq(p.frees, 1);
}

Test(daemon, one_whom_the_broker_refuses_ends)
{
	p.refused = true;
	cr_expect_eq(run("--name", "one"), 1);
	cr_expect_eq(p.stops, 1);
}

Test(daemon, a_name_that_is_in_use)
{
	struct og_service *other;
	struct og_service_config config = {.name = "other", .on_stop = on_stop, .ctx = &p.d};
	uv_loop_t loop;

	uv_loop_init(&loop);
	mkdir(scratch_path("run"), 0700);
	config.control_path = scratch_path("run/thing-one.sock");
	cr_assert_eq(og_service_start(&loop, &config, &other, NULL), 0);
	cr_expect_eq(run("--name", "one"), 1);
	cr_expect_eq(p.starts, 0);
	og_service_stop(other);
	uv_run(&loop, UV_RUN_DEFAULT);
	og_service_free(other);
	uv_loop_close(&loop);
}
