#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/slab.h"
#include "leaks.h"

#define SIZE 312
#define MANY 5000 /* some blocks */

TestSuite(slab, .timeout = 60);

static void take_all(struct og_slab *s, void **items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		items[i] = og_slab_take(s);
		for (size_t byte = 0; byte < SIZE; byte++)
			cr_assert_eq(((char *)items[i])[byte], 0);
		memset(items[i], (int)(i % 255) + 1, SIZE);
	}
}

Test(slab, items_are_zeroed_and_apart)
{
	static void *items[MANY];
	struct og_slab s;

	og_slab_init(&s, SIZE);
	take_all(&s, items, MANY);
	cr_expect_eq(s.items, MANY);
	for (size_t i = 0; i < MANY; i++) {
		cr_assert_eq((uintptr_t)items[i] % 16, 0);
		for (size_t byte = 0; byte < SIZE; byte++)
			cr_assert_eq(((unsigned char *)items[i])[byte], i % 255 + 1);
		og_slab_give(&s, items[i]);
	}
	og_slab_done(&s);
}

/* Packed: the blocks hold little but items. */
Test(slab, blocks_hold_items_and_little_else)
{
	static void *items[MANY];
	struct og_slab s;

	og_slab_init(&s, SIZE);
	take_all(&s, items, MANY);
	cr_expect_leq(s.blocks * 256 * 1024, MANY * (SIZE + 8) * 11 / 10 + 256 * 1024);
	for (size_t i = 0; i < MANY; i++)
		og_slab_give(&s, items[i]);
	og_slab_done(&s);
}

Test(slab, what_is_given_back_is_taken_again_before_there_are_more_blocks)
{
	static void *items[MANY];
	struct og_slab s;
	size_t blocks;

	og_slab_init(&s, SIZE);
	take_all(&s, items, MANY);
	blocks = s.blocks;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < MANY; i += 2)
			og_slab_give(&s, items[i]);
		cr_expect_eq(s.items, MANY / 2);
		for (size_t i = 0; i < MANY; i += 2)
			items[i] = og_slab_take(&s);
		cr_expect_eq(s.blocks, blocks);
	}
	for (size_t i = 0; i < MANY; i++)
		og_slab_give(&s, items[i]);
	og_slab_done(&s);
}

Test(slab, blocks_go_with_their_last_item_but_for_one)
{
	static void *items[MANY];
	struct og_slab s;

	og_slab_init(&s, SIZE);
	take_all(&s, items, MANY);
	cr_assert_gt(s.blocks, 3);
	for (size_t i = 0; i < MANY; i++)
		og_slab_give(&s, items[i]);
	cr_expect_eq(s.items, 0);
	cr_expect_eq(s.blocks, 1);
	items[0] = og_slab_take(&s);
	cr_expect_eq(s.blocks, 1);
	og_slab_give(&s, items[0]);
	og_slab_done(&s);
	cr_expect_eq(s.blocks, 0);
}

Test(slab, small_items_have_room_for_what_leads_to_the_next)
{
	struct og_slab s;
	char *a, *b;

	og_slab_init(&s, 1);
	a = og_slab_take(&s);
	b = og_slab_take(&s);
	cr_expect_neq(a, b);
	og_slab_give(&s, a);
	og_slab_give(&s, b);
	cr_expect_eq(og_slab_take(&s), (void *)b);
	cr_expect_eq(og_slab_take(&s), (void *)a);
	og_slab_give(&s, a);
	og_slab_give(&s, b);
	og_slab_done(&s);
}
