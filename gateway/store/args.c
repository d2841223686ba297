#include "store/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/store_state.h"

void og_args_begin(const struct og_gateway_store *s, struct og_args *a)
{
	a->n = 0;
	og_args_add(a, s ? s->prefix : NULL);
	og_args_add(a, s ? og_store_clock(s, a->numbers[a->n]) : NULL);
}

void og_args_add(struct og_args *a, const char *text)
{
	a->argv[a->n++] = text ? text : "";
}

void og_args_add_number(struct og_args *a, int64_t number)
{
	char *text = a->numbers[a->n];

	snprintf(text, sizeof(a->numbers[0]), "%" PRId64, number);
	og_args_add(a, text);
}

void og_args_add_field(struct og_args *a, const char *field, const char *text)
{
	og_args_add(a, field);
	og_args_add(a, text);
}

int og_args_eval(struct og_gateway_store *s, struct og_redis_script *script, const struct og_args *a, og_redis_cb *cb,
	void *ctx, struct og_error *err)
{
	if (!s)
		return og_fail(err, OG_RETRY, "this gateway has no store");
	return og_redis_eval(s->redis, script, 1, a->n, a->argv, NULL, cb, ctx, err);
}

const char *og_reply_text(const struct og_redis_reply *array, size_t i)
{
	const struct og_redis_reply *item = array->type == OG_REPLY_ARRAY && i < array->n ? array->items[i] : NULL;

	return item && item->type == OG_REPLY_STRING ? item->str : "";
}

int64_t og_reply_number(const struct og_redis_reply *array, size_t i)
{
	const struct og_redis_reply *item = array->type == OG_REPLY_ARRAY && i < array->n ? array->items[i] : NULL;

	if (!item)
		return 0;
	return item->type == OG_REPLY_INT ? item->integer : strtoll(og_reply_text(array, i), NULL, 10);
}
