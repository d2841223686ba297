#include <criterion/criterion.h>
#include <string.h>

#include "base/buf.h"
#include "io/http.h"

TestSuite(http_memory, .timeout = 60);

static uv_loop_t loop;
static struct og_http *http;
static struct og_http_call *started, *answered;
static struct og_buf seen; /* what was asked and told, in order */
static bool answer_at_once, cancel_in_body;
static int body_says;

static void answer(void *ctx, struct og_http_call *call, const struct og_http_request *request)
{
	(void)ctx;
	answered = call;
	og_buf_addf(&seen, "%s %s %s %.*s;", request->method, request->url, request->headers[0], (int)request->body_len,
		(const char *)request->body);
	if (!answer_at_once)
		return;
	og_http_memory_status(call, 200, "text/plain");
	og_http_memory_body(call, "a", 1);
	og_http_memory_body(call, "b", 1);
	og_http_memory_end(call, NULL);
	og_http_memory_end(call, NULL); /* nothing comes of a second one */
}

static void on_status(void *ctx, int status, const char *content_type)
{
	(void)ctx;
	og_buf_addf(&seen, "status %d %s;", status, content_type);
}

static int on_body(void *ctx, const char *data, size_t len)
{
	(void)ctx;
	og_buf_addf(&seen, "body %.*s;", (int)len, data);
	if (cancel_in_body)
		og_http_cancel(http, started);
	return body_says;
}

static void on_end(void *ctx, int status, const struct og_error *err)
{
	(void)ctx;
	og_buf_addf(&seen, "end %d %s;", status, err ? err->message : "whole");
	og_http_cancel(http, started);
}

static void on_closed(void *ctx)
{
	(void)ctx;
	og_buf_adds(&seen, "closed;");
}

static void setup(void)
{
	const struct og_http_handler handler = {on_status, on_body, on_end, NULL};
	char method[] = "POST", header[] = "X-Id: 7", body[] = "{}";
	const struct og_http_request request = {.method = method,
		.url = "http://engine/v1",
		.headers = (const char *const[]){header, NULL},
		.body = body,
		.body_len = 2};

	og_buf_init(&seen, 1 << 16);
	uv_loop_init(&loop);
	http = og_http_memory_open(&loop, answer, NULL);
	started = og_http_start(http, &request, &handler, NULL);
	cr_assert(started);
	memset(method, 'x', 4); /* it was copied */
	memset(header, 'x', 7);
	memset(body, 'x', 2);
	cr_assert_eq(seen.len, 0);
}

static void check(const char *expected)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_str_eq(og_buf_str(&seen), expected, "got %s", og_buf_str(&seen));
	og_buf_clear(&seen);
}

static void teardown(void)
{
	og_http_close(http, on_closed, NULL);
	check("closed;");
	cr_assert_eq(uv_loop_close(&loop), 0);
	og_buf_done(&seen);
}

#define ASKED "POST http://engine/v1 X-Id: 7 {};"

Test(http_memory, answered_at_once, .init = setup, .fini = teardown)
{
	answer_at_once = true;
	check(ASKED "status 200 text/plain;body a;body b;end 200 whole;");
	cr_assert_not(og_http_memory_cancelled(http));
}

Test(http_memory, answered_later, .init = setup, .fini = teardown)
{
	const struct og_error err = {.kind = OG_RETRY, .message = "cut"};

	check(ASKED);
	og_http_memory_status(answered, 503, "");
	og_http_memory_end(answered, &err);
	check("status 503 ;end 503 cut;");
}

Test(http_memory, aborted_by_the_reader, .init = setup, .fini = teardown)
{
	answer_at_once = true;
	body_says = -1;
	check(ASKED "status 200 text/plain;body a;end 200 aborted by the reader;");
}

Test(http_memory, cancelled_in_the_body, .init = setup, .fini = teardown)
{
	answer_at_once = true;
	cancel_in_body = true;
	check(ASKED "status 200 text/plain;body a;");
	cr_assert(og_http_memory_cancelled(http));
	cr_assert_eq(og_http_memory_body(answered, "c", 1), -1);
}

Test(http_memory, cancelled_before_it_was_asked, .init = setup, .fini = teardown)
{
	og_http_cancel(http, started);
	check("");
	cr_assert(og_http_memory_cancelled(http));
}

Test(http_memory, a_url_that_cannot_be_one, .init = setup, .fini = teardown)
{
	const struct og_http_request request = {.method = "GET", .url = "ftp://x"};
	const struct og_http_handler handler = {.on_end = on_end};
	struct og_error err = {0};

	cr_assert_null(og_http_start(http, &request, &handler, &err));
	cr_assert_eq(err.kind, OG_INVALID);
	check(ASKED);
}
