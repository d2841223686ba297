/* What was asked of one Redis and not yet answered, in order, with the scripts' NOSCRIPT repair. Pure: it is given the
 * time and the replies, and hands bytes to `send`. Private to redis_hiredis.c. */
#ifndef OG_IO_REDIS_PIPELINE_H
#define OG_IO_REDIS_PIPELINE_H

#include <hiredis/hiredis.h>
#include <sys/queue.h>

#include "io/redis.h"

struct og_redis_pending;
STAILQ_HEAD(og_redis_queue, og_redis_pending);

struct og_redis_pipeline {
	/* Set by the owner. */
	void (*send)(void *ctx, const void *bytes, size_t len);
	void *ctx;
	unsigned window;
	int64_t timeout_ms;

	unsigned in_flight; /* of the caller's, LOADs not counted */
	size_t bytes;       /* of these */

	struct og_redis_queue again, sent, parked; /* all in flight, each queue oldest first */
	bool repairing;

	struct og_redis_script **loaded; /* on this connection */
	size_t n_loaded, room_loaded;
	const struct og_redis_script *refused; /* the last one that the server would not load, and its words */
	struct og_error refusal;
};

void og_redis_pipeline_init(struct og_redis_pipeline *p);
void og_redis_pipeline_done(struct og_redis_pipeline *p);      /* when nothing is in flight */
void og_redis_pipeline_connected(struct og_redis_pipeline *p); /* on a new connection nothing is known to be loaded */

/* As struct og_redis_ops has it; `now` is monotonic, in ms. */
int og_redis_pipeline_command(struct og_redis_pipeline *p, int64_t now, int argc, const char *const *argv,
	const size_t *lens, og_redis_cb *cb, void *ctx, struct og_error *err);
int og_redis_pipeline_eval(struct og_redis_pipeline *p, int64_t now, struct og_redis_script *script, int n_keys,
	int argc, const char *const *argv, const size_t *lens, og_redis_cb *cb, void *ctx, struct og_error *err);

/* The next reply of the server: calls the callback it belongs to. -1: nobody has asked. */
int og_redis_pipeline_reply(struct og_redis_pipeline *p, const redisReply *reply);

/* The oldest command in flight, and when it should have been answered; NULL: none. All have the same time-out, so the
 * oldest is the first to be late. */
const void *og_redis_pipeline_oldest(const struct og_redis_pipeline *p, int64_t *ret_deadline);

/* The connection is gone: each callback gets `err`. */
void og_redis_pipeline_fail(struct og_redis_pipeline *p, const struct og_error *err);

#endif
