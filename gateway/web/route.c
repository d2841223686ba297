#include <string.h>

#include "base/alloc.h"
#include "web/web_state.h"

static void forget(char *parts[static OG_WEB_PARTS_MAX])
{
	for (size_t i = 0; i < OG_WEB_PARTS_MAX; i++) {
		og_free_at(&parts[i]);
		parts[i] = NULL;
	}
}

static bool matches(const char *pattern, const char *path, char *parts[static OG_WEB_PARTS_MAX])
{
	size_t n = 0;

	while (*pattern) {
		size_t len;

		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		len = pattern[1] == '*' ? strlen(path) : strcspn(path, "/");
		if (!len || n == OG_WEB_PARTS_MAX)
			return false;
		parts[n++] = og_strndup(path, len);
		path += len;
		pattern = strchr(pattern, '}') + 1;
	}
	return !*path;
}

static bool takes(const struct og_web_route *r, const char *method)
{
	return !strcmp(r->method, method) || (!strcmp(r->method, "GET") && !strcmp(method, "HEAD"));
}

const struct og_web_route *og_web_route_find(const struct og_web_route *routes, size_t n, const char *method,
	const char *path, char *parts[static OG_WEB_PARTS_MAX], enum og_web_why *ret_why)
{
	*ret_why = OG_WEB_NOT_FOUND;
	for (size_t i = 0; i < n; i++) {
		if (!matches(routes[i].path, path, parts)) {
			forget(parts);
			continue;
		}
		if (takes(&routes[i], method))
			return &routes[i];
		forget(parts);
		*ret_why = OG_WEB_METHOD_NOT_ALLOWED;
	}
	return NULL;
}
