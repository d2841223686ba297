/* Cross-origin requests of browsers (https://fetch.spec.whatwg.org/#http-cors-protocol). No credentials: keys travel in
 * a header that the page sets itself. */
#include <string.h>
#include <strings.h>

#include "web/web_state.h"

#define METHODS "GET, POST, PUT, PATCH, DELETE, OPTIONS"
#define MAX_AGE "600"
#define EXPOSED "x-request-id, retry-after"

static bool is_listed(const char *list, const char *origin)
{
	size_t len = strlen(origin);

	while (*list) {
		size_t n = strcspn(list, ",");
		const char *item = list;

		list += n + (list[n] == ',');
		while (n && *item == ' ')
			item++, n--;
		while (n && item[n - 1] == ' ')
			n--;
		if ((n == 1 && *item == '*') || (n == len && !strncasecmp(item, origin, n)))
			return true;
	}
	return false;
}

bool og_web_origin_allowed(const struct og_web_call *c)
{
	const char *origin = og_web_header(c, "origin"), *list = c->w->config.cors_origins;

	return origin && list && is_listed(list, origin);
}

bool og_web_cors(struct og_web_call *c)
{
	const char *origin = og_web_header(c, "origin"), *asked;

	if (!og_web_origin_allowed(c))
		return false;
	og_web_set_header(c, "access-control-allow-origin", origin);
	og_web_set_header(c, "access-control-expose-headers", EXPOSED);
	og_web_set_header(c, "vary", "origin");
	if (strcmp(c->method, "OPTIONS") != 0 || !og_web_header(c, "access-control-request-method"))
		return false;
	asked = og_web_header(c, "access-control-request-headers");
	og_web_set_header(c, "access-control-allow-methods", METHODS);
	og_web_set_header(c, "access-control-max-age", MAX_AGE);
	if (asked)
		og_web_set_header(c, "access-control-allow-headers", asked);
	og_web_reply(c, MHD_HTTP_NO_CONTENT, NULL, "", 0);
	return true;
}
