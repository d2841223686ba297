/* The client against a server on the same loop, which says what each test tells it to. */
#ifndef OG_TESTS_HTTP_RIG_H
#define OG_TESTS_HTTP_RIG_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "io/http.h"

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

static inline void say(struct peer *peer, const char *bytes)
{
	uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)strlen(bytes));

	cr_assert_eq(uv_try_write((uv_stream_t *)&peer->tcp, &buf, 1), (int)buf.len);
}

static inline void on_peer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static inline void hang_up(struct peer *peer)
{
	if (!uv_is_closing((uv_handle_t *)&peer->tcp))
		uv_close((uv_handle_t *)&peer->tcp, on_peer_closed);
}

static inline void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct peer *peer = handle->data;

	(void)suggested;
	*buf = uv_buf_init(peer->input, sizeof(peer->input));
}

static inline bool request_is_whole(void)
{
	const char *text = og_buf_str(&request), *end = strstr(text, "\r\n\r\n");
	const char *length = strcasestr(text, "\r\nContent-Length: ");

	return end && request.len >= (size_t)(end + 4 - text) + (length ? strtoul(length + 18, NULL, 10) : 0);
}

static inline void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
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

static inline void on_connection(uv_stream_t *stream, int status)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	cr_assert_eq(status, 0);
	accepted++;
	uv_tcp_init(&loop, &peer->tcp);
	peer->tcp.data = peer;
	cr_assert_eq(uv_accept(stream, (uv_stream_t *)&peer->tcp), 0);
	uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read);
}

static inline void serve_hello(struct peer *peer)
{
	say(peer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
}

static inline void serve_nothing(struct peer *peer)
{
	(void)peer;
}

static inline void serve_a_beginning(struct peer *peer)
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
	bool (*may_connect)(const struct sockaddr *address);
	const char *may_connect_by;
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

static inline void on_closed(void *ctx)
{
	(void)ctx;
	closed++;
	uv_close((uv_handle_t *)&listener, NULL);
}

static inline void close_all(struct seen *s)
{
	(void)s;
	og_http_close(http, on_closed, NULL);
}

static inline void cancel(struct seen *s)
{
	og_http_cancel(http, s->call);
}

static inline void cancel_and_close(struct seen *s)
{
	cancel(s);
	close_all(s);
}

static inline void act(struct seen *s, enum at at)
{
	if (s->act_at == at)
		s->act(s);
}

static inline void on_status(void *ctx, int status, const char *content_type)
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

static inline void on_end(void *ctx, int status, const struct og_error *err)
{
	struct seen *s = ctx;

	s->ends++;
	cr_assert_eq(status, s->status);
	if (err)
		s->err = *err;
	act(s, END);
}

static inline void start_at(struct seen *s, const char *url, struct og_error *err)
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
		.may_connect = s->may_connect,
		.may_connect_by = s->may_connect_by,
		.limits = s->limits,
	};

	s->statuses = s->bodies = s->status = 0;
	memset(s->text, 0, sizeof(s->text));
	s->len = 0;
	s->call = og_http_start(http, &r, &handler, err);
}

static inline void start(struct seen *s)
{
	struct og_error err = {0};
	og_autofree char *url = og_printf("http://127.0.0.1:%d/path", port);

	start_at(s, url, &err);
	cr_assert(s->call, "%s", err.message);
}

static inline void setup(void)
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
static inline void run_to_end(void)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(closed, 1);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

static inline void teardown(void)
{
	og_buf_done(&request);
}

static inline void run_one(struct seen *s)
{
	s->act_at = END;
	s->act = close_all;
	start(s);
	run_to_end();
	cr_assert_eq(s->ends, 1);
}

#endif
