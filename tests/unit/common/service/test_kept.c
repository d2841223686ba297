/* One kept service on a loop of the test, which makes it older than it is. */
#include "service/kept.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "leaks.h"
#include "service/child.h"

#define MINUTE_MS 60000

static void nothing(void *ctx)
{
	(void)ctx;
}

static void nothing_of(void *ctx, struct og_kept *k)
{
	(void)ctx, (void)k;
}

static const struct og_kept_events events = {
	.on_change = nothing, .on_settled = nothing, .on_stopped = nothing_of, .ctx = NULL};
static char root[] = "/tmp/og-kept-XXXXXX";
static uv_loop_t loop;
static struct og_kept *kept;

static void setup(void)
{
	static const char *const folders[] = {"logs", "run"};
	char path[64];
	FILE *f;

	og_log_init("test", OG_LOG_ERROR);
	cr_assert_not_null(mkdtemp(root));
	for (size_t i = 0; i < OG_COUNT(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, folders[i]);
		cr_assert_eq(mkdir(path, 0700), 0);
	}
	snprintf(path, sizeof(path), "%s/1-x.ini", root);
	f = fopen(path, "w");
	fputs("[service]\ncommand = sleep 1000\n", f);
	fclose(f);
	uv_loop_init(&loop);
	kept = og_kept_read(root, path, NULL);
	cr_assert_not_null(kept);
	og_kept_init(kept, &loop, root, &events);
}

static void teardown(void)
{
	char command[64];

	og_kept_end(kept);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
	og_kept_free(kept);
	snprintf(command, sizeof(command), "rm -r %s", root);
	cr_assert_eq(system(command), 0);
}

TestSuite(kept, .init = setup, .fini = teardown, .timeout = 60);

static void die_and_run_again(void)
{
	unsigned before = kept->restarts;

	kill(og_child_pid(kept->child), SIGKILL);
	while (kept->restarts == before)
		uv_run(&loop, UV_RUN_ONCE);
}

Test(kept, deaths_in_a_row_are_those_since_it_last_ran_for_a_minute)
{
	og_kept_start(kept);
	for (unsigned i = 1; i <= 2; i++) {
		die_and_run_again();
		cr_assert_eq(kept->in_a_row, i);
	}
	kept->started_ms -= MINUTE_MS;
	die_and_run_again();
	cr_assert_eq(kept->in_a_row, 1);
	cr_assert_eq(kept->restarts, 3, "that is of its whole life");
}
