/* The arguments of one script for the store. Numbers are written into the struct; everything else is borrowed until
 * the call, and the struct is filled anew for each. */
#ifndef OG_GATEWAY_ARGS_H
#define OG_GATEWAY_ARGS_H

#include "store/store.h"

#define OG_ARGS_MAX 64

struct og_args {
	const char *argv[OG_ARGS_MAX];
	char numbers[OG_ARGS_MAX][24];
	int n;
};

/* The prefix "og:<cluster>:", which is a script's KEYS[1], and the clock, its ARGV[1]. `s` may be NULL: og_args_eval refuses. */
void og_args_begin(const struct og_gateway_store *s, struct og_args *a);
void og_args_add(struct og_args *a, const char *text); /* NULL is "" */
void og_args_add_number(struct og_args *a, int64_t number);
void og_args_add_field(struct og_args *a, const char *field, const char *text);

/* -1: RETRY (no store, or it is away) or BUSY, and the callback is not called. */
int og_args_eval(struct og_gateway_store *s, struct og_redis_script *script, const struct og_args *a, og_redis_cb *cb,
	void *ctx, struct og_error *err);

/* Items of an array reply: "" and 0 where it is shorter, or the item of another kind. */
const char *og_reply_text(const struct og_redis_reply *array, size_t i);
int64_t og_reply_number(const struct og_redis_reply *array, size_t i);

#endif
