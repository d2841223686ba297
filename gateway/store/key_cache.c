#include "store/key_cache.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/alloc.h"

struct entry {
	UT_hash_handle hh; /* in the order in which they were put */
	char hash[OG_HASH_LEN + 1];
	struct og_key *key; /* NULL: there is none */
	int64_t asked_ms;
};

struct og_key_cache {
	struct entry *keys, *unknown;
	int64_t fresh_ms;
};

struct og_key_cache *og_key_cache_new(int64_t fresh_ms)
{
	struct og_key_cache *c = og_new(struct og_key_cache);

	c->fresh_ms = fresh_ms;
	return c;
}

static void drop(struct entry **table, struct entry *e)
{
	HASH_DEL(*table, e);
	og_key_drop(e->key);
	free(e);
}

static struct entry *find(struct entry *table, const char *hash)
{
	struct entry *e;

	HASH_FIND(hh, table, hash, OG_HASH_LEN, e);
	return e;
}

enum og_cached og_key_cache_find(
	const struct og_key_cache *c, const char hash[static OG_HASH_LEN + 1], int64_t now, struct og_key **ret)
{
	const struct entry *e = find(c->keys, hash);

	if (e && now - e->asked_ms < c->fresh_ms) {
		*ret = e->key;
		return now - e->asked_ms < OG_CACHE_OLD_MS ? OG_CACHED_KEY : OG_CACHED_OLD_KEY;
	}
	e = find(c->unknown, hash);
	return e && now - e->asked_ms < c->fresh_ms ? OG_CACHED_UNKNOWN : OG_CACHED_NOT;
}

static void forget(struct entry **table, const char *hash)
{
	struct entry *e = find(*table, hash);

	if (e)
		drop(table, e);
}

void og_key_cache_put(
	struct og_key_cache *c, const char hash[static OG_HASH_LEN + 1], struct og_key *key, int64_t asked_ms)
{
	struct entry **table = key ? &c->keys : &c->unknown, *e = og_new(struct entry);
	unsigned most = key ? OG_CACHE_KEYS_MAX : OG_CACHE_UNKNOWN_MAX;

	memcpy(e->hash, hash, sizeof(e->hash));
	e->key = key ? og_key_hold(key) : NULL;
	e->asked_ms = asked_ms;
	forget(&c->keys, hash);
	forget(&c->unknown, hash);
	if (HASH_COUNT(*table) >= most)
		drop(table, *table);
	HASH_ADD(hh, *table, hash[0], OG_HASH_LEN, e);
}

void og_key_cache_clear(struct og_key_cache *c)
{
	while (c->keys)
		drop(&c->keys, c->keys);
	while (c->unknown)
		drop(&c->unknown, c->unknown);
}

void og_key_cache_free(struct og_key_cache *c)
{
	if (!c)
		return;
	og_key_cache_clear(c);
	free(c);
}
