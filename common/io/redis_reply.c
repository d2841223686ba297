#include "io/redis_reply.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static enum og_reply_type type_of(int type)
{
	switch (type) {
	case REDIS_REPLY_STRING:
		return OG_REPLY_STRING;
	case REDIS_REPLY_ARRAY:
		return OG_REPLY_ARRAY;
	case REDIS_REPLY_INTEGER:
		return OG_REPLY_INT;
	case REDIS_REPLY_STATUS:
		return OG_REPLY_STATUS;
	case REDIS_REPLY_ERROR:
		return OG_REPLY_ERROR;
	default:
		return OG_REPLY_NIL;
	}
}

/* The reader nests 7 deep at most, and so does this. */
void og_redis_view(const redisReply *reply, struct og_redis_reply *view)
{
	*view = (struct og_redis_reply){.type = type_of(reply->type)};
	if (view->type == OG_REPLY_INT) {
		view->integer = reply->integer;
	} else if (view->type == OG_REPLY_ARRAY) {
		const struct og_redis_reply **items = og_alloc(reply->elements * sizeof(*items));

		for (size_t i = 0; i < reply->elements; i++) {
			struct og_redis_reply *item = og_new(struct og_redis_reply);

			og_redis_view(reply->element[i], item);
			items[i] = item;
		}
		view->items = items;
		view->n = reply->elements;
	} else if (view->type != OG_REPLY_NIL) {
		view->str = reply->str;
		view->len = reply->len;
	}
}

void og_redis_view_done(struct og_redis_reply *view)
{
	for (size_t i = 0; i < view->n; i++) {
		struct og_redis_reply *item = (struct og_redis_reply *)view->items[i];

		og_redis_view_done(item);
		free(item);
	}
	free((void *)view->items);
}

static bool begins_with_any(const char *words, const char *const *heads, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(words, heads[i], strlen(heads[i])) == 0)
			return true;
	return false;
}

enum og_kind og_redis_error_kind(const char *words)
{
	static const char *const passing[] = {"OOM ", "LOADING ", "READONLY ", "BUSY ", "MISCONF ", "NOREPLICAS ",
		"MASTERDOWN ", "CLUSTERDOWN ", "TRYAGAIN ", "NOSCRIPT "};

	return begins_with_any(words, passing, OG_COUNT(passing)) ? OG_RETRY : OG_INVALID;
}

enum og_kind og_redis_refusal_kind(const char *words)
{
	static const char *const refusals[] = {"WRONGPASS ", "NOAUTH ", "NOPERM ", "DENIED ", "ERR AUTH ",
		"ERR Client sent AUTH", "ERR invalid password"};

	return begins_with_any(words, refusals, OG_COUNT(refusals)) ? OG_FATAL : OG_RETRY;
}
