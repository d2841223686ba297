#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "leaks.h"

TestSuite(buf, .timeout = 60);

Test(buf, grows_and_is_terminated)
{
	struct og_buf b;

	og_buf_init(&b, 100000);
	cr_assert_str_eq(og_buf_str(&b), "");
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(og_buf_addf(&b, "%04d,", i), 0);
	cr_assert_eq(b.len, 5000);
	cr_assert_eq(strlen(b.data), 5000);
	cr_assert_str_eq(b.data + 4995, "0999,");
	og_buf_done(&b);
	cr_assert_eq(b.cap, 100000);
}

Test(buf, at_the_cap_nothing_is_added)
{
	struct og_buf b;

	og_buf_init(&b, 5);
	cr_assert_eq(og_buf_adds(&b, "12345"), 0);
	cr_assert_eq(og_buf_adds(&b, "6"), -1);
	cr_assert_eq(og_buf_addf(&b, "%d", 6), -1);
	cr_assert_eq(og_buf_add(&b, "", 0), 0);
	cr_assert_str_eq(og_buf_str(&b), "12345");
	og_buf_done(&b);
}

Test(buf, holds_bytes_not_only_text)
{
	struct og_buf b;

	og_buf_init(&b, 10);
	og_buf_add(&b, "a\0b", 3);
	cr_assert_eq(b.len, 3);
	cr_assert_eq(memcmp(b.data, "a\0b", 4), 0);
	og_buf_done(&b);
}

Test(buf, drops_its_head)
{
	struct og_buf b;

	og_buf_init(&b, 10);
	og_buf_drop_head(&b, 0);
	og_buf_adds(&b, "abcdef");
	og_buf_drop_head(&b, 4);
	cr_assert_str_eq(og_buf_str(&b), "ef");
	og_buf_drop_head(&b, 2);
	cr_assert_str_eq(og_buf_str(&b), "");
	cr_assert_eq(og_buf_adds(&b, "0123456789"), 0);
	og_buf_done(&b);
}

Test(buf, clear_keeps_the_memory_and_take_hands_it_over)
{
	og_autofree char *taken = NULL;
	og_autofree char *empty = NULL;
	struct og_buf b;
	size_t room;

	og_buf_init(&b, 10);
	og_buf_adds(&b, "abc");
	room = b.room;
	og_buf_clear(&b);
	cr_assert_eq(b.len, 0);
	cr_assert_eq(b.room, room);
	og_buf_adds(&b, "xy");
	taken = og_buf_take(&b);
	cr_assert_str_eq(taken, "xy");
	empty = og_buf_take(&b);
	cr_assert_str_eq(empty, "");
	cr_assert_eq(b.cap, 10);
}
