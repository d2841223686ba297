/* The server on a real socket, asked by the HTTP client of common/io and by bare sockets. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/http.h"
#include "web/web.h"

TestSuite(web, .timeout = 30);

static uv_loop_t loop;
static struct og_web *web;
static struct og_http *http;
static struct og_web_call *held; /* what /hold and /stream wait with */
static unsigned gone, ended, cut;
static bool closed;

struct answer {
	int status;
	struct og_buf body;
	bool ended, failed;
};

/* ── its routes ── */

static void echo(void *ctx, struct og_web_call *c)
{
	size_t len;
	const char *body = og_web_body(c, &len);

	(void)ctx;
	og_web_set_header(c, "x-two", "a\r\nx-evil: b");
	og_web_reply(c, 200, "text/plain", body, len);
}

static void on_gone(void *ctx)
{
	(void)ctx;
	held = NULL;
	gone++;
}

static void hold(void *ctx, struct og_web_call *c)
{
	(void)ctx;
	held = c;
	og_web_on_gone(c, on_gone, NULL);
}

static void begin(void *ctx, struct og_web_call *c)
{
	hold(ctx, c);
	og_web_stream(c, 200, "text/event-stream");
}

static const struct og_web_route routes[] = {{"POST", "/echo", echo, NULL, 0}, {"GET", "/hold", hold, NULL, 0},
	{"POST", "/wait", hold, NULL, 0}, {"GET", "/stream", begin, NULL, 0}};

static void refuse(void *ctx, struct og_web_call *c, enum og_web_why why)
{
	static const int statuses[] = {404, 405, 413, 431, 400, 503, 503};

	(void)ctx;
	og_web_reply(c, statuses[why], "text/plain", "no", 2);
}

static void on_ended(void *ctx, const struct og_web_call *c)
{
	(void)ctx;
	ended++;
	cut += og_web_was_cut(c);
}

/* ── the rig ── */

static void open_web_as(int64_t idle_ms, bool (*admits)(void *ctx, const struct og_web_call *c))
{
	const struct og_web_config config = {.listen = "127.0.0.1:0",
		.body_max = 1000,
		.bodies_max = 1500,
		.stream_max = 1 << 20,
		.connections_max = 100,
		.idle_ms = idle_ms,
		.body_ms = 300,
		.cors_origins = "https://a.example, https://b.example",
		.routes = routes,
		.n_routes = OG_COUNT(routes),
		.hooks = {.refuse = refuse, .admits = admits, .ended = on_ended}};

	og_log_init("test", OG_LOG_ERROR);
	uv_loop_init(&loop);
	web = og_web_open(&loop, &config, NULL);
	cr_assert_not_null(web);
	http = og_http_open(&loop, NULL);
	held = NULL;
	gone = ended = cut = 0;
	closed = false;
}

static void open_web(int64_t idle_ms)
{
	open_web_as(idle_ms, NULL);
}

static void on_closed(void *ctx)
{
	(void)ctx;
	closed = true;
}

static void close_web(void)
{
	og_http_close(http, NULL, NULL);
	og_web_close(web, on_closed, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert(closed);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

#define UNTIL(condition)                                                                                               \
	do {                                                                                                           \
		while (!(condition))                                                                                   \
			uv_run(&loop, UV_RUN_ONCE);                                                                    \
	} while (0)

static int on_body(void *ctx, const char *data, size_t len)
{
	struct answer *a = ctx;

	return og_buf_add(&a->body, data, len);
}

static void on_end(void *ctx, int status, const struct og_error *err)
{
	struct answer *a = ctx;

	a->status = status;
	a->failed = err != NULL;
	a->ended = true;
}

static struct og_http_call *ask(struct answer *a, const char *method, const char *path, const char *body, size_t len)
{
	og_autofree char *url = og_printf("http://127.0.0.1:%d%s", og_web_port(web), path);
	const struct og_http_handler handler = {.on_body = on_body, .on_end = on_end, .ctx = a};
	const struct og_http_request request = {.method = method, .url = url, .body = body, .body_len = len};

	*a = (struct answer){0};
	og_buf_init(&a->body, 1 << 24);
	return og_http_start(http, &request, &handler, NULL);
}

static int status_of(const char *method, const char *path, const char *body, size_t len)
{
	struct answer a;

	ask(&a, method, path, body, len);
	UNTIL(a.ended);
	og_buf_done(&a.body);
	return a.status;
}

/* A connection that the test writes itself. */
static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)og_web_port(web))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* ── tests ── */

Test(web, answers_whole_and_what_it_is_not_asked_for)
{
	char large[2000] = {0};
	struct answer a;

	open_web(60000);
	ask(&a, "POST", "/echo", "hello", 5);
	UNTIL(a.ended);
	cr_expect_eq(a.status, 200);
	cr_expect_str_eq(og_buf_str(&a.body), "hello");
	og_buf_done(&a.body);
	cr_expect_eq(status_of("GET", "/none", NULL, 0), 404);
	cr_expect_eq(status_of("GET", "/echo", NULL, 0), 405);
	cr_expect_eq(status_of("POST", "/echo", large, sizeof(large)), 413);
	cr_expect_eq(status_of("POST", "/echo", "again", 5), 200);
	UNTIL(ended == 5);
	close_web();
}

Test(web, an_answer_may_come_later)
{
	struct answer a;

	open_web(60000);
	ask(&a, "GET", "/hold", NULL, 0);
	UNTIL(held);
	og_web_reply(held, 201, "text/plain", "late", 4);
	UNTIL(a.ended);
	cr_expect_eq(a.status, 201);
	cr_expect_str_eq(og_buf_str(&a.body), "late");
	og_buf_done(&a.body);
	cr_expect_eq(gone, 0);
	close_web();
}

Test(web, a_stream_goes_out_as_it_is_written)
{
	struct answer a;

	open_web(60000);
	ask(&a, "GET", "/stream", NULL, 0);
	UNTIL(held);
	og_web_write(held, "one ", 4);
	UNTIL(a.body.len == 4);
	og_web_write(held, "two ", 4);
	og_web_write(held, "three", 5);
	og_web_end(held);
	UNTIL(a.ended);
	cr_expect(!a.failed);
	cr_expect_str_eq(og_buf_str(&a.body), "one two three");
	og_buf_done(&a.body);
	close_web();
	cr_expect_eq(gone, 0);
	cr_expect_eq(cut, 0);
}

Test(web, a_stream_that_is_cut_does_not_look_whole)
{
	struct answer a;

	open_web(60000);
	ask(&a, "GET", "/stream", NULL, 0);
	UNTIL(held);
	og_web_write(held, "half", 4);
	UNTIL(a.body.len == 4);
	og_web_cut(held);
	UNTIL(a.ended);
	cr_expect(a.failed);
	og_buf_done(&a.body);
	UNTIL(ended == 1);
	cr_expect_eq(cut, 1);
	close_web();
}

static void leaves(const char *path)
{
	int64_t left;
	int fd;

	open_web(60000);
	fd = dial();
	say(fd, "GET ");
	say(fd, path);
	say(fd, " HTTP/1.1\r\nHost: x\r\n\r\n");
	UNTIL(held);
	left = og_clock_mono_ms();
	close(fd);
	UNTIL(gone);
	cr_expect_lt(og_clock_mono_ms() - left, 1000);
	UNTIL(ended == 1);
	cr_expect_eq(cut, 1);
	close_web();
}

Test(web, a_client_that_leaves_while_it_waits_is_noticed)
{
	leaves("/hold");
}

Test(web, a_client_that_leaves_a_quiet_stream_is_noticed)
{
	leaves("/stream");
}

Test(web, a_reader_that_takes_nothing_is_cut_off)
{
	static char block[64 * 1024];
	int fd, rc = 0;

	open_web(60000);
	fd = dial();
	say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	UNTIL(held);
	for (int i = 0; i < 1000 && rc == 0; i++) {
		rc = og_web_write(held, block, sizeof(block));
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	cr_expect_eq(rc, -1);
	UNTIL(ended == 1);
	cr_expect_eq(gone, 0, "who wrote was told by the -1");
	close(fd);
	close_web();
}

Test(web, a_head_that_does_not_come_and_a_body_that_does_not_end_are_closed)
{
	char byte;
	int slow, idle;

	open_web(200);
	slow = dial();
	idle = dial();
	say(slow, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab");
	say(idle, "GET /ho");
	UNTIL(og_web_connections(web) == 2);
	UNTIL(og_web_connections(web) == 0);
	cr_expect_eq(read(idle, &byte, 1), 0);
	cr_expect_eq(ended, 1, "the one whose head had come");
	close(slow);
	close(idle);
	close_web();
}

Test(web, closing_tells_those_who_wait)
{
	struct answer a;

	open_web(60000);
	ask(&a, "GET", "/hold", NULL, 0);
	UNTIL(held);
	close_web();
	cr_expect_eq(gone, 1);
	cr_expect_eq(ended, 1);
	og_buf_done(&a.body);
}

Test(web, a_body_that_ends_while_it_is_closed_is_nobodys)
{
	int fd;

	open_web(60000);
	fd = dial();
	say(fd, "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
	UNTIL(og_web_calls(web) == 1);
	say(fd, "cd");
	close_web();
	cr_expect_eq(gone, 0);
	cr_expect_eq(ended, 1);
	close(fd);
}

/* Else its client, which writes before it reads, would find a broken connection and no answer. */
Test(web, a_refusal_follows_the_body)
{
	static char body[1 << 20];
	char head[128], said[64] = {0};
	int fd;

	open_web(60000);
	fd = dial();
	snprintf(head, sizeof(head), "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", sizeof(body));
	say(fd, head);
	UNTIL(og_web_calls(web) == 1);
	for (size_t sent = 0; sent < sizeof(body); sent += 65536) {
		cr_assert_eq(send(fd, body, 65536, MSG_DONTWAIT | MSG_NOSIGNAL), 65536);
		uv_run(&loop, UV_RUN_ONCE);
	}
	UNTIL(ended == 1);
	cr_expect_gt(read(fd, said, sizeof(said) - 1), 0);
	cr_expect_str_eq(strtok(said, "\r"), "HTTP/1.1 404 Not Found");
	close(fd);
	close_web();
}

Test(web, one_that_is_being_stopped_refuses)
{
	struct answer a;
	int fd;
	char said[64] = {0};

	open_web(60000);
	fd = dial();
	say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	UNTIL(held);
	og_web_quiesce(web);
	ask(&a, "GET", "/hold", NULL, 0);
	UNTIL(a.ended);
	cr_expect_eq(a.status, 0, "nobody listens any more");
	og_buf_done(&a.body);
	og_web_reply(held, 200, "text/plain", "", 0);
	UNTIL(ended == 1);
	cr_expect_gt(read(fd, said, sizeof(said) - 1), 0);
	cr_expect_str_eq(strtok(said, "\r"), "HTTP/1.1 200 OK");
	close(fd);
	close_web();
}

/* Each holds its body for as long as its answer is not there. */
Test(web, bodies_are_bounded_in_all)
{
	static char body[900];
	struct answer first, second;

	memset(body, 'x', sizeof(body));
	open_web(60000);
	ask(&first, "POST", "/wait", body, sizeof(body));
	UNTIL(held);
	cr_expect_eq(status_of("POST", "/echo", body, sizeof(body)), 503);
	cr_expect_eq(status_of("POST", "/echo", body, 500), 200);
	og_web_reply(held, 200, "text/plain", "", 0);
	UNTIL(first.ended);
	ask(&second, "POST", "/echo", body, sizeof(body));
	UNTIL(second.ended);
	cr_expect_eq(second.status, 200);
	og_buf_done(&second.body);
	close_web();
}

static bool nobody(void *ctx, const struct og_web_call *c)
{
	(void)ctx;
	(void)c;
	return false;
}

Test(web, the_body_of_one_who_is_not_admitted_is_read_into_nowhere)
{
	struct answer a;

	open_web_as(60000, nobody);
	ask(&a, "POST", "/echo", "hello", 5);
	UNTIL(a.ended);
	cr_expect_eq(a.status, 200, "its handler refuses it, in words");
	cr_expect_eq(a.body.len, 0);
	og_buf_done(&a.body);
	close_web();
}

Test(web, an_address_that_is_none_is_told)
{
	struct og_web_config config = {.listen = "nowhere", .routes = routes};
	struct og_error err;

	uv_loop_init(&loop);
	cr_expect_null(og_web_open(&loop, &config, &err));
	cr_expect_eq(err.kind, OG_INVALID);
	config.listen = "127.0.0.1:0";
	config.cert = "/dev/null";
	cr_expect_null(og_web_open(&loop, &config, &err));
	cr_expect_eq(err.kind, OG_INVALID, "%s", err.message);
	uv_loop_close(&loop);
}
