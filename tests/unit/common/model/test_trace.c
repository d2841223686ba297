#include "model/trace.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"

#define ID     "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"
#define GOOD   "00-" ID "-" PARENT "-01"

Test(trace, a_parent_of_the_first_version_is_taken_as_it_is)
{
	char read[OG_TRACEPARENT_LEN + 1], id[OG_TRACE_ID_LEN + 1];

	cr_assert(og_traceparent_read(GOOD, read));
	cr_expect_str_eq(read, GOOD);
	og_trace_id(read, id);
	cr_expect_str_eq(id, ID);
}

Test(trace, of_a_later_version_what_the_first_knows)
{
	char read[OG_TRACEPARENT_LEN + 1];

	cr_assert(og_traceparent_read("cc-" ID "-" PARENT "-01-what-the-future-has", read));
	cr_expect_str_eq(read, GOOD);
	cr_assert(og_traceparent_read("01-" ID "-" PARENT "-01", read));
	cr_expect_str_eq(read, GOOD);
}

Test(trace, what_is_no_parent)
{
	static const char *const bad[] = {NULL, "", "00", "00-0af7", GOOD "-", GOOD "-01", "ff-" ID "-" PARENT "-01",
		"cc-" ID "-" PARENT "-01.more", "00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01",
		"00-" ID "+" PARENT "-01", "00-" ID "-" PARENT "-0g", "0x-" ID "-" PARENT "-01",
		"00-00000000000000000000000000000000-" PARENT "-01", "00-" ID "-0000000000000000-01"};
	char read[OG_TRACEPARENT_LEN + 1] = "untouched";

	for (size_t i = 0; i < OG_COUNT(bad); i++)
		cr_expect_not(og_traceparent_read(bad[i], read), "%s", bad[i]);
	cr_expect_str_eq(read, "untouched");
}

Test(trace, a_state_is_members)
{
	static const char *const good[] = {"a=b", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a@b=c , , d=e=f", "a= b"};
	static const char *const bad[] = {"", "a", "=b", "a=b,c", "a=\x01", "a=\xc3\xa9"};
	char text[OG_TRACESTATE_MAX + 2], many[200] = "";

	for (size_t i = 0; i < OG_COUNT(good); i++)
		cr_expect(og_tracestate_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < OG_COUNT(bad); i++)
		cr_expect_not(og_tracestate_valid(bad[i]), "%s", bad[i]);
	memset(text, 'x', sizeof(text));
	memcpy(text, "a=", 2);
	text[OG_TRACESTATE_MAX] = '\0';
	cr_expect(og_tracestate_valid(text));
	text[OG_TRACESTATE_MAX] = 'x';
	text[OG_TRACESTATE_MAX + 1] = '\0';
	cr_expect_not(og_tracestate_valid(text), "too long");
	for (int i = 0; i < 32; i++)
		strcat(many, i ? ",a=b" : "a=b");
	cr_expect(og_tracestate_valid(many));
	strcat(many, ",a=b");
	cr_expect_not(og_tracestate_valid(many), "33 members");
}
