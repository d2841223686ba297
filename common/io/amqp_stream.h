/* A byte stream to one host and port on the loop: TCP, or TLS over it. It never blocks, TLS included: OpenSSL sees
 * memory only.
 *
 * What is to be written is appended to og_stream_out and goes out in one write at the next flush. No event is called
 * from inside a call, and none after og_stream_close. */
#ifndef OG_IO_AMQP_STREAM_H
#define OG_IO_AMQP_STREAM_H

#include <openssl/ssl.h>
#include <uv.h>

#include "base/buf.h"
#include "base/error.h"

struct og_stream_events {
	void (*on_open)(void *ctx); /* connected, and with TLS shaken hands */
	void (*on_data)(void *ctx, const char *data, size_t len);
	void (*on_drain)(void *ctx); /* a flush has reached the kernel */
	/* It is of no more use. RETRY; FATAL where a certificate is to blame. Close it. */
	void (*on_end)(void *ctx, const struct og_error *why);
};

struct og_stream;

/* tls NULL: plain. verify_host: the certificate must name `host` (a name or an address). NULL: `host` is no host at
 * all. */
struct og_stream *og_stream_open(uv_loop_t *loop, const char *host, const char *port, SSL_CTX *tls, bool verify_host,
	const struct og_stream_events *events, void *ctx, struct og_error *err);
struct og_buf *og_stream_out(struct og_stream *s);
void og_stream_flush(struct og_stream *s);
size_t og_stream_waiting(const struct og_stream *s); /* bytes that the kernel has not taken yet */
/* on_closed is called when `s` is freed: from the loop, or at once where nothing is open yet. What a flush was still
 * writing is lost. */
void og_stream_close(struct og_stream *s, void (*on_closed)(void *ctx), void *ctx);

#endif
