#include "batch/marks.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "leaks.h"

TestSuite(marks, .timeout = 60);

Test(marks, a_hundred_thousand_ids_and_their_flags)
{
	struct og_marks *m = og_marks_new();
	char id[32];

	for (int i = 0; i < 100000; i++) {
		snprintf(id, sizeof(id), "request-%d", i);
		cr_assert_eq(og_marks_get(m, og_mark_of_id(id)), 0);
		og_marks_add(m, og_mark_of_id(id), i % 2 ? OG_MARK_ANSWERED : OG_MARK_SEEN);
	}
	for (int i = 0; i < 100000; i++) {
		snprintf(id, sizeof(id), "request-%d", i);
		cr_assert_eq(og_marks_get(m, og_mark_of_id(id)), i % 2 ? OG_MARK_ANSWERED : OG_MARK_SEEN);
	}
	og_marks_add(m, og_mark_of_id("request-1"), OG_MARK_SEEN);
	cr_assert_eq(og_marks_get(m, og_mark_of_id("request-1")), OG_MARK_ANSWERED | OG_MARK_SEEN);
	og_marks_free(m);
}

Test(marks, a_lines_number_is_no_custom_id)
{
	cr_assert_neq(og_mark_of_line(7), og_mark_of_id("7"));
	cr_assert_neq(og_mark_of_line(7), og_mark_of_line(8));
}
