#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "leaks.h"
#include "model/settings.h"
#include "scratch.h"

TestSuite(identity, .init = scratch_init, .fini = scratch_fini, .timeout = 60);

/* What the functions here read of the settings, all borrowed. */
static struct og_settings settings(const char *name)
{
	return (struct og_settings){.root = scratch, .secrets = scratch, .node_name = (char *)name};
}

static void write_credentials(const char *text, mode_t mode)
{
	scratch_write("worker.credentials", text);
	chmod(scratch_path("worker.credentials"), mode);
}

Test(identity, credentials)
{
	struct og_settings s = settings("auto");
	struct og_credentials c;
	struct og_error err = {0};

	write_credentials("worker-7 s3cr+t/=\n", 0600);
	cr_assert_eq(og_credentials_load(&s, "worker", &c, &err), 0, "%s", err.message);
	cr_expect_str_eq(c.user, "worker-7");
	cr_expect_str_eq(c.password, "s3cr+t/=");
}

Test(identity, credentials_that_others_can_read_are_refused)
{
	static const mode_t open_modes[] = {0640, 0604, 0620, 0601};
	struct og_settings s = settings("auto");

	for (size_t i = 0; i < OG_COUNT(open_modes); i++) {
		struct og_credentials c;
		struct og_error err = {0};

		write_credentials("worker secret\n", open_modes[i]);
		cr_expect_eq(og_credentials_load(&s, "worker", &c, &err), -1, "%o", open_modes[i]);
		cr_expect_eq(err.kind, OG_FATAL);
		cr_expect_not_null(strstr(err.message, "run chmod 600 '"), "%s", err.message);
		cr_expect_null(strstr(err.message, "secret"));
	}
}

Test(identity, credentials_that_are_missing_or_damaged)
{
	static const char *const bad[] = {"", "worker\n", "worker a b\n", "Worker secret\n", "worker secret\nx y\n"};
	struct og_settings s = settings("auto");
	struct og_credentials c = {.user = "untouched"};
	struct og_error err = {0};

	cr_expect_eq(og_credentials_load(&s, "worker", &c, &err), -1);
	cr_expect_eq(err.kind, OG_FATAL);
	cr_expect_not_null(strstr(err.message, "og-broker-config"));
	for (size_t i = 0; i < OG_COUNT(bad); i++) {
		write_credentials(bad[i], 0600);
		cr_expect_eq(og_credentials_load(&s, "worker", &c, &err), -1, "'%s'", bad[i]);
		cr_expect_eq(err.kind, OG_FATAL);
		cr_expect_null(strstr(err.message, "secret"), "a password is never told");
	}
	cr_expect_str_eq(c.user, "untouched");
}

static struct og_node_id node(const char *name)
{
	struct og_settings s = settings(name);
	struct og_node_id id;
	struct og_error err = {0};

	cr_assert_eq(og_node_id_load(&s, &id, &err), 0, "%s", err.message);
	return id;
}

Test(identity, a_node_keeps_its_id)
{
	struct og_node_id first = node("NodeA"), again = node("NodeA"), other = node("NodeB");

	cr_expect(og_uuid_valid(first.id));
	cr_expect_str_eq(first.id, again.id);
	cr_expect_str_neq(first.id, other.id);
	cr_expect_str_eq(first.name, "NodeA");
	cr_expect_str_eq(first.dir, scratch_path("nodes/nodea"));
}

Test(identity, an_automatic_name_is_the_host_and_four_digits)
{
	struct og_node_id first = node("auto"), again = node("auto");
	char host[256];
	size_t n;

	gethostname(host, sizeof(host));
	n = strlen(host);
	cr_expect_eq(strncmp(first.name, host, n), 0);
	cr_expect_eq(first.name[n], '-');
	cr_expect_eq(strncmp(first.name + n + 1, first.id, 4), 0);
	cr_expect_eq(strlen(first.name), n + 5);
	cr_expect_str_eq(first.id, again.id);
	cr_expect_str_eq(first.name, again.name);
}

Test(identity, a_damaged_file_is_told_and_not_replaced)
{
	static const char *const bad[] = {"", "{", "[]",
		"{\"version\":2,\"id\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"}", "{\"version\":1,\"id\":\"x\"}",
		"{\"version\":1}"};
	struct og_settings s = settings("NodeA");

	node("NodeA");
	for (size_t i = 0; i < OG_COUNT(bad); i++) {
		og_autofree char *text = NULL;
		struct og_node_id id;
		struct og_error err = {0};

		scratch_write("nodes/nodea/node.json", bad[i]);
		cr_expect_eq(og_node_id_load(&s, &id, &err), -1, "'%s'", bad[i]);
		cr_expect_eq(err.kind, OG_FATAL);
		cr_expect_not_null(strstr(err.message, "remove it"), "%s", err.message);
		cr_assert_eq(og_file_read(scratch_path("nodes/nodea/node.json"), 100, &text, NULL, NULL), 0);
		cr_expect_str_eq(text, bad[i]);
	}
}

Test(identity, workers_that_start_at_once_agree)
{
	enum { WORKERS = 8 };
	struct og_node_id first = {0};
	int pipes[2];

	cr_assert_eq(pipe(pipes), 0);
	for (int i = 0; i < WORKERS; i++)
		if (!fork()) {
			struct og_node_id mine = node("NodeA");

			_exit(write(pipes[1], mine.id, sizeof(mine.id)) != sizeof(mine.id));
		}
	for (int i = 0; i < WORKERS; i++) {
		char id[OG_ID_LEN + 1];
		int status;

		cr_assert_eq(wait(&status) > 0 ? status : -1, 0);
		cr_assert_eq(read(pipes[0], id, sizeof(id)), sizeof(id));
		if (!*first.id)
			memcpy(first.id, id, sizeof(id));
		cr_expect_str_eq(id, first.id);
	}
}

Test(identity, a_root_that_cannot_be_written)
{
	struct og_settings s = settings("NodeA");
	struct og_node_id id;
	struct og_error err = {0};

	scratch_write("nodes", "in the way");
	cr_expect_eq(og_node_id_load(&s, &id, &err), -1);
	cr_expect_not_null(strstr(err.message, "/nodes"), "%s", err.message);
}
