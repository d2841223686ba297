#include "io/amqp_stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/amqp_tls.h"

#define READ_ROOM 65536
#define OUT_CAP   ((size_t)1 << 40) /* bounded by what the client pumps */

struct og_stream {
	uv_loop_t *loop;
	const struct og_stream_events *events;
	void *ctx;
	struct og_tls *tls;
	bool open, ended, closing;

	uv_getaddrinfo_t resolve;
	bool resolving;
	struct addrinfo *addresses, *address; /* address: the one being tried */
	uv_tcp_t tcp;
	bool tcp_live; /* initialised, and its close callback not seen */
	uv_connect_t connect;

	struct og_buf out, wire; /* wire: what the kernel is being given */
	uv_write_t write;
	bool writing;
	char *read_room;

	void (*on_closed)(void *ctx);
	void *closed_ctx;
};

static void try_address(struct og_stream *s);
static void write_wire(struct og_stream *s);

static void end(struct og_stream *s, enum og_kind kind, const char *words)
{
	struct og_error why;

	if (s->ended || s->closing)
		return;
	s->ended = true;
	og_fail(&why, kind, "%s", words);
	s->events->on_end(s->ctx, &why);
}

/* closing */

static void free_when_idle(struct og_stream *s)
{
	void (*on_closed)(void *) = s->on_closed;
	void *ctx = s->closed_ctx;

	if (s->resolving || s->tcp_live)
		return;
	og_tls_free(s->tls);
	uv_freeaddrinfo(s->addresses);
	og_buf_done(&s->out);
	og_buf_done(&s->wire);
	free(s->read_room);
	free(s);
	on_closed(ctx);
}

static void on_tcp_closed(uv_handle_t *tcp)
{
	struct og_stream *s = tcp->data;

	s->tcp_live = false;
	if (s->closing)
		free_when_idle(s);
	else
		try_address(s);
}

void og_stream_close(struct og_stream *s, void (*on_closed)(void *ctx), void *ctx)
{
	s->closing = true;
	s->on_closed = on_closed;
	s->closed_ctx = ctx;
	if (s->resolving)
		uv_cancel((uv_req_t *)&s->resolve);
	else if (!s->tcp_live)
		free_when_idle(s);
	else if (!uv_is_closing((uv_handle_t *)&s->tcp))
		uv_close((uv_handle_t *)&s->tcp, on_tcp_closed);
}

/* writing */

static void on_written(uv_write_t *write, int status)
{
	struct og_stream *s = write->data;

	s->writing = false;
	og_buf_clear(&s->wire);
	if (s->wire.room > READ_ROOM * 8)
		og_buf_done(&s->wire); /* one large message must not make us large for ever */
	if (s->closing || status < 0)  /* the reader sees the end too, and what the other side said last: a TLS alert */
		return;
	write_wire(s);
	s->events->on_drain(s->ctx);
}

/* Takes what there is, TLS records included, in one write. */
static void write_wire(struct og_stream *s)
{
	uv_buf_t buf;

	if (s->writing || s->ended || s->closing || !s->tcp_live)
		return;
	if (s->tls) {
		og_tls_seal(s->tls, s->open ? &s->out : NULL, &s->wire);
	} else if (s->open) {
		struct og_buf empty = s->wire;

		s->wire = s->out;
		s->out = empty;
	}
	if (!s->wire.len)
		return;
	buf = uv_buf_init(s->wire.data, (unsigned)s->wire.len);
	s->write.data = s;
	s->writing = true;
	uv_write(&s->write, (uv_stream_t *)&s->tcp, &buf, 1, on_written);
}

struct og_buf *og_stream_out(struct og_stream *s)
{
	return &s->out;
}

void og_stream_flush(struct og_stream *s)
{
	if (s->out.len)
		write_wire(s);
}

size_t og_stream_waiting(const struct og_stream *s)
{
	return s->out.len + s->wire.len;
}

/* reading */

static void on_room(uv_handle_t *tcp, size_t suggested, uv_buf_t *buf)
{
	struct og_stream *s = tcp->data;

	(void)suggested;
	*buf = uv_buf_init(s->read_room, READ_ROOM);
}

static void opened(struct og_stream *s)
{
	s->open = true;
	s->events->on_open(s->ctx);
}

static void on_sealed(struct og_stream *s, const char *data, size_t len)
{
	const char *plain;
	struct og_error why;
	ssize_t n;

	og_tls_received(s->tls, data, len);
	if (!s->open) {
		int done = og_tls_handshake(s->tls, &why);

		write_wire(s); /* an alert too: it tells the broker why */
		if (done < 0)
			end(s, why.kind, why.message);
		if (done <= 0)
			return;
		opened(s);
	}
	while (!s->ended && !s->closing && (n = og_tls_read(s->tls, &plain, &why)) != 0) {
		if (n < 0)
			end(s, why.kind, why.message);
		else
			s->events->on_data(s->ctx, plain, (size_t)n);
	}
	write_wire(s);
}

static void on_read(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf)
{
	struct og_stream *s = tcp->data;

	if (n == UV_EOF)
		end(s, OG_RETRY, "the broker closed the connection");
	else if (n < 0)
		end(s, OG_RETRY, uv_strerror((int)n));
	else if (n > 0 && s->tls)
		on_sealed(s, buf->base, (size_t)n);
	else if (n > 0)
		s->events->on_data(s->ctx, buf->base, (size_t)n);
}

/* connecting */

static void on_connected(uv_connect_t *connect, int status)
{
	struct og_stream *s = connect->data;

	if (s->closing)
		return;
	if (status < 0) {
		s->address = s->address->ai_next;
		if (s->address)
			uv_close((uv_handle_t *)&s->tcp, on_tcp_closed);
		else
			end(s, OG_RETRY, uv_strerror(status));
		return;
	}
	uv_tcp_nodelay(&s->tcp, 1);
	s->read_room = og_alloc(READ_ROOM);
	uv_read_start((uv_stream_t *)&s->tcp, on_room, on_read);
	if (!s->tls) {
		opened(s);
		return;
	}
	og_tls_handshake(s->tls, NULL);
	write_wire(s);
}

static void try_address(struct og_stream *s)
{
	int status;

	uv_tcp_init(s->loop, &s->tcp);
	s->tcp.data = s;
	s->tcp_live = true;
	s->connect.data = s;
	status = uv_tcp_connect(&s->connect, &s->tcp, s->address->ai_addr, on_connected);
	if (status < 0)
		on_connected(&s->connect, status);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *addresses)
{
	struct og_stream *s = resolve->data;

	s->resolving = false;
	s->addresses = s->address = addresses;
	if (s->closing)
		free_when_idle(s);
	else if (status < 0)
		end(s, OG_RETRY, uv_strerror(status));
	else
		try_address(s);
}

struct og_stream *og_stream_open(uv_loop_t *loop, const char *host, const char *port, SSL_CTX *tls, bool verify_host,
	const struct og_stream_events *events, void *ctx, struct og_error *err)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct og_stream *s = og_new(struct og_stream);
	int status;

	s->loop = loop;
	s->events = events;
	s->ctx = ctx;
	s->resolve.data = s;
	og_buf_init(&s->out, OUT_CAP);
	og_buf_init(&s->wire, OUT_CAP);
	status = uv_getaddrinfo(loop, &s->resolve, on_resolved, host, port, &hints);
	if (status < 0) {
		free(s);
		og_fail(err, OG_RETRY, "%s", uv_strerror(status));
		return NULL;
	}
	s->resolving = true;
	s->tls = tls ? og_tls_new(tls, host, verify_host) : NULL;
	return s;
}
