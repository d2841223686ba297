/* hiredis's replies as ours. Private to redis_hiredis.c. */
#ifndef OG_IO_REDIS_REPLY_H
#define OG_IO_REDIS_REPLY_H

#include <hiredis/hiredis.h>

#include "io/redis.h"

/* Fills *view, which points into `reply` and into memory of its own; og_redis_view_done frees the latter. */
void og_redis_view(const redisReply *reply, struct og_redis_reply *view);
void og_redis_view_done(struct og_redis_reply *view);

/* The same while connecting: FATAL where the server refused who we are, otherwise RETRY. */
enum og_kind og_redis_refusal_kind(const char *words);

#endif
