/* One connection to Redis: a libuv stream with hiredis's reader on it. Private to redis_hiredis.c. */
#ifndef OG_IO_REDIS_STREAM_H
#define OG_IO_REDIS_STREAM_H

#include <hiredis/hiredis.h>
#include <uv.h>

#include "base/error.h"

struct og_redis_address {
	char *path; /* of a unix socket, or NULL */
	char *host;
	int port;
};

/* INVALID: it cannot be one. og_redis_address_done frees what *ret holds. */
int og_redis_address_parse(const char *text, struct og_redis_address *ret, struct og_error *err);
void og_redis_address_done(struct og_redis_address *address);

struct og_redis_stream_events {
	void (*on_open)(void *ctx);
	void (*on_reply)(void *ctx, redisReply *reply);         /* freed after the call */
	void (*on_gone)(void *ctx, const struct og_error *why); /* could not connect, or was cut: now close it */
	void (*on_closed)(void *ctx);                           /* after og_redis_stream_close, when all is freed */
	void *ctx;
};

struct og_redis_stream;

/* Of a name's addresses, attempt n takes the n-th, round and round. `address` must outlive the stream. */
struct og_redis_stream *og_redis_stream_open(uv_loop_t *loop, const struct og_redis_address *address, unsigned attempt,
	const struct og_redis_stream_events *events);

/* Copies. What is sent in one turn of the loop leaves in one write, before the loop waits. The caller bounds it. */
void og_redis_stream_send(struct og_redis_stream *s, const void *bytes, size_t len);

/* No callback but on_closed after this. May be called in any of them. */
void og_redis_stream_close(struct og_redis_stream *s);

#endif
