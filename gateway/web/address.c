#include <netdb.h>
#include <string.h>

#include "base/alloc.h"
#include "web/web_state.h"

int og_web_address(const char *text, struct sockaddr_storage *ret, struct og_error *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	const char *colon = strrchr(text, ':');
	og_autofree char *host = NULL;
	struct addrinfo *found;
	size_t len;
	int rc;

	if (!colon || colon == text || !colon[1])
		return og_fail(
			err, OG_INVALID, "gateway.listen '%s' is no address: write host:port, or [v6]:port", text);
	len = (size_t)(colon - text);
	host = *text == '[' && colon[-1] == ']' ? og_strndup(text + 1, len - 2) : og_strndup(text, len);
	rc = getaddrinfo(host, colon + 1, &hints, &found);
	if (rc)
		return og_fail(err, OG_INVALID, "gateway.listen '%s': %s", text, gai_strerror(rc));
	memcpy(ret, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}
