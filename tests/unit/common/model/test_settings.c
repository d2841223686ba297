#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "leaks.h"
#include "model/settings.h"
#include "scratch.h"

/* Nothing of the caller's environment: each variable that a row names is unset, the root is the scratch folder. */
static void init(void)
{
	scratch_init();
	for (size_t i = 0; i < og_settings_n_rows; i++)
		if (og_settings_rows[i].env)
			unsetenv(og_settings_rows[i].env);
	setenv("OPENGATEWAY_POC_ROOT", scratch, 1);
}

TestSuite(settings, .init = init, .fini = scratch_fini, .timeout = 60);

static struct og_settings load(const char *const *sets)
{
	struct og_settings s;
	struct og_error err = {0};

	cr_assert_eq(og_settings_load(NULL, sets, &s, &err), 0, "%s", err.message);
	return s;
}

static const char *refused(const char *set)
{
	static struct og_error err;
	const char *const sets[] = {set, NULL};
	struct og_settings s = {.slots = 77};

	cr_assert_eq(og_settings_load(NULL, sets, &s, &err), -1, "%s", set);
	cr_assert_eq(s.slots, 77, "the output is untouched on failure");
	return err.message;
}

Test(settings, defaults)
{
	struct og_settings s = load(NULL);

	cr_expect_str_eq(s.root, scratch);
	cr_expect_str_eq(s.cluster, "gatewayai-poc");
	cr_expect_str_eq(s.catalogue, scratch_path("catalogue.ini"));
	cr_expect_str_eq(s.secrets, scratch_path("secrets"));
	cr_expect_str_eq(s.node_name, "auto");
	cr_expect_not(s.serve);
	cr_expect_eq(s.broker_heartbeat_ms, 5000);
	cr_expect_eq(s.broker_window, 1024);
	cr_expect(s.broker_verify_host);
	cr_expect_str_eq(s.broker_ca, "", "an empty path stays empty");
	cr_expect(!strncmp(s.redis, "unix:/", 6));
	cr_expect_str_eq(s.redis + 5, scratch_path("redis/redis.sock"));
	cr_expect(!strncmp(s.store, "unix:/", 6));
	cr_expect_str_eq(s.store + 5, scratch_path("store/redis.sock"));
	cr_expect_eq(s.default_deadline_ms, 3600000);
	cr_expect_eq(s.result_ttl_ms, 86400000);
	cr_expect_eq(s.lookahead_percent, 25);
	cr_expect_eq(s.batch_leaves, 1);
	cr_expect_eq(s.limits.intake_max_jobs, 10000);
	cr_expect_eq(s.limits.lane_max_bytes, 512 << 20);
	cr_expect_eq(s.drain_ms, 30000);
	cr_expect_str_eq(s.engine_kind, "openai");
	cr_expect_eq(s.engine_first_byte_timeout_ms, 120000);
	og_settings_done(&s);
}

Test(settings, file_then_environment_then_set)
{
	const char *const sets[] = {"node.name=set", NULL};
	struct og_settings s;

	scratch_write("config.ini", "[cluster]\nid = from-file\n[node]\nname = from-file\nregion = from-file\n");
	setenv("OG_REGION", "from-env", 1);
	setenv("NODE_NAME", "from-env", 1);
	s = load(sets);
	cr_expect_str_eq(s.cluster, "from-file");
	cr_expect_str_eq(s.region, "from-env");
	cr_expect_str_eq(s.node_name, "set");
	og_settings_done(&s);
}

Test(settings, each_variable_of_the_environment)
{
	struct og_settings s;

	setenv("POC_CLUSTER_ID", "c.1_x-Y", 1);
	setenv("NODE_NAME", "NodeA", 1);
	setenv("POC_SERVE", "1", 1);
	setenv("OG_BROKER", "b1:5672,b2", 1);
	setenv("OG_ENGINE_URL", "http://127.0.0.1:8080", 1);
	setenv("OG_ENGINE_KIND", "ollama", 1);
	setenv("OG_REGION", "eu", 1);
	setenv("OG_LOG_LEVEL", "debug", 1);
	s = load(NULL);
	cr_expect_str_eq(s.cluster, "c.1_x-Y");
	cr_expect_str_eq(s.node_name, "NodeA");
	cr_expect(s.serve);
	cr_expect_str_eq(s.broker_endpoints, "b1:5672,b2");
	cr_expect_str_eq(s.engine_url, "http://127.0.0.1:8080");
	cr_expect_str_eq(s.engine_kind, "ollama");
	cr_expect_str_eq(s.region, "eu");
	cr_expect_str_eq(s.log_level, "debug");
	og_settings_done(&s);
}

Test(settings, paths_are_relative_to_the_root)
{
	const char *const sets[] = {"cluster.catalogue=c/t.ini", "broker.ca=/etc/ca.pem", "redis.address=unix:r.sock",
		"broker.secrets=s", NULL};
	const char *const tcp[] = {"redis.address=127.0.0.1:6379", "cluster.catalogue=", NULL};
	struct og_settings s = load(sets);

	cr_expect_str_eq(s.catalogue, scratch_path("c/t.ini"));
	cr_expect_str_eq(s.secrets, scratch_path("s"));
	cr_expect_str_eq(s.broker_ca, "/etc/ca.pem");
	cr_expect_str_eq(s.redis + 5, scratch_path("r.sock"));
	og_settings_done(&s);
	s = load(tcp);
	cr_expect_str_eq(s.redis, "127.0.0.1:6379");
	cr_expect_str_eq(s.catalogue, "");
	og_settings_done(&s);
}

Test(settings, where_the_root_is)
{
	struct og_settings s;
	char cwd[256];

	unsetenv("OPENGATEWAY_POC_ROOT");
	setenv("HOME", scratch, 1);
	s = load(NULL);
	cr_expect_str_eq(s.root, scratch_path(".opengateway-poc"));
	og_settings_done(&s);

	setenv("OPENGATEWAY_POC_ROOT", "here", 1);
	cr_assert_eq(chdir(scratch), 0);
	cr_assert_not_null(getcwd(cwd, sizeof(cwd)));
	s = load(NULL);
	cr_expect(!strncmp(s.root, cwd, strlen(cwd)));
	cr_expect_str_eq(s.root + strlen(cwd), "/here");
	og_settings_done(&s);
}

Test(settings, a_named_file_must_be_there)
{
	struct og_settings s;
	struct og_error err = {0};

	cr_expect_eq(og_settings_load(scratch_path("other.ini"), NULL, &s, &err), -1);
	cr_expect_not_null(strstr(err.message, "other.ini: No such file"));
	scratch_write("other.ini", "[cluster]\nid = other\n");
	cr_assert_eq(og_settings_load(scratch_path("other.ini"), NULL, &s, &err), 0, "%s", err.message);
	cr_expect_str_eq(s.cluster, "other");
	og_settings_done(&s);
}

Test(settings, a_mistake_in_the_file_names_it)
{
	struct og_settings s;
	struct og_error err = {0};

	scratch_write("config.ini", "[broker]\nwindw = 7\n");
	cr_assert_eq(og_settings_load(NULL, NULL, &s, &err), -1);
	cr_expect_str_eq(
		strrchr(err.message, '/'), "/config.ini:2: unknown key broker.windw; the nearest is broker.window");
}

Test(settings, a_cluster_id_is_safe_everywhere)
{
	static const char *const bad[] = {"cluster.id=", "cluster.id=a b", "cluster.id=a/b", "cluster.id=a:b",
		"cluster.id=a*", "cluster.id=\xc3\xbc"};

	for (size_t i = 0; i < OG_COUNT(bad); i++)
		cr_expect_not_null(strstr(refused(bad[i]), "POC_CLUSTER_ID"), "%s", bad[i]);
	cr_expect_not_null(strstr(
		refused("cluster.id=12345678901234567890123456789012345678901234567890123456789012345"), "at most 64"));
}

Test(settings, what_a_row_alone_cannot_say)
{
	cr_expect_not_null(strstr(refused("broker.tls=yes"), "broker.ca is empty"));
	cr_expect_not_null(strstr(refused("broker.cert=/x.pem"), "broker.key"));
	cr_expect_not_null(strstr(refused("broker.endpoints="), "give host:port"));
	cr_expect_not_null(strstr(refused("engine.kind=magic"), "openai, ollama, echo"));
	cr_expect_not_null(strstr(refused("log.level=loud"), "OG_LOG_LEVEL"));
	cr_expect_not_null(strstr(refused("node.name="), "auto"));
	cr_expect(!strncmp(refused("worker.slots=9999"), "--set: worker.slots:", 20));
}

/* The tests lie at tests/unit/common/model of the source. */
static char *source_path(const char *name)
{
	og_autofree char *here = og_strdup(__FILE__);
	char *tests = strstr(here, "/tests/unit/common/model/");

	cr_assert_not_null(tests, "%s", __FILE__);
	*tests = '\0';
	return og_path_join(here, name);
}

Test(settings, the_page_of_the_docs_is_what_the_table_says)
{
	og_autofree char *path = source_path("docs/CONFIG.md");
	og_autofree char *page = NULL;
	og_autofree char *tables = NULL;
	struct og_error err = {0};
	const char *found;
	size_t len;
	FILE *f = open_memstream(&tables, &len);

	og_config_print_markdown(og_settings_rows, og_settings_n_rows, f);
	fclose(f);
	cr_assert_eq(og_file_read(path, 1 << 20, &page, NULL, &err), 0, "%s", err.message);
	found = strstr(page, "## [");
	cr_assert_not_null(found);
	cr_assert_str_eq(
		found, tables, "docs/CONFIG.md is not what the settings are: it says itself how to make it anew");
}
