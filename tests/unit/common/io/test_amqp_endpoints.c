#include <criterion/criterion.h>

#include "io/amqp_endpoints.h"

TestSuite(amqp_endpoints, .timeout = 60);

Test(amqp_endpoints, lists_with_and_without_ports)
{
	struct og_endpoints e;

	cr_assert_eq(og_endpoints_parse("a.example:1, b-2,[::1]:7,[fe80::1%eth0] ,10.0.0.1:65535", 5672, &e, NULL), 0);
	cr_assert_eq(e.n, 5);
	cr_assert_str_eq(e.list[0].host, "a.example");
	cr_assert_str_eq(e.list[0].port, "1");
	cr_assert_str_eq(e.list[1].text, "b-2:5672");
	cr_assert_str_eq(e.list[2].host, "::1");
	cr_assert_str_eq(e.list[2].text, "[::1]:7");
	cr_assert_str_eq(e.list[3].text, "[fe80::1%eth0]:5672");
	cr_assert_str_eq(e.list[4].port, "65535");
}

Test(amqp_endpoints, takes_turns)
{
	struct og_endpoints e;

	og_endpoints_parse("a,b,c", 5672, &e, NULL);
	cr_assert(!og_endpoints_advance(&e));
	cr_assert_str_eq(e.list[e.current].host, "b");
	cr_assert(!og_endpoints_advance(&e));
	cr_assert(og_endpoints_advance(&e), "all were tried");
	cr_assert_str_eq(e.list[e.current].host, "a");
}

Test(amqp_endpoints, refuses_what_is_none)
{
	static const char *const wrong[] = {"", " , ", ":5672", "host:", "host:0", "host:65536", "host:5672x", "[::1",
		"[]:1", "[::1]5672", "::1", "a b/c", "amqp://host", "h\u00f6st", "a,,b:x"};
	struct og_endpoints e = {.n = 77};
	struct og_error err;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_expect_eq(og_endpoints_parse(wrong[i], 5672, &e, &err), -1, "%s", wrong[i]);
		cr_expect_eq(err.kind, OG_INVALID);
	}
	cr_assert_eq(e.n, 77, "untouched");
	cr_assert_eq(og_endpoints_parse("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", 5672, &e, &err), -1);
}
