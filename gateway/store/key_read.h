/* A key as the scripts answer it. */
#ifndef OG_GATEWAY_KEY_READ_H
#define OG_GATEWAY_KEY_READ_H

#include "base/error.h"
#include "io/redis.h"
#include "store/key.h"

/* Held for the caller (og_key_drop). NULL: the script found none. */
struct og_key *og_key_read(const struct og_redis_reply *r);
/* -1: INVALID, it has expired, and when. */
int og_key_check_expiry(const struct og_key *key, struct og_error *err);

#endif
