#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "web/web_state.h"

/* `host` NULL: it names none. */
static void is(const char *target, const char *path, const char *host)
{
	og_autofree char *named = NULL;
	og_autofree char *asked = og_web_target(target, &named);

	cr_expect_str_eq(asked, path, "%s: %s", target, asked);
	cr_expect_eq(!named, !host, "%s", target);
	if (named && host)
		cr_expect_str_eq(named, host, "%s: %s", target, named);
}

Test(target, a_path_or_a_whole_uri)
{
	is("/v1/models", "/v1/models", NULL);
	is("http://x/v1/models", "/v1/models", "x");
	is("HTTPS://x:443/a", "/a", "x:443");
	is("http://x", "/", "x");
}

Test(target, a_host_ends_where_a_query_or_a_fragment_begins)
{
	is("http://x?a=b", "/", "x");
	is("http://evil.example?.localhost/v1/models", "/", "evil.example");
	is("http://x#a/b", "/", "x");
}

Test(target, what_is_no_uri_of_ours_names_no_host)
{
	is("ftp://x/a", "ftp://x/a", NULL);
	is("http:///a", "http:///a", NULL);
	is("http://?a", "http://?a", NULL);
	is("http://user@x/a", "http://user@x/a", NULL);
	is("*", "*", NULL);
}
