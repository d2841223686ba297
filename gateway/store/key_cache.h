/* What was lately learnt of secrets, by their hash: keys, and that there is none. Pure: the clock comes from outside.
 *
 * Both are bounded, apart from each other: a flood of made-up secrets pushes out none of the keys. The oldest go first. */
#ifndef OG_GATEWAY_KEY_CACHE_H
#define OG_GATEWAY_KEY_CACHE_H

#include "store/key.h"

#define OG_CACHE_KEYS_MAX    4096
#define OG_CACHE_UNKNOWN_MAX 1024
#define OG_CACHE_OLD_MS      1000 /* from then on to be asked for again, beside its use */

struct og_key_cache;

enum og_cached { OG_CACHED_NOT, OG_CACHED_KEY, OG_CACHED_OLD_KEY, OG_CACHED_UNKNOWN };

struct og_key_cache *og_key_cache_new(int64_t fresh_ms);
void og_key_cache_free(struct og_key_cache *c);

/* *ret (borrowed) is set where there is a key. */
enum og_cached og_key_cache_find(
	const struct og_key_cache *c, const char hash[static OG_HASH_LEN + 1], int64_t now, struct og_key **ret);
/* `key` is held by the cache; NULL: there is no such key. `asked_ms`: when the store was asked, on the clock of `now`. */
void og_key_cache_put(
	struct og_key_cache *c, const char hash[static OG_HASH_LEN + 1], struct og_key *key, int64_t asked_ms);
void og_key_cache_clear(struct og_key_cache *c);

#endif
