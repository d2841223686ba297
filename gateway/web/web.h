/* The gateway's HTTP server, on the loop: libmicrohttpd speaks the protocol; here are routes, bodies, answers, streams,
 * and the bounds on all of them.
 *
 * A request is given to its route's handler once its body is whole. The handler answers it then or later, once:
 *
 *   handle ──▶ og_web_reply                                      ──▶ (bytes go out) ──▶ ended
 *        └───▶ og_web_stream ─▶ og_web_write, … ─▶ og_web_end    ──▶ (bytes go out) ──▶ ended
 *        │                                      └▶ og_web_cut    ──▶ the connection is closed
 *        └───▶ its client goes away first: on_gone
 *
 * After reply, end, cut, or on_gone the call is no longer the handler's: it must not be touched again. Nothing but
 * `handle`, on_gone and the hooks is called from here, on the loop's thread, and never from inside a function of this
 * header. */
#ifndef OG_WEB_H
#define OG_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct og_web;
struct og_web_call;

struct og_web_route {
	const char *method; /* "GET"; HEAD is answered by GET's */
	/* "/v1/files/{}/content": {} is one segment; at the end {*} is all the rest, slashes and all (not empty). */
	const char *path;
	void (*handle)(void *ctx, struct og_web_call *c);
	const void *more; /* whatever its handler wants to know of the route: og_web_more */
	/* Not 0: its body is a form, of at most so many bytes, whose part `file` goes to the disk: og_web_take_file. */
	int64_t form_max;
};

/* Why the server itself refuses a request, for the hook that words it. */
enum og_web_why {
	OG_WEB_NOT_FOUND,          /* no such path: 404 */
	OG_WEB_METHOD_NOT_ALLOWED, /* 405 */
	OG_WEB_TOO_LARGE,          /* 413: the body is above the cap */
	OG_WEB_HEAD_TOO_LARGE,     /* 431: what comes before the body is */
	OG_WEB_AMBIGUOUS,          /* 400: it is not clear where it ends */
	OG_WEB_FULL,               /* 503: so many bytes of bodies are kept */
	OG_WEB_STOPPING,           /* 503: the server is being stopped */
};

struct og_web_hooks {
	/* Answers by og_web_reply. */
	void (*refuse)(void *ctx, struct og_web_call *c, enum og_web_why why);
	/* Whether the body of this one is worth keeping, before it is known who asks; NULL: everybody's. Another's is read
	 * into nowhere. */
	bool (*admits)(void *ctx, const struct og_web_call *c);
	/* The call is over, one way or the other; it is freed after. For the access log. May be NULL. */
	void (*ended)(void *ctx, const struct og_web_call *c);
	void *ctx;
};

struct og_web_config {
	const char *listen;       /* "127.0.0.1:8080", "[::]:8080", "localhost:0" */
	const char *cert, *key;   /* PEM files, both or neither ("" or NULL): then TLS is spoken */
	const char *cors_origins; /* with commas between, or "*"; "": none is allowed */
	size_t body_max;          /* bytes of a request's body */
	size_t bodies_max;        /* and of all that are kept at a time */
	const char *form_dir;     /* folder for the files of forms; there already */
	size_t stream_max;        /* bytes of a stream that wait for its reader; beyond them the connection is cut */
	unsigned connections_max;
	int64_t idle_ms; /* for the head of a request, from the connection's opening or the last answer */
	int64_t body_ms; /* for a body, and another second for each 64 KiB of it */
	const struct og_web_route *routes;
	size_t n_routes;
	void *ctx; /* of the handlers */
	struct og_web_hooks hooks;
};

/* Listens. What `config` points to is borrowed. INVALID: the address cannot be one; FATAL: it is taken, or the
 * certificate cannot be read. */
struct og_web *og_web_open(uv_loop_t *loop, const struct og_web_config *config, struct og_error *err);
int og_web_port(const struct og_web *w);     /* the one that it listens on */
size_t og_web_calls(const struct og_web *w); /* requests that have not ended */
size_t og_web_connections(const struct og_web *w);
void og_web_quiesce(struct og_web *w); /* takes no more connections, refuses requests as STOPPING */
/* Cuts what has not ended (on_gone is called), closes; `cb` (may be NULL) is called when all is freed. */
void og_web_close(struct og_web *w, void (*cb)(void *ctx), void *ctx);

/* ── the request ── borrowed from the call */

const char *og_web_method(const struct og_web_call *c);
const char *og_web_path(const struct og_web_call *c);           /* unescaped, without the query */
const char *og_web_part(const struct og_web_call *c, size_t i); /* what the i-th {} stands for; "" beyond */
const void *og_web_more(const struct og_web_call *c);
const char *og_web_query(const struct og_web_call *c, const char *name);  /* NULL: not there */
const char *og_web_header(const struct og_web_call *c, const char *name); /* NULL: not there; case does not matter */
const char *og_web_host(const struct og_web_call *c); /* "host:port" that it is meant for; NULL: it says none */
const char *og_web_body(const struct og_web_call *c, size_t *ret_len); /* with a NUL behind */
/* A form's field; NULL: not there. */
const char *og_web_field(const struct og_web_call *c, const char *name);
/* A form's file, open; it is the caller's from here on, to be renamed or unlinked. INVALID: the form has none; RETRY: the disk
 * did not take it. */
struct og_web_file {
	char *path, *name; /* the name as the client has it; NULL: none */
	int fd;
	int64_t size;
	bool there;
};
int og_web_take_file(struct og_web_call *c, struct og_web_file *ret, struct og_error *err);
void og_web_file_done(struct og_web_file *file); /* closes and frees; the file stays */
bool og_web_from_loopback(const struct og_web_call *c);
bool og_web_origin_allowed(const struct og_web_call *c);    /* it is of a page of an origin in cors_origins */
const char *og_web_peer(const struct og_web_call *c);       /* "192.0.2.7"; "" unknown */
const char *og_web_request_id(const struct og_web_call *c); /* a UUID of ours; also the header x-request-id */
int64_t og_web_since_us(const struct og_web_call *c);       /* monotonic: when its head was read */

/* Something of the handler's that lives as long as the call does; `done` frees it. */
void og_web_keep(struct og_web_call *c, void *data, void (*done)(void *data));
void *og_web_kept(const struct og_web_call *c); /* NULL: nothing */

/* ── the answer ── */

/* A header of the answer; before reply or stream. Line breaks in `value` are left out. */
void og_web_set_header(struct og_web_call *c, const char *name, const char *value);
void og_web_reply(struct og_web_call *c, int status, const char *content_type, const char *body, size_t len);
/* As reply; takes over `body`, which was malloc'ed. */
void og_web_reply_owned(struct og_web_call *c, int status, const char *content_type, char *body, size_t len);

/* `size` bytes of the open file, which is closed. */
void og_web_reply_file(struct og_web_call *c, int status, const char *content_type, int fd, int64_t size);

void og_web_stream(struct og_web_call *c, int status, const char *content_type);
/* What the reader cannot take in time is kept; -1: it is more than stream_max. The connection is cut then, and on_gone
 * was NOT called: the call is over for the handler as after og_web_cut. */
int og_web_write(struct og_web_call *c, const char *data, size_t len);
void og_web_end(struct og_web_call *c);
void og_web_cut(struct og_web_call *c); /* for who must not take what it has for the whole */

/* The client has gone before its answer had ended: noticed within about 50 ms, also while nothing is sent. */
void og_web_on_gone(struct og_web_call *c, void (*cb)(void *ctx), void *ctx);

/* ── for the access log ── */

/* Adds " key=value" to the call's line; the value is quoted where it must be. */
void og_web_note(struct og_web_call *c, const char *key, const char *value);
void og_web_note_number(struct og_web_call *c, const char *key, int64_t value);
const char *og_web_notes(const struct og_web_call *c);
int og_web_status(const struct og_web_call *c);    /* 0: none was sent */
uint64_t og_web_sent(const struct og_web_call *c); /* bytes of the answer's body */
bool og_web_was_cut(const struct og_web_call *c);  /* the client went, or it was cut */

#endif
