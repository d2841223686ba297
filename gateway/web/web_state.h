/* What the parts of the server share: server.c (the daemon on the loop, connections), call.c (one request as it
 * comes, and its answer as it goes), answer.c (the answer as it is made), form.c (its file), watch.c (clients that go
 * away, time-outs), framing.c (where a request ends), target.c (what it asks for), route.c (which handler), address.c, cors.c. */
#ifndef OG_WEB_STATE_H
#define OG_WEB_STATE_H

#include <microhttpd.h>

#include "base/buf.h"
#include "model/names.h"
#include "web/web.h"

#define OG_WEB_PARTS_MAX 4
#define OG_WEB_HEAD_MAX  (16u * 1024) /* bytes of a request before its body */

/* The end of a request's life is its connection's or its answer's, whichever comes first. */
enum og_web_phase {
	OG_WEB_READS,   /* its body comes */
	OG_WEB_WAITS,   /* its handler has it; the connection is suspended */
	OG_WEB_ANSWERS, /* its answer is there and goes out */
	OG_WEB_STREAMS, /* its answer goes out while it is written */
	OG_WEB_DRAINS,  /* it was written; the rest goes out */
	OG_WEB_CUT,     /* the connection is to be closed */
};

struct og_web_connection {
	struct og_web *w;
	struct MHD_Connection *mhd;
	int fd;
	int64_t since_ms; /* the next request's head is waited for since then */
	struct og_web_call *call;
	struct og_web_connection *prev, *next;
};

struct og_web_call {
	struct og_web *w;
	struct og_web_connection *on;
	struct MHD_Connection *mhd;
	enum og_web_phase phase;
	bool suspended, lost;
	bool unkept;  /* its body is read into nowhere */
	bool handled; /* its body is whole, or nobody waits for it */
	char id[OG_ID_LEN + 1], peer[64];
	const char *method; /* static */
	char *path, *host;  /* host: of a target that is a whole URI; NULL: it is a path */
	char *parts[OG_WEB_PARTS_MAX];
	struct og_buf body, out, notes;
	struct og_web_form *form;
	int64_t received; /* bytes of the body */
	const struct og_web_route *route;
	int64_t since_us, since_ms;
	struct MHD_Response *response; /* of a whole answer, until it is queued */
	struct og_buf headers;         /* "name\0value\0…" of the answer */
	int status;
	size_t sent_of_out;
	uint64_t sent;
	char *content_type;
	void (*on_gone)(void *ctx);
	void *gone_ctx;
	struct og_web_watch *watch;
	void *kept;
	void (*kept_done)(void *data);
	struct og_web_call *prev, *next;
};

struct og_web {
	uv_loop_t *loop;
	struct og_web_config config;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t due, sweep;
	uv_idle_t again;
	char *cert, *key;
	int port;
	bool stopping;
	struct og_web_connection *connections;
	struct og_web_call *calls;
	size_t n_connections, n_calls;
	size_t bodies; /* bytes that are kept of them */
	unsigned open; /* handles, watches */
	bool closed;
	void (*on_closed)(void *ctx);
	void *closed_ctx;
};

/* server.c */
void og_web_part_closed(struct og_web *w);

/* call.c */
enum MHD_Result og_web_on_access(void *ctx, struct MHD_Connection *mhd, const char *url, const char *method,
	const char *version, const char *data, size_t *len, void **state);
void og_web_on_completed(void *ctx, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode how);
void og_web_gone(struct og_web_call *c); /* its client has: tells the handler, closes the connection */
void og_web_resume(struct og_web_call *c);

/* form.c */
void og_web_form_begin(struct og_web_call *c);
void og_web_form_take(struct og_web_call *c, const char *data, size_t len);
void og_web_form_end(struct og_web_call *c);
void og_web_form_free(struct og_web_form *f);

/* watch.c */
void og_web_watch_calls(uv_timer_t *sweep); /* the sweep: who waits is watched, who is too slow is closed */
void og_web_unwatch(struct og_web_call *c);

/* framing.c */
bool og_web_is_ambiguous(struct MHD_Connection *mhd); /* another server may see its end elsewhere */
size_t og_web_unescape(void *ctx, struct MHD_Connection *mhd, char *text);

/* target.c: the path, malloc'ed. *ret_host is set where the target names a host, malloc'ed too. */
char *og_web_target(const char *target, char **ret_host);

/* route.c: NULL: *ret_why says why not. Fills the call's parts. */
const struct og_web_route *og_web_route_find(const struct og_web_route *routes, size_t n, const char *method,
	const char *path, char *parts[static OG_WEB_PARTS_MAX], enum og_web_why *ret_why);

/* address.c: "host:port" into a socket's address. */
int og_web_address(const char *text, struct sockaddr_storage *ret, struct og_error *err);

/* cors.c: the headers of an answer to a browser of an allowed origin; true: the request was a preflight, answered. */
bool og_web_cors(struct og_web_call *c);

#endif
