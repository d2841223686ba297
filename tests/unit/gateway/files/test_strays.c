/* Real files, and a store that says what the test wants. */
#include "files/strays.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../store/rig.h"
#include "base/log.h"
#include "files/stray_page.h"

#define FILES  120 /* more than two pages */
#define OLD_S  1000
#define NOW_MS (INT64_C(2000) * 1000)

static char folder[] = "/tmp/og-strays-XXXXXX";
static struct og_settings settings = {.gateway_files = folder};
static struct og_api api = {.settings = &settings, .kinds.files.name = "file"};
static int (*says)(const char *id); /* 1: the store has it */
static int64_t total;               /* files that the store has; -1: it does not answer */
static size_t most;                 /* ids in one question */
static bool walked;

static struct og_redis_reply items[OG_STRAY_PAGE + 1];
static const struct og_redis_reply *of[OG_STRAY_PAGE + 1];

static int answer(int argc, const char *const *argv, struct og_redis_reply *ret, struct og_error *err)
{
	size_t n = (size_t)argc - 4; /* script, prefix, clock, kind */

	if (total < 0)
		return og_fail(err, OG_RETRY, "the connection was lost");
	cr_assert_str_eq(argv[0], "records_known");
	cr_assert_leq(n, OG_STRAY_PAGE);
	most = n > most ? n : most;
	for (size_t i = 0; i <= n; i++) {
		items[i] = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = i ? says(argv[i + 3]) : total};
		of[i] = &items[i];
	}
	*ret = (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = of, .n = n + 1};
	return 0;
}

static void make(const char *name, time_t at_s)
{
	const struct timespec times[2] = {{.tv_sec = at_s}, {.tv_sec = at_s}};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(futimens(fd, times), 0);
	close(fd);
}

/* Whether it is there; it is not, after. */
static int take(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return unlink(path) == 0;
}

static const char *id_of(int i)
{
	static char id[OG_FILE_ID_SIZE];

	snprintf(id, sizeof(id), "file-%032x", i);
	return id;
}

static int says_even(const char *id)
{
	return strtol(id + strlen("file-"), NULL, 16) % 2 == 0;
}

static int says_none(const char *id)
{
	(void)id;
	return 0;
}

static void setup(void)
{
	og_log_init("test", OG_LOG_ERROR);
	rig.answer = answer;
	rig_open();
	cr_assert(mkdtemp(folder));
	api.loop = &rig.loop;
	api.store = rig.store;
	total = 1;
	says = says_none;
}

static void teardown(void)
{
	cr_expect_eq(rmdir(folder), 0, "something is left in the folder");
	rig_close();
}

TestSuite(strays, .init = setup, .fini = teardown, .timeout = 60);

static void on_walked(void *ctx)
{
	(void)ctx;
	walked = true;
}

static void walk(void)
{
	walked = false;
	og_strays_walk(&api, NOW_MS, on_walked, NULL);
	while (!walked)
		uv_run(&rig.loop, UV_RUN_ONCE);
}

Test(strays, those_that_the_store_does_not_know_go_a_page_at_a_time)
{
	says = says_even;
	for (int i = 0; i < FILES; i++)
		make(id_of(i), OLD_S);
	walk();
	for (int i = 0; i < FILES; i++)
		cr_expect_eq(take(id_of(i)), i % 2 == 0, "%s", id_of(i));
	cr_expect_eq(most, OG_STRAY_PAGE);
}

Test(strays, what_is_young_or_no_file_of_ours_is_not_asked_for)
{
	char young[OG_FILE_ID_SIZE], other[] = "file-0000000000000000000000000000000g", link_to[128];

	strcpy(young, id_of(1));
	make(young, NOW_MS / 1000 + 1);
	make(other, OLD_S);
	make("file-1", OLD_S);
	make("a.part", OLD_S);
	snprintf(link_to, sizeof(link_to), "%s/%s", folder, id_of(2));
	cr_assert_eq(symlink("/etc/passwd", link_to), 0);
	walk();
	cr_expect(take(young) && take(other) && take("file-1") && take("a.part") && take(id_of(2)));
	cr_expect_eq(most, 0);
}

Test(strays, none_goes_while_the_store_is_away)
{
	make(id_of(1), OLD_S);
	total = -1;
	walk();
	api.store = NULL; /* it has been closed */
	walk();
	cr_expect(take(id_of(1)));
}

/* It was emptied, or is the wrong one. */
Test(strays, none_goes_where_the_store_knows_no_file_at_all)
{
	make(id_of(1), OLD_S);
	total = 0;
	walk();
	cr_expect(take(id_of(1)));
}

static int says_none_and_it_is_written(const char *id)
{
	make(id, NOW_MS / 1000 + 1);
	return 0;
}

Test(strays, what_is_written_while_the_store_is_asked_stays)
{
	make(id_of(1), OLD_S);
	says = says_none_and_it_is_written;
	walk();
	cr_expect(take(id_of(1)));
}

Test(strays, a_folder_that_is_not_there_ends_the_walk)
{
	char name[] = "/nowhere/at/all";
	struct og_settings nowhere = {.gateway_files = name};

	api.settings = &nowhere;
	walk();
	cr_expect_eq(most, 0);
}
