/* HTTP/1.1 as the bench's two ends need it: reads one message after another from the bytes of a connection, of a request or of an answer.
 * Not for strangers: it believes what it is told, but for its bounds. */
#ifndef OG_BENCH_HTTP1_H
#define OG_BENCH_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum http1_state {
	HTTP1_HEAD,
	HTTP1_BODY, /* `left` bytes of it are to come */
	HTTP1_CHUNK_SIZE,
	HTTP1_CHUNK,     /* `left` bytes of it are to come */
	HTTP1_CHUNK_END, /* the line end behind a chunk */
	HTTP1_TRAILER,
};

/* Bytes of the body as they come, unchunked; borrowed. */
typedef void http1_body_cb(void *arg, const char *data, size_t len);

struct http1 {
	enum http1_state state;
	struct og_buf head; /* first line and headers; from then on, of a chunk's line */
	int64_t left;
	bool head_over; /* `status` and `closes` are known */
	int status;     /* of an answer; 0 of a request */
	bool closes;    /* the other side closes the connection behind this message */
	http1_body_cb *on_body;
	void *arg;
};

void http1_init(struct http1 *h, http1_body_cb *on_body, void *arg);
void http1_done(struct http1 *h);

/* Reads at most to the end of a message; *ret_used says how far. 1: a message has ended, and the next call begins another; 0: it wants
 * more; -1: this is no HTTP that it knows (an answer without a length counts as such). */
int http1_read(struct http1 *h, const char *data, size_t len, size_t *ret_used);

/* The first line of the message that is being read, or has just ended; valid until the next http1_read. */
const char *http1_line(const struct http1 *h);

#endif
