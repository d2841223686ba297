/* Redis on the loop (hiredis, asynchronous): pipelined, with a deadline a command, reconnecting by itself with backoff and jitter.
 *
 * A stalled Redis never stalls the loop: a command whose deadline passes fails with RETRY, and the connection is made anew (after an error a context is
 * dead). While it is down commands fail at once with RETRY: what is lost here can be rebuilt (DESIGN, invariant 2). At most `window`
 * commands are in flight; beyond that BUSY.
 *
 * Two implementations: redis_hiredis.c, and redis_memory.c, for tests. */
#ifndef OG_IO_REDIS_H
#define OG_IO_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

enum og_reply_type { OG_REPLY_NIL, OG_REPLY_INT, OG_REPLY_STRING, OG_REPLY_STATUS, OG_REPLY_ARRAY };

/* A reply, owned by the client, alive during the callback. */
struct og_redis_reply {
	enum og_reply_type type;
	int64_t integer;
	const char *str; /* STRING, STATUS: len bytes and a NUL */
	size_t len;
	const struct og_redis_reply *const *items; /* ARRAY: n */
	size_t n;
};

/* Exactly one of the two is not NULL. An error reply of the server is INVALID with its words; OOM, LOADING, READONLY, BUSY are RETRY. */
typedef void og_redis_cb(void *ctx, const struct og_redis_reply *reply, const struct og_error *err);

struct og_redis;

/* A Lua script: sent as EVALSHA, and on NOSCRIPT loaded and sent again, in order, without the caller seeing it. */
struct og_redis_script {
	const char *name; /* for messages and for the twin */
	const char *text;
	char sha1[41]; /* "" until first used; filled by the client */
};

struct og_redis_events {
	void (*on_up)(void *ctx);
	void (*on_down)(void *ctx,
		const struct og_error *why); /* each failed attempt as well; FATAL: refused (ACL user, password) */
	void *ctx;
};

struct og_redis_config {
	const char *address;         /* "unix:/path", "host:port" */
	const char *user, *password; /* "" or NULL: no AUTH */
	int64_t timeout_ms;          /* a command's, and connect's */
	unsigned window;
};

struct og_redis_ops {
	/* `cb` (may be NULL) is called exactly once when 0 was returned; argv is copied. lens may be NULL: strlen. */
	int (*command)(struct og_redis *r, int argc, const char *const *argv, const size_t *lens, og_redis_cb *cb,
		void *ctx, struct og_error *err);
	int (*eval)(struct og_redis *r, struct og_redis_script *script, int n_keys, int argc, const char *const *argv,
		const size_t *lens, og_redis_cb *cb, void *ctx,
		struct og_error *err); /* argv: n_keys keys, then the arguments */
	bool (*is_up)(struct og_redis *r);
	unsigned (*in_flight)(struct og_redis *r);
	void (*close)(struct og_redis *r, void (*cb)(void *ctx), void *ctx); /* those who wait get RETRY */
};

struct og_redis {
	const struct og_redis_ops *ops;
};

struct og_redis *og_redis_open(uv_loop_t *loop, const struct og_redis_config *config,
	const struct og_redis_events *events, struct og_error *err);

/* The twin: answers come from `answer`, which sees what would have gone to the server (for a script: argv[0] is its name). It fills *ret (static or owned by the test)
 * and returns 0, or fails. `up` can be switched. */
struct og_redis_memory {
	int (*answer)(void *ctx, int argc, const char *const *argv, const size_t *lens, struct og_redis_reply *ret,
		struct og_error *err);
	void *ctx;
};
struct og_redis *og_redis_memory_open(
	uv_loop_t *loop, const struct og_redis_memory *memory, const struct og_redis_events *events);
void og_redis_memory_set_up(struct og_redis *r, bool up);

#endif
