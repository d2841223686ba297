#include "servers.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(servers, .timeout = 60);

static struct og_settings settings(const char *endpoints, const char *management, const char *redis)
{
	return (struct og_settings){.cluster = (char *)"c1",
		.broker_endpoints = (char *)endpoints,
		.broker_management = (char *)management,
		.redis = (char *)redis,
		.store = (char *)"unix:/s/store.sock",
		.store_max_bytes = 3 * 1024 * 1024,
		.result_max_bytes = 1024 * 1024};
}

static struct og_servers servers(const char *endpoints, const char *management, const char *redis, const char *listen)
{
	struct og_settings s = settings(endpoints, management, redis);
	struct og_servers v;
	struct og_error err = {0};

	cr_assert_eq(og_servers_from(&s, listen, &v, &err), 0, "%s", err.message);
	return v;
}

Test(servers, listen_where_the_settings_look_for_them)
{
	struct og_servers v = servers("localhost:5673,other:5672", "http://localhost:15673", "unix:/r/redis.sock", "");

	cr_assert_str_eq(v.amqp, "127.0.0.1:5673");
	cr_assert_str_eq(v.also, "");
	cr_assert_str_eq(v.management_host, "127.0.0.1");
	cr_assert_str_eq(v.management_port, "15673");
	cr_assert_str_eq(v.redis.socket, "/r/redis.sock");
	v = servers("127.0.0.1", "http://127.0.0.1", "10.0.0.1", "");
	cr_assert_str_eq(v.amqp, "127.0.0.1:5672");
	cr_assert_str_eq(v.management_port, "15672");
	cr_assert_str_eq(v.redis.socket, "");
	cr_assert_str_eq(v.redis.host, "10.0.0.1");
	cr_assert_str_eq(v.redis.port, "6379");
}

Test(servers, listen_for_other_hosts_where_they_are_told_to)
{
	struct og_servers v = servers("127.0.0.1:5673", "http://127.0.0.1", "h:1", "10.0.0.1");

	cr_assert_str_eq(v.also, "10.0.0.1:5673", "the port of the first is the port of the second");
	v = servers("127.0.0.1:5673", "http://127.0.0.1", "h:1", "10.0.0.1:5700");
	cr_assert_str_eq(v.also, "10.0.0.1:5700");
	v = servers("127.0.0.1:5673", "http://127.0.0.1", "h:1", "0.0.0.0");
	cr_assert_str_eq(v.amqp, "0.0.0.0:5673", "all addresses include the first");
	cr_assert_str_eq(v.also, "");
}

Test(servers, say_which_setting_cannot_be_served)
{
	char long_socket[200] = "unix:/";
	const struct {
		const char *endpoints, *management, *redis, *listen, *expected;
	} cases[] = {
		{"h:0", "http://h", "h:1", "", "broker.endpoints"},
		{":5672", "http://h", "h:1", "", "broker.endpoints"},
		{"h", "https://h", "h:1", "", "broker.management"},
		{"h", "http://h:x", "h:1", "", "broker.management"},
		{"h", "http://h", "h:99999", "", "redis.address"},
		{"h", "http://h", long_socket, "", "107 bytes"},
		{"h", "http://h", "h:1", "a b", "--listen"},
	};

	memset(long_socket + 6, 'x', 150);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct og_settings s = settings(cases[i].endpoints, cases[i].management, cases[i].redis);
		struct og_servers v;
		struct og_error err = {0};

		cr_expect_eq(og_servers_from(&s, cases[i].listen, &v, &err), -1, "%zu", i);
		cr_expect_not_null(strstr(err.message, cases[i].expected), "'%s' does not name %s", err.message,
			cases[i].expected);
	}
}

Test(servers, keep_what_a_person_wrote_below)
{
	const struct og_servers v = servers("127.0.0.1", "http://127.0.0.1", "unix:/s", "");
	const struct og_credentials admin = {"admin", "pw"};
	char *first = og_servers_rabbitmq_conf(&v, &admin, NULL), *mine, *second;

	mine = malloc(strlen(first) + 100);
	strcpy(mine, first);
	strcat(mine, "listeners.ssl.1 = 5671\n# by hand\n");
	second = og_servers_rabbitmq_conf(&v, &admin, mine);
	cr_assert_str_eq(second, mine);
	free(second);
	second = og_servers_rabbitmq_conf(&v, &admin, "# somebody else's file\n");
	cr_assert_str_eq(second, first);
	free(first);
	free(second);
	free(mine);
}

Test(servers, quote_a_path_with_blanks)
{
	const struct og_servers v = servers("127.0.0.1", "http://127.0.0.1", "unix:/a b/\"s", "");
	const struct og_settings s = settings("127.0.0.1", "http://127.0.0.1", "unix:/a b/\"s");
	char *conf = og_servers_redis_conf(&v, &s, "/a b", NULL);

	cr_assert_not_null(strstr(conf, "\nunixsocket \"/a b/\\\"s\"\n"), "%s", conf);
	cr_assert_not_null(strstr(conf, "\ndir \"/a b\"\n"));
	cr_assert_not_null(strstr(conf, "\naclfile \"/a b/users.acl\"\n"));
	free(conf);
}

Test(servers, keep_the_store_on_the_disk_and_the_view_a_second_behind)
{
	const struct og_servers v = servers("127.0.0.1", "http://127.0.0.1", "unix:/r/redis.sock", "");
	const struct og_settings s = settings("127.0.0.1", "http://127.0.0.1", "unix:/r/redis.sock");
	char *view = og_servers_redis_conf(&v, &s, "/r", NULL), *store = og_servers_store_conf(&v, &s, "/s", NULL);

	cr_expect_not_null(strstr(view, "\nappendfsync everysec\n"));
	cr_expect_not_null(strstr(store, "\nappendfsync always\n"));
	cr_expect_not_null(strstr(store, "\nmaxmemory-policy noeviction\n"));
	cr_expect_not_null(strstr(store, "\nmaxmemory 3145728\n"));
	cr_expect_not_null(strstr(store, "\nunixsocket \"/s/store.sock\"\n"), "%s", store);
	free(view);
	free(store);
}

Test(servers, write_no_password_into_the_acl)
{
	const struct og_credentials scheduler = {"scheduler", "abc"}, admin = {"admin", "secret"};
	char *acl = og_servers_redis_acl("c1", &scheduler, &admin);

	/* SHA-256 of "abc", from FIPS 180 */
	cr_assert_not_null(
		strstr(acl, "#ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad ~og:c1:* "), "%s", acl);
	cr_assert_null(strstr(acl, "secret"));
	free(acl);
}
