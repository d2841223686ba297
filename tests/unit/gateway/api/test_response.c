#include <criterion/criterion.h>
#include <string.h>

#include "api/prompt.h"

static char *found(const char *body, size_t len)
{
	static char out[256];
	const struct og_job_end end = {.state = OG_STATE_DONE, .body = body, .len = len};
	const char *at;
	size_t n;

	if (og_prompt_response(&end, &at, &n) < 0)
		return NULL;
	memcpy(out, at, n);
	out[n] = '\0';
	return out;
}

#define FOUND(text) found(text, strlen(text))

Test(response, is_the_first_members_object)
{
	cr_expect_str_eq(FOUND("{\"response\":{\"a\":[1,{\"b\":2}]},\"timings\":{}}"), "{\"a\":[1,{\"b\":2}]}");
	cr_expect_str_eq(FOUND(" { \"response\" : {} }"), "{}");
	cr_expect_str_eq(FOUND("{\"response\":{\"t\":\"}\\\"]\\\\\"},\"x\":1}"), "{\"t\":\"}\\\"]\\\\\"}");
}

Test(response, anything_else_is_none)
{
	static const char *const bad[] = {"", "{", "{}", "[]", "{\"text\":\"4\"}", "{\"response\"",
		"{\"response\":", "{\"response\":\"x\"}", "{\"response\":{", "{\"response\":{\"a\":\"",
		"{\"response\":{\"a\":\"\\"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_null(FOUND(bad[i]), "%s", bad[i]);
	for (const char *whole = "{\"response\":{\"a\":[1]}}", *end = whole + strlen(whole) - 2; end > whole; end--)
		cr_expect_null(found(whole, (size_t)(end - whole)));
	cr_expect_null(found(NULL, 0));
}
