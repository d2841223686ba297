#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "web/web_state.h"

static const struct og_web_route routes[] = {
	{.method = "GET", .path = "/v1/models"},
	{.method = "GET", .path = "/v1/models/{*}"},
	{.method = "GET", .path = "/v1/files/{}/content"},
	{.method = "DELETE", .path = "/v1/files/{}"},
	{.method = "POST", .path = "/v1/a/{}/b/{}"},
};

static char *parts[OG_WEB_PARTS_MAX];
static enum og_web_why why;

static const struct og_web_route *find(const char *method, const char *path)
{
	return og_web_route_find(routes, OG_COUNT(routes), method, path, parts, &why);
}

static void forget(void)
{
	for (size_t i = 0; i < OG_WEB_PARTS_MAX; i++) {
		free(parts[i]);
		parts[i] = NULL;
	}
}

Test(route, is_found_by_its_whole_path)
{
	cr_expect_eq(find("GET", "/v1/models"), &routes[0]);
	cr_expect_eq(find("HEAD", "/v1/models"), &routes[0]);
	cr_expect_null(find("GET", "/v1/modelsx"));
	cr_expect_null(find("GET", "/v1/model"));
	cr_expect_eq(why, OG_WEB_NOT_FOUND);
	cr_expect_null(find("GET", ""));
}

Test(route, a_segment_ends_at_a_slash_and_the_rest_does_not)
{
	cr_expect_eq(find("GET", "/v1/files/f-1/content"), &routes[2]);
	cr_expect_str_eq(parts[0], "f-1");
	forget();
	cr_expect_null(find("GET", "/v1/files/a/b/content"));
	cr_expect_null(find("GET", "/v1/files//content"), "an empty segment is none");
	cr_expect_eq(find("GET", "/v1/models/org/name:7b"), &routes[1]);
	cr_expect_str_eq(parts[0], "org/name:7b");
	forget();
	cr_expect_null(find("GET", "/v1/models/"));
	cr_expect_eq(find("POST", "/v1/a/x/b/y"), &routes[4]);
	cr_expect_str_eq(parts[1], "y");
	forget();
}

Test(route, a_path_that_takes_another_method_is_not_missing)
{
	cr_expect_null(find("POST", "/v1/files/f-1"));
	cr_expect_eq(why, OG_WEB_METHOD_NOT_ALLOWED);
	cr_expect_null(parts[0], "what did not match leaves nothing behind");
	cr_expect_null(find("PUT", "/v1/none"));
	cr_expect_eq(why, OG_WEB_NOT_FOUND);
}
