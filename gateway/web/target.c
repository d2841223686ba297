/* What is asked for, as the request's first line has it: a path, or the whole URI that clients of a proxy send and every server has to
 * take (RFC 9112, 3.2.2). The host in a URI counts, and the header Host beside it does not. */
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "web/web_state.h"

static const char *authority_of(const char *target)
{
	static const char *const schemes[] = {"http://", "https://"};

	for (size_t i = 0; i < OG_COUNT(schemes); i++)
		if (!strncasecmp(target, schemes[i], strlen(schemes[i])))
			return target + strlen(schemes[i]);
	return NULL;
}

char *og_web_target(const char *target, char **ret_host)
{
	const char *authority = authority_of(target);
	size_t len = authority ? strcspn(authority, "/?#") : 0;

	if (!len || memchr(authority, '@', len)) /* who names a user there wants to be taken for another */
		return og_strdup(target);
	*ret_host = og_strndup(authority, len);
	return og_strdup(authority[len] == '/' ? authority + len : "/");
}

const char *og_web_host(const struct og_web_call *c)
{
	return c->host ? c->host : og_web_header(c, MHD_HTTP_HEADER_HOST);
}
