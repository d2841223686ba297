#include "http_rig.h"

TestSuite(http_curl_limits, .timeout = 60);

/* ---- limits ---- */

static void check_limit(const struct og_http_limits *limits, void (*how)(struct peer *), int64_t ms, const char *words)
{
	struct seen s = {.limits = *limits};
	int64_t begin = og_clock_mono_ms();

	serve = how;
	run_one(&s);
	cr_expect_eq(s.err.kind, OG_RETRY);
	cr_expect(strstr(s.err.message, words), "%s", s.err.message);
	cr_expect_geq(og_clock_mono_ms() - begin, ms - 2);
	cr_expect_eq(gone, 1);
}

Test(http_curl_limits, first_byte, .init = setup, .fini = teardown)
{
	check_limit(&(struct og_http_limits){.first_byte_ms = 100, .idle_ms = 5000}, serve_nothing, 100,
		"no answer came within 100 ms");
}

static void serve_only_the_head(struct peer *peer)
{
	say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
}

Test(http_curl_limits, a_head_is_no_first_byte, .init = setup, .fini = teardown)
{
	check_limit(&(struct og_http_limits){.first_byte_ms = 100}, serve_only_the_head, 100,
		"no answer came within 100 ms");
}

Test(http_curl_limits, idle, .init = setup, .fini = teardown)
{
	check_limit(&(struct og_http_limits){.first_byte_ms = 5000, .idle_ms = 100}, serve_a_beginning, 100,
		"nothing more came within 100 ms");
}

Test(http_curl_limits, total, .init = setup, .fini = teardown)
{
	check_limit(&(struct og_http_limits){.total_ms = 100}, serve_a_beginning, 100, "timed out after 1");
}

static void serve_at_a_pace(struct peer *peer)
{
	serve_hello(peer);
	usleep(1000 * 1000);
}

Test(http_curl_limits, a_loop_that_was_away_reads_before_it_judges, .init = setup, .fini = teardown)
{
	struct seen s = {.limits = {.first_byte_ms = 500, .idle_ms = 500}};

	serve = serve_at_a_pace;
	run_one(&s);
	cr_expect_eq(s.err.kind, 0, "%s", s.err.message);
}

Test(http_curl_limits, body_cap, .init = setup, .fini = teardown)
{
	struct seen s = {.limits = {.body_cap = 4}};

	run_one(&s);
	cr_expect_eq(s.err.kind, OG_INVALID);
	cr_expect_str_eq(s.err.message, "the answer is larger than 4 bytes");
	cr_expect_eq(s.len, 0);
}

static void serve_a_large_head(struct peer *peer)
{
	static char line[60000];

	memset(line, 'x', sizeof(line) - 3);
	memcpy(line, "x: ", 3);
	strcpy(line + sizeof(line) - 3, "\r\n");
	say(peer, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 5; i++)
		say(peer, line);
	say(peer, "\r\n");
}

Test(http_curl_limits, head_cap, .init = setup, .fini = teardown)
{
	struct seen s = {0};

	serve = serve_a_large_head;
	run_one(&s);
	cr_expect_eq(s.err.kind, OG_INVALID, "%s", s.err.message);
	cr_expect_eq(s.statuses, 0);
}

/* ---- servers that fail ---- */

static void serve_a_cut(struct peer *peer)
{
	serve_a_beginning(peer);
	hang_up(peer);
}

static void serve_garbage(struct peer *peer)
{
	say(peer, "\x16\x03 what is this\r\n\r\n");
	hang_up(peer);
}

static void check_failure(void (*how)(struct peer *), const char *words)
{
	struct seen s = {0};

	serve = how;
	run_one(&s);
	cr_expect_eq(s.err.kind, OG_RETRY);
	cr_expect(strstr(s.err.message, words), "%s", s.err.message);
}

Test(http_curl_limits, cut_in_the_body, .init = setup, .fini = teardown)
{
	check_failure(serve_a_cut, "transfer closed with 97 bytes remaining");
}

Test(http_curl_limits, cut_before_the_head, .init = setup, .fini = teardown)
{
	check_failure(hang_up, "Empty reply from server");
}

Test(http_curl_limits, an_answer_that_is_no_http, .init = setup, .fini = teardown)
{
	check_failure(serve_garbage, "HTTP/0.9");
}

Test(http_curl_limits, refused, .init = setup, .fini = teardown)
{
	struct seen s = {.act_at = END, .act = close_all};

	start_at(&s, "http://127.0.0.1:1/", NULL);
	run_to_end();
	cr_expect_eq(s.err.kind, OG_RETRY);
	cr_expect(strstr(s.err.message, "Failed to connect to 127.0.0.1 port 1"), "%s", s.err.message);
	cr_expect_eq(s.statuses, 0);
}

/* ---- addresses ---- */

static bool never(const struct sockaddr *address)
{
	(void)address;
	return false;
}

static bool only_4(const struct sockaddr *address)
{
	return address->sa_family == AF_INET;
}

/* To libcurl "localhost" is 127.0.0.1 and ::1, whatever a name server says. */
static void check_addresses(
	bool (*may_connect)(const struct sockaddr *address), const char *by, enum og_kind kind, const char *words)
{
	struct seen s = {.may_connect = may_connect, .may_connect_by = by, .act_at = END, .act = close_all};

	start_at(&s, "http://localhost:1/", NULL);
	run_to_end();
	cr_expect_eq(s.err.kind, kind);
	cr_expect(strstr(s.err.message, words), "%s", s.err.message);
}

Test(http_curl_limits, where_no_address_may_be, .init = setup, .fini = teardown)
{
	check_addresses(never, NULL, OG_INVALID, "an address that is not allowed");
}

Test(http_curl_limits, where_no_address_may_be_by_a_setting, .init = setup, .fini = teardown)
{
	check_addresses(never, "some.setting", OG_INVALID, "not allowed (some.setting)");
}

Test(http_curl_limits, where_one_may_be_and_does_not_answer, .init = setup, .fini = teardown)
{
	check_addresses(only_4, "some.setting", OG_RETRY, "Failed to connect to localhost port 1");
}
