/* The client against a server on the same loop, which says what each test tells it to. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "io/http.h"

TestSuite(http_curl, .timeout = 60);

/* ---- a resolver that takes its time, in place of libc's, for one name ---- */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	(void)service, (void)hints, (void)res;
	cr_assert_str_eq(node, "slow.test");
	usleep(2000 * 1000);
	return EAI_NONAME;
}

/* ---- the server ---- */

static uv_loop_t loop;
static uv_tcp_t listener;
static int port;
static unsigned accepted, gone; /* connections that came, and that the client ended */
static struct og_buf request;   /* the last one, whole */

struct peer {
	uv_tcp_t tcp;
	char input[65536];
};

static void (*serve)(struct peer *peer); /* when a request is whole */

static void say(struct peer *peer, const char *bytes)
{
	uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)strlen(bytes));

	cr_assert_eq(uv_try_write((uv_stream_t *)&peer->tcp, &buf, 1), (int)buf.len);
}

static void on_peer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void hang_up(struct peer *peer)
{
	if (!uv_is_closing((uv_handle_t *)&peer->tcp))
		uv_close((uv_handle_t *)&peer->tcp, on_peer_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct peer *peer = handle->data;

	(void)suggested;
	*buf = uv_buf_init(peer->input, sizeof(peer->input));
}

static bool request_is_whole(void)
{
	const char *text = og_buf_str(&request), *end = strstr(text, "\r\n\r\n");
	const char *length = strcasestr(text, "\r\nContent-Length: ");

	return end && request.len >= (size_t)(end + 4 - text) + (length ? strtoul(length + 18, NULL, 10) : 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct peer *peer = stream->data;

	if (n < 0) {
		gone++;
		hang_up(peer);
		return;
	}
	og_buf_add(&request, buf->base, (size_t)n);
	if (!request_is_whole())
		return;
	serve(peer);
	og_buf_add(&request, "", 1); /* to be looked at; the next one begins anew */
	request.len = 0;
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	cr_assert_eq(status, 0);
	accepted++;
	uv_tcp_init(&loop, &peer->tcp);
	peer->tcp.data = peer;
	cr_assert_eq(uv_accept(stream, (uv_stream_t *)&peer->tcp), 0);
	uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read);
}

static void serve_hello(struct peer *peer)
{
	say(peer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
}

static void serve_nothing(struct peer *peer)
{
	(void)peer;
}

static void serve_a_beginning(struct peer *peer)
{
	say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhel");
}

/* ---- the client ---- */

static struct og_http *http;
static unsigned closed;

struct seen {
	struct og_http_call *call;
	struct og_http_limits limits;
	const char *method, *user;
	const char *const *headers;
	const void *body;
	size_t body_len;
	int status;
	char type[64];
	char text[256]; /* the body, and a NUL */
	size_t len;
	unsigned statuses, bodies, ends; /* how often each handler was called */
	struct og_error err;
	bool abort; /* on_body says -1 */
	enum at { NEVER, STATUS, BODY, END } act_at;
	void (*act)(struct seen *s); /* then */
};

static void on_closed(void *ctx)
{
	(void)ctx;
	closed++;
	uv_close((uv_handle_t *)&listener, NULL);
}

static void close_all(struct seen *s)
{
	(void)s;
	og_http_close(http, on_closed, NULL);
}

static void cancel(struct seen *s)
{
	og_http_cancel(http, s->call);
}

static void cancel_and_close(struct seen *s)
{
	cancel(s);
	close_all(s);
}

static void act(struct seen *s, enum at at)
{
	if (s->act_at == at)
		s->act(s);
}

static void on_status(void *ctx, int status, const char *content_type)
{
	struct seen *s = ctx;

	s->statuses++;
	s->status = status;
	snprintf(s->type, sizeof(s->type), "%s", content_type);
	act(s, STATUS);
}

static int on_body(void *ctx, const char *data, size_t len)
{
	struct seen *s = ctx;

	cr_assert_eq(s->statuses, 1);
	s->bodies++;
	cr_assert_lt(s->len + len, sizeof(s->text));
	memcpy(s->text + s->len, data, len);
	s->len += len;
	act(s, BODY);
	return s->abort ? -1 : 0;
}

static void on_end(void *ctx, int status, const struct og_error *err)
{
	struct seen *s = ctx;

	s->ends++;
	cr_assert_eq(status, s->status);
	if (err)
		s->err = *err;
	act(s, END);
}

static void start_at(struct seen *s, const char *url, struct og_error *err)
{
	const struct og_http_handler handler = {on_status, on_body, on_end, s};
	const struct og_http_request r = {
		.method = s->method ? s->method : "GET",
		.url = url,
		.headers = s->headers,
		.body = s->body,
		.body_len = s->body_len,
		.user = s->user,
		.password = s->user ? "secret" : NULL,
		.limits = s->limits,
	};

	s->statuses = s->bodies = s->status = 0;
	memset(s->text, 0, sizeof(s->text));
	s->len = 0;
	s->call = og_http_start(http, &r, &handler, err);
}

static void start(struct seen *s)
{
	struct og_error err = {0};
	og_autofree char *url = og_printf("http://127.0.0.1:%d/path", port);

	start_at(s, url, &err);
	cr_assert(s->call, "%s", err.message);
}

static void setup(void)
{
	struct og_error err = {0};
	struct sockaddr_in sa;
	int len = sizeof(sa);

	setenv("http_proxy", "http://127.0.0.1:1", 1); /* must not be used */
	uv_loop_init(&loop);
	uv_tcp_init(&loop, &listener);
	uv_ip4_addr("127.0.0.1", 0, &sa);
	uv_tcp_bind(&listener, (struct sockaddr *)&sa, 0);
	cr_assert_eq(uv_listen((uv_stream_t *)&listener, 16, on_connection), 0);
	uv_tcp_getsockname(&listener, (struct sockaddr *)&sa, &len);
	port = ntohs(sa.sin_port);
	og_buf_init(&request, 16 << 20);
	serve = serve_hello;
	http = og_http_open(&loop, &err);
	cr_assert(http, "%s", err.message);
}

/* The loop ends by itself: nothing was left on it. */
static void run_to_end(void)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(closed, 1);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

static void teardown(void)
{
	og_buf_done(&request);
}

static void run_one(struct seen *s)
{
	s->act_at = END;
	s->act = close_all;
	start(s);
	run_to_end();
	cr_assert_eq(s->ends, 1);
}

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

Test(http_curl, first_byte, .init = setup, .fini = teardown)
{
	check_limit(&(struct og_http_limits){.first_byte_ms = 100, .idle_ms = 5000}, serve_nothing, 100,
		"no answer came within 100 ms");
}

static void serve_only_the_head(struct peer *peer)
{
	say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
}

Test(http_curl, a_head_is_no_first_byte, .init = setup, .fini = teardown)
{
	check_limit(&(struct og_http_limits){.first_byte_ms = 100}, serve_only_the_head, 100,
		"no answer came within 100 ms");
}

Test(http_curl, idle, .init = setup, .fini = teardown)
{
	check_limit(&(struct og_http_limits){.first_byte_ms = 5000, .idle_ms = 100}, serve_a_beginning, 100,
		"nothing more came within 100 ms");
}

Test(http_curl, total, .init = setup, .fini = teardown)
{
	check_limit(&(struct og_http_limits){.total_ms = 100}, serve_a_beginning, 100, "timed out after 1");
}

static void serve_at_a_pace(struct peer *peer)
{
	serve_hello(peer);
	usleep(1000 * 1000);
}

Test(http_curl, a_loop_that_was_away_reads_before_it_judges, .init = setup, .fini = teardown)
{
	struct seen s = {.limits = {.first_byte_ms = 500, .idle_ms = 500}};

	serve = serve_at_a_pace;
	run_one(&s);
	cr_expect_eq(s.err.kind, 0, "%s", s.err.message);
}

Test(http_curl, body_cap, .init = setup, .fini = teardown)
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

Test(http_curl, head_cap, .init = setup, .fini = teardown)
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

Test(http_curl, cut_in_the_body, .init = setup, .fini = teardown)
{
	check_failure(serve_a_cut, "transfer closed with 97 bytes remaining");
}

Test(http_curl, cut_before_the_head, .init = setup, .fini = teardown)
{
	check_failure(hang_up, "Empty reply from server");
}

Test(http_curl, an_answer_that_is_no_http, .init = setup, .fini = teardown)
{
	check_failure(serve_garbage, "HTTP/0.9");
}

Test(http_curl, refused, .init = setup, .fini = teardown)
{
	struct seen s = {.act_at = END, .act = close_all};

	start_at(&s, "http://127.0.0.1:1/", NULL);
	run_to_end();
	cr_expect_eq(s.err.kind, OG_RETRY);
	cr_expect(strstr(s.err.message, "Failed to connect to 127.0.0.1 port 1"), "%s", s.err.message);
	cr_expect_eq(s.statuses, 0);
}

/* ---- cancel, abort, close: from anywhere ---- */

static void check_cancelled(enum at at, void (*how)(struct peer *))
{
	struct seen s = {.act_at = at, .act = cancel_and_close};

	serve = how;
	start(&s);
	run_to_end();
	cr_expect_eq(s.ends, 0);
	cr_expect_eq(s.bodies, at == BODY ? 1 : 0);
	cr_expect_eq(gone, 1);
}

Test(http_curl, cancelled_in_on_status, .init = setup, .fini = teardown)
{
	check_cancelled(STATUS, serve_a_beginning);
}

Test(http_curl, cancelled_in_on_body, .init = setup, .fini = teardown)
{
	check_cancelled(BODY, serve_a_beginning);
}

Test(http_curl, cancelled_in_its_on_end, .init = setup, .fini = teardown)
{
	struct seen s = {.act_at = END, .act = cancel_and_close};

	start(&s);
	run_to_end();
	cr_expect_eq(s.ends, 1);
}

Test(http_curl, closed_in_on_body, .init = setup, .fini = teardown)
{
	struct seen s = {.act_at = BODY, .act = close_all}, other = {0};

	serve = serve_a_beginning;
	start(&other);
	start(&s);
	run_to_end();
	cr_expect_eq(s.ends + other.ends, 0);
	cr_expect_eq(gone, 2);
}

static struct seen *victim;

static void cancel_the_other(struct seen *s)
{
	(void)s;
	cancel(victim);
	close_all(NULL);
}

Test(http_curl, one_cancels_the_other, .init = setup, .fini = teardown)
{
	struct seen other = {0}, s = {.act_at = BODY, .act = cancel_the_other};

	serve = serve_a_beginning;
	victim = &other;
	start(&other);
	start(&s);
	run_to_end();
	cr_expect_eq(s.ends + other.ends, 0);
	cr_expect_eq(gone, 2);
}

Test(http_curl, aborted_by_the_reader, .init = setup, .fini = teardown)
{
	struct seen s = {.abort = true};

	run_one(&s);
	cr_expect_eq(s.err.kind, OG_INVALID);
	cr_expect_str_eq(s.err.message, "aborted by the reader");
}

static struct seen *prefilling;

static void on_prefill_timer(uv_timer_t *timer)
{
	if (prefilling->call) {
		og_http_cancel(http, OG_TAKE(prefilling->call));
	} else if (gone) {
		uv_close((uv_handle_t *)timer, NULL);
		close_all(NULL);
	}
}

Test(http_curl, cancel_before_the_first_byte_reaches_the_server, .init = setup, .fini = teardown)
{
	struct seen s = {0};
	uv_timer_t timer;

	serve = serve_nothing;
	prefilling = &s;
	start(&s);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_prefill_timer, 100, 1);
	run_to_end();
	cr_expect_eq(gone, 1);
	cr_expect_eq(s.ends, 0);
}

Test(http_curl, cancelled_and_closed_at_once, .init = setup, .fini = teardown)
{
	struct seen s = {0}, other = {0};

	start(&s);
	start(&other);
	cancel(&s);
	close_all(&s);
	run_to_end();
	cr_expect_eq(s.ends + other.ends, 0);
}

Test(http_curl, cancelled_and_closed_after_any_turn_of_the_loop)
{
	for (int turns = 0; turns < 20; turns++) {
		struct seen s = {0}, other = {0};

		setup();
		closed = 0;
		start(&s);
		start(&other);
		for (int i = 0; i < turns; i++)
			uv_run(&loop, UV_RUN_NOWAIT);
		if (!other.ends)
			cancel(&other);
		close_all(NULL);
		run_to_end();
		cr_expect_leq(s.ends, 1);
		teardown();
	}
}

/* ---- the loop goes on ---- */

static int64_t widest, last_tick;

static void on_tick(uv_timer_t *timer)
{
	int64_t now = og_clock_mono_ms();

	(void)timer;
	if (last_tick && now - last_tick > widest)
		widest = now - last_tick;
	last_tick = now;
}

static uv_timer_t tick, enough;

static void on_resolver_ended(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
	uv_close((uv_handle_t *)&tick, NULL);
}

static void on_enough(uv_timer_t *timer)
{
	cancel(prefilling);
	close_all(NULL);
	uv_timer_start(timer, on_resolver_ended, 2500, 0);
}

Test(http_curl, a_resolver_that_hangs_stops_neither_the_loop_nor_cancel, .init = setup, .fini = teardown)
{
	struct seen s = {0};

	prefilling = &s;
	start_at(&s, "http://slow.test/", NULL);
	uv_timer_init(&loop, &tick);
	uv_timer_init(&loop, &enough);
	uv_timer_start(&tick, on_tick, 0, 10);
	uv_timer_start(&enough, on_enough, 100, 0);
	run_to_end();
	cr_expect_lt(widest, 1000);
	cr_expect_eq(s.ends, 0);
}
