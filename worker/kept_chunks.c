#include "kept_chunks.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"

static size_t cost(size_t len)
{
	return sizeof(struct og_kept_chunk) + len;
}

/* The oldest of all is the first of its run as well. */
static void drop_first(struct og_kept *k)
{
	struct og_kept_chunk *c = k->first;

	k->first = c->after;
	if (!k->first)
		k->last = NULL;
	k->bytes -= cost(c->len);
	k->pool->bytes -= cost(c->len);
	DL_DELETE(k->pool->oldest, c);
	free(c);
}

void og_kept_drop(struct og_kept *k)
{
	while (k->first)
		drop_first(k);
}

void og_kept_add(struct og_kept_pool *pool, struct og_kept *k, int64_t seq, const char *text, size_t len)
{
	struct og_kept_chunk *c;

	k->pool = pool;
	if (cost(len) > OG_KEPT_RUN_MAX) {
		og_kept_drop(k);
		return;
	}
	while (k->bytes + cost(len) > OG_KEPT_RUN_MAX)
		drop_first(k);
	while (pool->bytes + cost(len) > OG_KEPT_ALL_MAX)
		drop_first(pool->oldest->of);

	c = og_alloc(cost(len));
	*c = (struct og_kept_chunk){.seq = seq, .len = len, .of = k};
	memcpy(c->text, text, len);
	if (k->last)
		k->last->after = c;
	else
		k->first = c;
	k->last = c;
	DL_APPEND(pool->oldest, c);
	k->bytes += cost(len);
	pool->bytes += cost(len);
}

const struct og_kept_chunk *og_kept_from(const struct og_kept *k, int64_t seq)
{
	const struct og_kept_chunk *c = k->first;

	while (c && c->seq < seq)
		c = c->after;
	return c;
}
