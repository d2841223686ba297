/* An HTTP client on the loop (libcurl multi): streaming bodies, with caps and a time-out for each phase.
 *
 * Two implementations: http_curl.c, and http_memory.c, a script of answers, for tests. */
#ifndef OG_IO_HTTP_H
#define OG_IO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct og_http_limits { /* 0: none */
	int64_t connect_ms, first_byte_ms /* of the body, from the start of the request */,
		idle_ms /* between bytes of the body */, total_ms;
	size_t body_cap; /* bytes of the answer's body */
};

struct og_http_request {
	const char *method, *url;
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	const void *body;           /* copied */
	size_t body_len;
	const char *user, *password; /* basic auth; NULL: none */
	const char *unix_socket;     /* NULL: TCP */
	struct og_http_limits limits;
};

struct og_http_handler {
	/* Any may be NULL but on_end. on_body may return -1 to abort (then on_end says INVALID "aborted by the reader"). */
	void (*on_status)(void *ctx, int status, const char *content_type);
	int (*on_body)(void *ctx, const char *data, size_t len);
	/* Once, last. err NULL: the answer came whole (whatever its status). Kinds: RETRY: connect, time-out, cut; INVALID: cap passed, bad URL. */
	void (*on_end)(void *ctx, int status, const struct og_error *err);
	void *ctx;
};

struct og_http;
struct og_http_call; /* alive until on_end has returned, or cancel */

struct og_http_ops {
	struct og_http_call *(*start)(struct og_http *h, const struct og_http_request *request,
		const struct og_http_handler *handler, struct og_error *err);
	void (*cancel)(struct og_http *h, struct og_http_call *call); /* closes the connection; on_end is not called */
	void (*close)(struct og_http *h, void (*cb)(void *ctx), void *ctx); /* cancels all */
};

struct og_http {
	const struct og_http_ops *ops;
};

struct og_http *og_http_open(uv_loop_t *loop, struct og_error *err);

/* One request, whole, driving a loop of its own: for command-line programs. The answer is the caller's to free. */
int og_http_fetch(
	const struct og_http_request *request, int *ret_status, char **ret_body, size_t *ret_len, struct og_error *err);

/* The twin: each started request is given to `answer`, which drives the handler by og_http_memory_*; at once or later. */
typedef void og_http_memory_answer(void *ctx, struct og_http_call *call, const struct og_http_request *request);
struct og_http *og_http_memory_open(uv_loop_t *loop, og_http_memory_answer *answer, void *ctx);
void og_http_memory_status(struct og_http_call *call, int status, const char *content_type);
int og_http_memory_body(struct og_http_call *call, const char *data, size_t len);
void og_http_memory_end(struct og_http_call *call, const struct og_error *err);
bool og_http_memory_cancelled(struct og_http *h); /* was the last call cancelled */

#endif
