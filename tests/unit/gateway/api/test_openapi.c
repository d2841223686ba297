/* The description names every route under /api/v1, and none beside. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/ours/ours.h"

#define PREFIX "/api/v1/"

static json_t *paths;

static void setup(void)
{
	json_t *document = json_loads(og_openapi_text, 0, NULL);

	paths = json_incref(json_object_get(document, "paths"));
	json_decref(document);
}

static void teardown(void)
{
	json_decref(paths);
}

TestSuite(openapi, .timeout = 30, .init = setup, .fini = teardown);

/* "/a/{id}/b" and "/a/{}/b" are one path. */
static bool is_same(const char *described, const char *route)
{
	while (*described && *described == *route) {
		if (*described == '{') {
			described = strchr(described, '}');
			route = strchr(route, '}');
		}
		described++;
		route++;
	}
	return *described == *route;
}

static bool is_described(const struct og_api_route *route)
{
	const char *path, *method;
	json_t *methods, *operation;

	json_object_foreach(paths, path, methods)
	{
		json_object_foreach(methods, method, operation)
		{
			if (is_same(path, route->path) && !strcasecmp(method, route->method))
				return true;
		}
	}
	return false;
}

Test(openapi, every_route_is_described_and_nothing_else_is)
{
	size_t routes = 0, described = 0;
	const char *path;
	json_t *methods;

	for (size_t i = 0; i < og_api_n_routes; i++) {
		if (strncmp(og_api_routes[i].path, PREFIX, strlen(PREFIX)) != 0)
			continue;
		routes++;
		cr_expect(is_described(&og_api_routes[i]), "%s %s", og_api_routes[i].method, og_api_routes[i].path);
	}
	json_object_foreach(paths, path, methods)
	{
		described += json_object_size(methods);
	}
	cr_expect_eq(routes, described);
}
