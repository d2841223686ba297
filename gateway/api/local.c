#include "api/local.h"

#include <string.h>
#include <strings.h>

#define HOST_MAX 256

/* "host", "host:port", "[v6]:port", with or without "http://": the host alone. False: there is none. */
static bool read_host(const char *text, char ret[static HOST_MAX])
{
	const char *scheme = strstr(text, "://");
	const char *at = scheme ? scheme + 3 : text;
	size_t len = *at == '[' ? strcspn(at, "]") + 1 : strcspn(at, ":/");

	if (!len || len >= HOST_MAX || len > strlen(at))
		return false;
	memcpy(ret, at, len);
	ret[len] = '\0';
	return true;
}

static bool is_this_machine(const char *text)
{
	static const char suffix[] = ".localhost";
	char host[HOST_MAX];
	size_t len;

	if (!read_host(text, host))
		return false;
	len = strlen(host);
	if (!strcasecmp(host, "localhost") || !strcmp(host, "[::1]") || !strcmp(host, "0.0.0.0") ||
		!strcmp(host, "[::]"))
		return true;
	if (!strncmp(host, "127.", 4) && !host[strspn(host, "0123456789.")])
		return true;
	return len > sizeof(suffix) - 1 && !strcasecmp(host + len - (sizeof(suffix) - 1), suffix);
}

/* A name that the DNS of others can give any address ("evil.example" may say 127.0.0.1) has a dot. */
static bool may_name_this_machine(const char *text)
{
	char host[HOST_MAX];

	return is_this_machine(text) || (read_host(text, host) && *host != '[' && !strchr(host, '.'));
}

bool og_local_is_own(const struct og_local_head *head, bool allowed)
{
	if (head->forwarded || (head->host && !may_name_this_machine(head->host)))
		return false;
	return !head->origin || allowed || is_this_machine(head->origin);
}
