#include "kept_chunks.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(kept_chunks, .timeout = 60);

static void add(struct og_kept_pool *pool, struct og_kept *k, int64_t seq)
{
	char text[32];

	snprintf(text, sizeof(text), "chunk %d", (int)seq);
	og_kept_add(pool, k, seq, text, strlen(text));
}

static size_t count(const struct og_kept *k)
{
	size_t n = 0;

	for (const struct og_kept_chunk *c = k->first; c; c = c->after) {
		cr_assert_eq(c->seq, k->first->seq + (int64_t)n, "no holes");
		n++;
	}
	return n;
}

Test(kept_chunks, from_a_number_on)
{
	struct og_kept_pool pool = {0};
	struct og_kept k = {0};

	cr_assert_null(og_kept_from(&k, 0));
	for (int i = 0; i < 10; i++)
		add(&pool, &k, i);
	cr_assert_eq(count(&k), 10);
	cr_assert_eq(og_kept_from(&k, 0)->seq, 0);
	cr_assert_eq(og_kept_from(&k, 7)->seq, 7);
	cr_assert_eq(memcmp(og_kept_from(&k, 7)->text, "chunk 7", 7), 0);
	cr_assert_eq(og_kept_from(&k, 7)->len, 7);
	cr_assert_null(og_kept_from(&k, 10));
	og_kept_drop(&k);
	cr_assert_eq(pool.bytes, 0);
	cr_assert_null(pool.oldest);
}

Test(kept_chunks, the_oldest_of_a_run_go_first)
{
	og_autofree char *big = og_alloc(100 * 1024);
	struct og_kept_pool pool = {0};
	struct og_kept k = {0}, other = {0};

	add(&pool, &other, 0);
	for (int i = 0; i < 20; i++) {
		og_kept_add(&pool, &k, i, big, 100 * 1024);
		cr_assert_leq(k.bytes, OG_KEPT_RUN_MAX);
	}
	cr_assert_eq(count(&k), 10);
	cr_assert_eq(k.first->seq, 10);
	cr_assert_eq(og_kept_from(&k, 0)->seq, 10, "the gap shows");
	cr_assert_eq(count(&other), 1, "another's are its own");
	og_kept_drop(&k);
	og_kept_drop(&other);
	cr_assert_eq(pool.bytes, 0);
}

Test(kept_chunks, the_oldest_of_all_go_first)
{
	og_autofree char *big = og_alloc(512 * 1024);
	struct og_kept_pool pool = {0};
	struct og_kept runs[40] = {0};

	for (int i = 0; i < 40; i++) {
		og_kept_add(&pool, &runs[i], 0, big, 512 * 1024);
		cr_assert_leq(pool.bytes, OG_KEPT_ALL_MAX);
	}
	for (int i = 0; i < 40; i++)
		cr_assert_eq(count(&runs[i]), i < 40 - 31 ? 0 : 1, "run %d", i);
	add(&pool, &runs[0], 1);
	cr_assert_eq(count(&runs[0]), 1, "one that lost all goes on");
	for (int i = 0; i < 40; i++)
		og_kept_drop(&runs[i]);
	cr_assert_eq(pool.bytes, 0);
	cr_assert_null(pool.oldest);
}

Test(kept_chunks, one_that_is_too_large_leaves_no_hole)
{
	og_autofree char *big = og_alloc(OG_KEPT_RUN_MAX);
	struct og_kept_pool pool = {0};
	struct og_kept k = {0};

	add(&pool, &k, 0);
	og_kept_add(&pool, &k, 1, big, OG_KEPT_RUN_MAX);
	cr_assert_eq(count(&k), 0);
	cr_assert_eq(pool.bytes, 0);
	add(&pool, &k, 2);
	cr_assert_eq(og_kept_from(&k, 0)->seq, 2);
	og_kept_drop(&k);
}
