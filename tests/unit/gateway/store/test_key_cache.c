#include "store/key_cache.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/alloc.h"
#include "leaks.h"

static struct og_key_cache *cache;

static void setup(void)
{
	cache = og_key_cache_new(2000);
}

static void teardown(void)
{
	og_key_cache_free(cache);
}

TestSuite(key_cache, .init = setup, .fini = teardown, .timeout = 60);

static const char *hash(unsigned n)
{
	static char room[OG_HASH_LEN + 1];

	snprintf(room, sizeof(room), "%064u", n);
	return room;
}

static void put(unsigned n, bool is_key, int64_t at)
{
	struct og_key *key = is_key ? og_key_hold(og_new(struct og_key)) : NULL;

	og_key_cache_put(cache, hash(n), key, at);
	og_key_drop(key);
}

static enum og_cached find(unsigned n, int64_t now)
{
	struct og_key *key = NULL;
	enum og_cached found = og_key_cache_find(cache, hash(n), now, &key);

	cr_assert_eq(found == OG_CACHED_KEY || found == OG_CACHED_OLD_KEY, key != NULL);
	return found;
}

Test(key_cache, a_key_grows_old_and_is_forgotten)
{
	cr_expect_eq(find(1, 0), OG_CACHED_NOT);
	put(1, true, 100);
	cr_expect_eq(find(1, 100), OG_CACHED_KEY);
	cr_expect_eq(find(1, 1099), OG_CACHED_KEY);
	cr_expect_eq(find(1, 1100), OG_CACHED_OLD_KEY);
	cr_expect_eq(find(1, 2099), OG_CACHED_OLD_KEY);
	cr_expect_eq(find(1, 2100), OG_CACHED_NOT);
}

Test(key_cache, that_there_is_none_is_remembered_as_long)
{
	put(1, false, 100);
	cr_expect_eq(find(1, 2099), OG_CACHED_UNKNOWN);
	cr_expect_eq(find(1, 2100), OG_CACHED_NOT);
}

Test(key_cache, the_last_word_counts)
{
	put(1, true, 0);
	put(1, false, 10);
	cr_expect_eq(find(1, 20), OG_CACHED_UNKNOWN);
	put(1, true, 30);
	cr_expect_eq(find(1, 40), OG_CACHED_KEY);
	og_key_cache_clear(cache);
	cr_expect_eq(find(1, 40), OG_CACHED_NOT);
}

Test(key_cache, a_flood_of_unknown_ones_pushes_out_no_key)
{
	put(1, true, 0);
	for (unsigned i = 0; i < 3 * OG_CACHE_UNKNOWN_MAX; i++)
		put(100 + i, false, 0);
	cr_expect_eq(find(1, 0), OG_CACHED_KEY);
	cr_expect_eq(find(100, 0), OG_CACHED_NOT, "the oldest went");
	cr_expect_eq(find(100 + 3 * OG_CACHE_UNKNOWN_MAX - 1, 0), OG_CACHED_UNKNOWN);
}

Test(key_cache, the_oldest_key_goes_where_there_are_too_many)
{
	for (unsigned i = 0; i <= OG_CACHE_KEYS_MAX; i++)
		put(i, true, 0);
	cr_expect_eq(find(0, 0), OG_CACHED_NOT);
	cr_expect_eq(find(1, 0), OG_CACHED_KEY);
}

Test(key_cache, who_holds_a_key_keeps_it)
{
	struct og_key *key = NULL;

	put(1, true, 0);
	og_key_cache_find(cache, hash(1), 0, &key);
	og_key_hold(key);
	og_key_cache_clear(cache);
	cr_assert_eq(key->holds, 1);
	og_key_drop(key);
}
