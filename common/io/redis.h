/* Redis on the loop: pipelined, with a deadline a command, reconnecting by itself with backoff and jitter.
 *
 * A stalled Redis never stalls the loop: a command whose deadline passes fails with RETRY, and so do all the others,
 * for the connection is made anew. While it is down commands fail at once with RETRY: what is in Redis can be rebuilt. A
 * command that failed with RETRY may have been executed all the same.
 *
 * At most `window` commands are in flight; beyond that BUSY. They are executed in the order in which they were given,
 * with one exception: see struct og_redis_script. Not for SUBSCRIBE, MONITOR or blocking commands.
 *
 * Everything happens on the loop's thread. Callbacks are called from the loop, never from inside og_redis_command, and
 * may call any function of this header, og_redis_close included.
 *
 * Two implementations: redis_hiredis.c, and redis_memory.c, for tests. */
#ifndef OG_IO_REDIS_H
#define OG_IO_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

enum og_reply_type {
	OG_REPLY_NIL,
	OG_REPLY_INT,
	OG_REPLY_STRING,
	OG_REPLY_STATUS,
	OG_REPLY_ARRAY,
	OG_REPLY_ERROR, /* only as an item of an ARRAY; a reply that is an error comes as `err` */
};

/* A reply, owned by the client, alive during the callback. */
struct og_redis_reply {
	enum og_reply_type type;
	int64_t integer;
	const char *str; /* STRING, STATUS, ERROR: len bytes and a NUL */
	size_t len;
	const struct og_redis_reply *const *items; /* ARRAY: n */
	size_t n;
};

/* Exactly one of the two is not NULL. An error reply of the server is INVALID with its words; one that says that it may
 * work later (OOM, LOADING, READONLY, BUSY, MISCONF, …) is RETRY. */
typedef void og_redis_cb(void *ctx, const struct og_redis_reply *reply, const struct og_error *err);

/* What such an error item asks of the caller, told by its words: as for a whole reply. */
enum og_kind og_redis_error_kind(const char *words);

struct og_redis;

/* A Lua script: loaded before its first use on a connection, then sent as EVALSHA. Where the server has forgotten it
 * (SCRIPT FLUSH: NOSCRIPT) it is loaded and sent again, in order, without the caller seeing it: each call is executed
 * once, and the calls of this client keep their order among each other (unless another client loads the same script
 * in that very moment); plain commands that had already been sent are then executed before them. */
struct og_redis_script {
	const char *name; /* for messages and for the twin */
	const char *text;
	char sha1[41]; /* "" until first used; filled by the client */
};

struct og_redis_events { /* each may be NULL */
	void (*on_up)(void *ctx);
	/* Each failed attempt as well. FATAL: refused (ACL user, password); it goes on trying all the same. */
	void (*on_down)(void *ctx, const struct og_error *why);
	void *ctx;
};

struct og_redis_config {
	const char *address;         /* "unix:/path", "host:port", "[v6]:port"; port 6379 where left out */
	const char *user, *password; /* "" or NULL: no AUTH */
	int64_t timeout_ms;          /* a command's, and connect's */
	unsigned window;
};

struct og_redis_ops {
	/* `cb` (may be NULL) is called exactly once when 0 was returned; argv is copied. lens may be NULL: strlen. */
	int (*command)(struct og_redis *r, int argc, const char *const *argv, const size_t *lens, og_redis_cb *cb,
		void *ctx, struct og_error *err);
	/* argv: n_keys keys, then the arguments. */
	int (*eval)(struct og_redis *r, struct og_redis_script *script, int n_keys, int argc, const char *const *argv,
		const size_t *lens, og_redis_cb *cb, void *ctx, struct og_error *err);
	bool (*is_up)(struct og_redis *r);
	unsigned (*in_flight)(struct og_redis *r);
	/* Those who wait get RETRY before it returns; cb (may be NULL) is called when all is freed, `r` too. */
	void (*close)(struct og_redis *r, void (*cb)(void *ctx), void *ctx);
};

struct og_redis {
	const struct og_redis_ops *ops;
};

/* Returns at once; on_up tells when it is connected. NULL: the address cannot be one (INVALID). Copies the config. */
struct og_redis *og_redis_open(uv_loop_t *loop, const struct og_redis_config *config,
	const struct og_redis_events *events, struct og_error *err);

static inline int og_redis_command(struct og_redis *r, int argc, const char *const *argv, const size_t *lens,
	og_redis_cb *cb, void *ctx, struct og_error *err)
{
	return r->ops->command(r, argc, argv, lens, cb, ctx, err);
}
static inline int og_redis_eval(struct og_redis *r, struct og_redis_script *script, int n_keys, int argc,
	const char *const *argv, const size_t *lens, og_redis_cb *cb, void *ctx, struct og_error *err)
{
	return r->ops->eval(r, script, n_keys, argc, argv, lens, cb, ctx, err);
}
static inline bool og_redis_is_up(struct og_redis *r)
{
	return r->ops->is_up(r);
}
static inline unsigned og_redis_in_flight(struct og_redis *r)
{
	return r->ops->in_flight(r);
}
static inline void og_redis_close(struct og_redis *r, void (*cb)(void *ctx), void *ctx)
{
	if (r)
		r->ops->close(r, cb, ctx);
	else if (cb)
		cb(ctx);
}

/* The twin. `answer` is called from the loop, in order, with what would have gone to the server (for a script: argv[0]
 * is its name, then keys and arguments). It fills *ret (what it points to lives until the next call) and returns 0, or
 * fails: that is what the callback gets. `up` (at first: true) can be switched. */
struct og_redis_memory {
	int (*answer)(void *ctx, int argc, const char *const *argv, const size_t *lens, struct og_redis_reply *ret,
		struct og_error *err);
	void *ctx;
};
struct og_redis *og_redis_memory_open(
	uv_loop_t *loop, const struct og_redis_memory *memory, const struct og_redis_events *events);
void og_redis_memory_set_up(struct og_redis *r, bool up); /* down: those who wait get RETRY, then on_down */

#endif
