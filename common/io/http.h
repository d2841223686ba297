/* An HTTP client on the loop (libcurl multi): streaming bodies, with caps and a time-out for each phase. HTTP/1.1 only,
 * connections are kept and used again; no redirects, no proxies, no compression.
 *
 * Everything happens on the loop's thread. Handlers are called from the loop, never from inside og_http_start, and may
 * call any function of this header, cancel and close included.
 *
 * Two implementations: http_curl.c, and http_memory.c, a script of answers, for tests. */
#ifndef OG_IO_HTTP_H
#define OG_IO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct og_http_limits {        /* 0: none */
	int64_t connect_ms;    /* name, TCP, TLS */
	int64_t first_byte_ms; /* of the body, from the start of the request */
	int64_t idle_ms;       /* between bytes of the body */
	int64_t total_ms;
	size_t body_cap; /* bytes of the answer's body */
};

struct og_http_request {
	const char *method, *url;
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	const void *body;           /* copied */
	size_t body_len;
	const char *user, *password; /* basic auth; NULL: none */
	const char *unix_socket;     /* NULL: TCP */
	/* Asked of each address that the name has, before it is connected to; NULL: any may be. A kept connection has been asked
	 * about when it was made. Where no address may be, the end is INVALID. */
	bool (*may_connect)(const struct sockaddr *address);
	const char *may_connect_by; /* the setting that says which, for the words of that end; static; NULL: none */
	struct og_http_limits limits;
};

struct og_http_handler { /* any may be NULL but on_end */
	/* The final answer's head has come. content_type is "" where it names none. */
	void (*on_status)(void *ctx, int status, const char *content_type);
	/* May return -1 to abort: then on_end says INVALID "aborted by the reader". */
	int (*on_body)(void *ctx, const char *data, size_t len);
	/* Once, last. err NULL: the answer came whole, whatever its status. RETRY: connect, time-out, cut, an answer that
	 * is no HTTP. INVALID: a cap was passed, aborted. status is 0 where no head came. */
	void (*on_end)(void *ctx, int status, const struct og_error *err);
	void *ctx;
};

struct og_http;
struct og_http_call; /* alive until on_end has returned, or cancel */

struct og_http_ops {
	/* NULL: the request cannot be one (INVALID: a bad URL, another scheme than http and https). */
	struct og_http_call *(*start)(struct og_http *h, const struct og_http_request *request,
		const struct og_http_handler *handler, struct og_error *err);
	void (*cancel)(struct og_http *h, struct og_http_call *call); /* closes the connection; on_end is not called */
	/* Cancels all; cb (may be NULL) is called when all is freed: `h` is gone then. */
	void (*close)(struct og_http *h, void (*cb)(void *ctx), void *ctx);
};

struct og_http {
	const struct og_http_ops *ops;
};

struct og_http *og_http_open(uv_loop_t *loop, struct og_error *err);

static inline struct og_http_call *og_http_start(struct og_http *h, const struct og_http_request *request,
	const struct og_http_handler *handler, struct og_error *err)
{
	return h->ops->start(h, request, handler, err);
}
static inline void og_http_cancel(struct og_http *h, struct og_http_call *call)
{
	h->ops->cancel(h, call);
}
static inline void og_http_close(struct og_http *h, void (*cb)(void *ctx), void *ctx)
{
	if (h)
		h->ops->close(h, cb, ctx);
	else if (cb)
		cb(ctx);
}

/* One request, whole, driving a loop of its own: for command-line programs. The answer is the caller's to free, and has
 * a NUL behind its last byte. Without a body_cap it is at most 64 MiB. */
int og_http_fetch(
	const struct og_http_request *request, int *ret_status, char **ret_body, size_t *ret_len, struct og_error *err);

/* The twin: each started request is given to `answer`, from the loop, which drives the handler by og_http_memory_*, at
 * once or later. A call that was cancelled stays safe to drive until the client is closed: nothing comes of it. */
typedef void og_http_memory_answer(void *ctx, struct og_http_call *call, const struct og_http_request *request);
struct og_http *og_http_memory_open(uv_loop_t *loop, og_http_memory_answer *answer, void *ctx);
void og_http_memory_status(struct og_http_call *call, int status, const char *content_type);
int og_http_memory_body(struct og_http_call *call, const char *data, size_t len); /* -1: nobody reads on */
void og_http_memory_end(struct og_http_call *call, const struct og_error *err);
bool og_http_memory_cancelled(struct og_http *h); /* was the last call cancelled */

#endif
