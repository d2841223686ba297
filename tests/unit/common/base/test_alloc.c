#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(alloc, .timeout = 60);

Test(alloc, memory_comes_zeroed_even_of_no_size)
{
	og_autofree unsigned char *p = og_alloc(1000);
	og_autofree void *none = og_alloc(0);

	for (size_t i = 0; i < 1000; i++)
		cr_assert_eq(p[i], 0);
	cr_assert_not_null(none);
}

Test(alloc, copies)
{
	og_autofree char *whole = og_strdup("gateway");
	og_autofree char *part = og_strndup("gateway", 4);
	og_autofree char *bytes = og_memdup("a\0b", 3);
	og_autofree char *nothing = og_memdup(NULL, 0);
	og_autofree char *printed = og_printf("%s-%d", "n", 3);

	cr_expect_str_eq(whole, "gateway");
	cr_expect_str_eq(part, "gate");
	cr_expect_eq(memcmp(bytes, "a\0b", 3), 0);
	cr_expect_not_null(nothing);
	cr_expect_str_eq(printed, "n-3");
	cr_expect_null(og_strdup(NULL));
	cr_expect_null(og_strndup(NULL, 3));
}

Test(alloc, realloc_keeps_what_was_there)
{
	og_autofree char *p = og_strdup("abc");

	p = og_realloc(p, 4096);
	cr_assert_str_eq(p, "abc");
}

Test(alloc, take_hands_over_and_leaves_null)
{
	og_autofree char *p = og_strdup("mine");
	og_autofree char *q = OG_TAKE(p);

	cr_assert_null(p);
	cr_assert_str_eq(q, "mine");
}

/* An allocator that gives NULL would make ASan stop first, so this asks for what no allocator gives. */
#ifndef OG_TESTS_ASAN
Test(alloc, out_of_memory_ends_the_process, .signal = SIGABRT)
{
	og_alloc(SIZE_MAX / 2);
}
#endif
