#include <criterion/criterion.h>
#include <string.h>

#include "io/redis_stream.h"

TestSuite(redis_stream, .timeout = 60);

static void good(const char *text, const char *path, const char *host, int port)
{
	struct og_redis_address a;
	struct og_error err = {0};

	cr_assert_eq(og_redis_address_parse(text, &a, &err), 0, "%s", err.message);
	cr_expect(path ? a.path && !strcmp(a.path, path) : !a.path, "%s", text);
	cr_expect(host ? a.host && !strcmp(a.host, host) : !a.host, "%s", text);
	cr_expect(path || a.port == port, "%s: %d", text, a.port);
	og_redis_address_done(&a);
}

static void bad(const char *text)
{
	struct og_redis_address a;
	struct og_error err = {0};

	cr_expect_eq(og_redis_address_parse(text, &a, &err), -1, "%s", text);
	cr_expect_eq(err.kind, OG_INVALID);
	cr_expect(strstr(err.message, text), "%s", err.message);
}

Test(redis_stream, addresses)
{
	char path[200] = "unix:/";

	good("unix:/run/redis.sock", "/run/redis.sock", NULL, 0);
	good("127.0.0.1:6380", NULL, "127.0.0.1", 6380);
	good("redis.example", NULL, "redis.example", 6379);
	good("[::1]:7000", NULL, "::1", 7000);
	good("[::1]", NULL, "::1", 6379);
	bad("");
	bad("unix:");
	bad(":6379");
	bad("host:");
	bad("host:0");
	bad("host:65536");
	bad("host:6379x");
	bad("[::1");
	bad("[]:1");
	bad("[::1]1");
	memset(path + strlen(path), 'x', 107 - 1);
	good(path, path + 5, NULL, 0);
	strcat(path, "x");
	bad(path);
}
