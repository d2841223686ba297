/* Why hiredis's reader and formatter, and not its asynchronous API, on libuv's own streams. In 0.14 (each tried):
 * - its adapter for libuv never tells of a refused connection (libuv reports it by a status, which the adapter drops);
 * - an unexpected reply of the server ends the process (assert);
 * - freeing the context in the connect callback is a use after free;
 * - it resolves names with a blocking getaddrinfo, and its sockets are inherited by the processes we start;
 * - what waits to be written is moved in memory after each partial write: 128 MiB took 2.3 s of processor time. */
#include "io/redis_stream.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/parse.h"

#define READ_SIZE     (64 * 1024)
#define OUT_KEPT_SIZE (256 * 1024) /* a larger output buffer is given back when it has been written */

struct og_redis_stream {
	const struct og_redis_address *address;
	unsigned attempt;
	struct og_redis_stream_events events;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} u;
	uv_idle_t flush; /* active while there is something to write that nobody is writing */
	uv_connect_t connect;
	uv_getaddrinfo_t resolve;
	uv_write_t write;
	char *written;     /* what `write` is writing, or NULL */
	struct og_buf out; /* what comes after that */
	redisReader *reader;
	unsigned parts; /* of the handles and the resolving: those that libuv still holds */
	bool opened, closed;
	char input[READ_SIZE];
};

int og_redis_address_parse(const char *text, struct og_redis_address *ret, struct og_error *err)
{
	struct sockaddr_un sa;
	struct og_redis_address a = {.port = 6379};
	const char *colon, *host = text, *host_end = text + strlen(text);
	int64_t port;

	if (strncmp(text, "unix:", 5) == 0) {
		if (!text[5] || strlen(text + 5) >= sizeof(sa.sun_path))
			return og_fail(err, OG_INVALID, "Redis address \"%s\": a socket's path has 1 to %zu bytes",
				text, sizeof(sa.sun_path) - 1);
		*ret = (struct og_redis_address){.path = og_strdup(text + 5)};
		return 0;
	}
	colon = strrchr(text, ':');
	if (text[0] == '[') {
		host = text + 1;
		host_end = strchr(text, ']');
		if (!host_end || (host_end[1] && host_end[1] != ':'))
			return og_fail(err, OG_INVALID, "Redis address \"%s\": expected [address]:port", text);
		colon = host_end[1] ? host_end + 1 : NULL;
	} else if (colon) {
		host_end = colon;
	}
	if (host == host_end)
		return og_fail(err, OG_INVALID, "Redis address \"%s\": expected host:port or unix:/path", text);
	if (colon) {
		if (og_parse_int(colon + 1, 1, 65535, &port, err) < 0)
			return og_fail_in(err, "Redis address \"%s\"", text);
		a.port = (int)port;
	}
	a.host = og_strndup(host, (size_t)(host_end - host));
	*ret = a;
	return 0;
}

void og_redis_address_done(struct og_redis_address *address)
{
	free(address->path);
	free(address->host);
	*address = (struct og_redis_address){0};
}

static void gone(struct og_redis_stream *s, const char *what, const char *why)
{
	struct og_error err = {0};

	og_fail(&err, OG_RETRY, "%s: %s", what, why);
	s->events.on_gone(s->events.ctx, &err);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct og_redis_stream *s = handle->data;

	(void)suggested;
	*buf = uv_buf_init(s->input, sizeof(s->input));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct og_redis_stream *s = stream->data;
	void *reply;

	if (n < 0) {
		gone(s, "the connection was lost", n == UV_EOF ? "closed by the server" : uv_strerror((int)n));
		return;
	}
	redisReaderFeed(s->reader, buf->base, (size_t)n);
	while (!s->closed) {
		if (redisReaderGetReply(s->reader, &reply) != REDIS_OK) {
			gone(s, "no Redis answers there", s->reader->errstr);
			return;
		}
		if (!reply)
			return;
		s->events.on_reply(s->events.ctx, reply);
		freeReplyObject(reply);
	}
}

/* ---- writing ---- */

static void on_flush(uv_idle_t *flush);

/* An idle handle runs once more before the loop waits, wherever in its turn the loop is now. */
static void schedule_flush(struct og_redis_stream *s)
{
	if (s->opened && !s->closed && !s->written && s->out.len)
		uv_idle_start(&s->flush, on_flush);
}

static void on_written(uv_write_t *write, int status)
{
	struct og_redis_stream *s = write->data;

	free(OG_TAKE(s->written));
	if (status < 0 && !s->closed)
		gone(s, "the connection was lost", uv_strerror(status));
	schedule_flush(s);
}

static void on_flush(uv_idle_t *flush)
{
	struct og_redis_stream *s = flush->data;
	uv_buf_t buf = uv_buf_init(s->out.data, (unsigned)s->out.len);
	int n;

	uv_idle_stop(flush);
	n = uv_try_write(&s->u.stream, &buf, 1);
	if (n < 0 && n != UV_EAGAIN) {
		gone(s, "the connection was lost", uv_strerror(n));
		return;
	}
	if (n == (int)buf.len) {
		if (s->out.room > OUT_KEPT_SIZE)
			og_buf_done(&s->out);
		else
			og_buf_clear(&s->out);
		return;
	}
	s->written = og_buf_take(&s->out);
	buf.base += n > 0 ? n : 0;
	buf.len -= n > 0 ? (size_t)n : 0;
	s->write.data = s;
	n = uv_write(&s->write, &s->u.stream, &buf, 1, on_written);
	if (n < 0) {
		free(OG_TAKE(s->written));
		gone(s, "the connection was lost", uv_strerror(n));
	}
}

void og_redis_stream_send(struct og_redis_stream *s, const void *bytes, size_t len)
{
	og_buf_add(&s->out, bytes, len);
	schedule_flush(s);
}

/* ---- closing ---- */

static void part_gone(struct og_redis_stream *s)
{
	struct og_redis_stream_events events = s->events;

	if (--s->parts)
		return;
	redisReaderFree(s->reader);
	og_buf_done(&s->out);
	free(s);
	events.on_closed(events.ctx);
}

static void on_handle_closed(uv_handle_t *handle)
{
	part_gone(handle->data);
}

void og_redis_stream_close(struct og_redis_stream *s)
{
	s->closed = true;
	uv_cancel((uv_req_t *)&s->resolve); /* fails where nothing is being resolved, or can no longer be stopped */
	uv_close(&s->u.handle, on_handle_closed);
	uv_close((uv_handle_t *)&s->flush, on_handle_closed);
}

/* ---- connecting ---- */

static void on_connected(uv_connect_t *connect, int status)
{
	struct og_redis_stream *s = connect->data;

	if (s->closed)
		return;
	if (status == 0) {
		if (!s->address->path)
			uv_tcp_nodelay(&s->u.tcp, 1);
		status = uv_read_start(&s->u.stream, on_alloc, on_read);
	}
	if (status < 0) {
		gone(s, "cannot connect", uv_strerror(status));
		return;
	}
	s->opened = true;
	s->events.on_open(s->events.ctx);
}

static void connect_tcp(struct og_redis_stream *s, const struct sockaddr *sa)
{
	int status;

	s->connect.data = s;
	status = uv_tcp_connect(&s->connect, &s->u.tcp, sa, on_connected);
	if (status < 0)
		gone(s, "cannot connect", uv_strerror(status));
}

static const struct addrinfo *pick(const struct addrinfo *list, unsigned attempt)
{
	unsigned n = 0;

	for (const struct addrinfo *a = list; a; a = a->ai_next)
		n++;
	for (attempt %= n; attempt; attempt--)
		list = list->ai_next;
	return list;
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *list)
{
	struct og_redis_stream *s = resolve->data;

	if (!s->closed) {
		if (status < 0)
			gone(s, s->address->host, uv_strerror(status));
		else
			connect_tcp(s, pick(list, s->attempt)->ai_addr);
	}
	uv_freeaddrinfo(list);
	part_gone(s);
}

/* The first step, taken from the loop, so that no callback runs inside og_redis_stream_open. */
static void on_start(uv_idle_t *flush)
{
	struct og_redis_stream *s = flush->data;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct sockaddr_storage sa;
	char port[8];
	int status;

	uv_idle_stop(flush);
	if (s->address->path) {
		s->connect.data = s;
		uv_pipe_connect(&s->connect, &s->u.pipe, s->address->path, on_connected);
		return;
	}
	if (uv_ip4_addr(s->address->host, s->address->port, (struct sockaddr_in *)&sa) == 0 ||
		uv_ip6_addr(s->address->host, s->address->port, (struct sockaddr_in6 *)&sa) == 0) {
		connect_tcp(s, (struct sockaddr *)&sa);
		return;
	}
	snprintf(port, sizeof(port), "%d", s->address->port);
	s->resolve.data = s;
	status = uv_getaddrinfo(flush->loop, &s->resolve, on_resolved, s->address->host, port, &hints);
	if (status < 0)
		gone(s, s->address->host, uv_strerror(status));
	else
		s->parts++;
}

struct og_redis_stream *og_redis_stream_open(uv_loop_t *loop, const struct og_redis_address *address, unsigned attempt,
	const struct og_redis_stream_events *events)
{
	struct og_redis_stream *s = og_new(struct og_redis_stream);

	s->address = address;
	s->attempt = attempt;
	s->events = *events;
	s->reader = redisReaderCreate();
	if (!s->reader)
		abort();
	og_buf_init(&s->out, SIZE_MAX / 2);
	if (address->path)
		uv_pipe_init(loop, &s->u.pipe, 0);
	else
		uv_tcp_init(loop, &s->u.tcp);
	s->u.handle.data = s;
	uv_idle_init(loop, &s->flush);
	s->flush.data = s;
	uv_idle_start(&s->flush, on_start);
	s->parts = 2;
	return s;
}
