#include "http_rig.h"

TestSuite(http_curl, .timeout = 60);

/* ---- answers ---- */

Test(http_curl, a_whole_answer, .init = setup, .fini = teardown)
{
	struct seen s = {.limits = {1000, 1000, 1000, 1000, 5}};

	run_one(&s);
	cr_expect_eq(s.err.kind, 0, "%s", s.err.message);
	cr_expect_eq(s.status, 200);
	cr_expect_str_eq(s.type, "text/plain");
	cr_expect_str_eq(s.text, "hello");
	cr_expect(strncmp(request.data, "GET /path HTTP/1.1\r\n", 20) == 0);
	cr_expect_null(strcasestr(request.data, "\r\nAccept-Encoding:"));
}

static void start_again(struct seen *s)
{
	static unsigned n;

	if (++n < 10)
		start(s);
	else
		close_all(s);
}

Test(http_curl, connections_are_used_again, .init = setup, .fini = teardown)
{
	struct seen s = {.act_at = END, .act = start_again};

	start(&s);
	run_to_end();
	cr_expect_eq(s.ends, 10);
	cr_expect_eq(accepted, 1);
}

static void serve_head_only(struct peer *peer)
{
	say(peer, "HTTP/1.1 204 No Content\r\n\r\n");
}

Test(http_curl, an_answer_without_a_body, .init = setup, .fini = teardown)
{
	struct seen s = {.limits = {.first_byte_ms = 1000, .idle_ms = 1000}};

	serve = serve_head_only;
	run_one(&s);
	cr_expect_eq(s.status, 204);
	cr_expect_eq(s.statuses, 1);
	cr_expect_eq(s.bodies, 0);
	cr_expect_str_eq(s.type, "");
}

static void serve_informal(struct peer *peer)
{
	say(peer, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
	say(peer, "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n");
	say(peer, "3\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n");
}

Test(http_curl, one_status_however_many_heads_and_trailers, .init = setup, .fini = teardown)
{
	struct seen s = {0};

	serve = serve_informal;
	run_one(&s);
	cr_expect_eq(s.err.kind, 0);
	cr_expect_eq(s.statuses, 1);
	cr_expect_eq(s.status, 503);
	cr_expect_str_eq(s.text, "abcde");
}

static void serve_redirect(struct peer *peer)
{
	say(peer, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
}

Test(http_curl, redirects_are_not_followed, .init = setup, .fini = teardown)
{
	struct seen s = {0};

	serve = serve_redirect;
	run_one(&s);
	cr_expect_eq(s.status, 302);
	cr_expect_eq(accepted, 1);
}

/* ---- requests ---- */

Test(http_curl, a_large_body_without_expect, .init = setup, .fini = teardown)
{
	size_t len = (8 << 20) + 1;
	og_autofree char *body = og_alloc(len);
	struct seen s = {.method = "POST",
		.body = body,
		.body_len = len,
		.headers = (const char *const[]){"Content-Type: application/json", "X-Id: 7", NULL}};

	memset(body, 'x', len);
	run_one(&s);
	cr_expect_eq(s.status, 200);
	cr_expect(strncmp(request.data, "POST /path HTTP/1.1\r\n", 21) == 0);
	cr_expect(strstr(request.data, "\r\nContent-Length: 8388609\r\n"));
	cr_expect(strstr(request.data, "\r\nContent-Type: application/json\r\n"));
	cr_expect(strstr(request.data, "\r\nX-Id: 7\r\n"));
	cr_expect_null(strcasestr(request.data, "\r\nExpect:"));
}

Test(http_curl, user_and_password, .init = setup, .fini = teardown)
{
	struct seen s = {.method = "DELETE", .user = "og"};

	run_one(&s);
	cr_expect(strncmp(request.data, "DELETE /path HTTP/1.1\r\n", 23) == 0);
	cr_expect(strstr(request.data, "\r\nAuthorization: Basic b2c6c2VjcmV0\r\n"));
}

Test(http_curl, a_body_has_no_type_that_nobody_gave, .init = setup, .fini = teardown)
{
	struct seen s = {.method = "PUT", .body = "{}", .body_len = 2};

	run_one(&s);
	cr_expect(strncmp(request.data, "PUT /path HTTP/1.1\r\n", 20) == 0);
	cr_expect_null(strcasestr(request.data, "\r\nContent-Type:"));
	cr_expect_str_eq(request.data + strlen(request.data) - 2, "{}");
}

Test(http_curl, urls_that_cannot_be_one, .init = setup, .fini = teardown)
{
	static const char *const urls[] = {
		"", "no-scheme/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://", "http://a b/"};

	for (size_t i = 0; i < OG_COUNT(urls); i++) {
		struct og_error err = {0};
		struct seen s = {0};

		start_at(&s, urls[i], &err);
		cr_expect_null(s.call, "%s", urls[i]);
		cr_expect_eq(err.kind, OG_INVALID, "%s", urls[i]);
	}
	close_all(NULL);
	run_to_end();
}
