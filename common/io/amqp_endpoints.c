#include "io/amqp_endpoints.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static int parse_one(const char *s, unsigned default_port, struct og_endpoint *e, struct og_error *err)
{
	bool bracket = *s == '[';
	const char *host = s + bracket;
	size_t len = strcspn(host, bracket ? "]" : ":");
	const char *rest = host + len + (bracket && host[len] == ']');
	int64_t port = default_port;

	if (!len || len >= sizeof(e->host) || (bracket && host[len] != ']') || (*rest && *rest != ':'))
		return og_fail(err, OG_INVALID, "endpoint '%s': expected host, host:port or [address]:port", s);
	if (strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:%") < len)
		return og_fail(err, OG_INVALID, "endpoint '%s': a host has letters, digits, '.', '-' and '_'", s);
	if (*rest && og_parse_int(rest + 1, 1, 65535, &port, NULL) < 0)
		return og_fail(err, OG_INVALID, "endpoint '%s': '%s' is no port (1 to 65535)", s, rest + 1);
	snprintf(e->host, sizeof(e->host), "%.*s", (int)len, host);
	snprintf(e->port, sizeof(e->port), "%d", (int)port);
	snprintf(e->text, sizeof(e->text), bracket ? "[%.*s]:%d" : "%.*s:%d", (int)len, host, (int)port);
	return 0;
}

int og_endpoints_parse(const char *text, unsigned default_port, struct og_endpoints *ret, struct og_error *err)
{
	struct og_endpoints e = {0};
	char part[512];

	while (*text) {
		size_t len;

		text += strspn(text, ", \t");
		len = strcspn(text, ", \t");
		if (!len)
			break;
		if (e.n == OG_ENDPOINTS_MAX)
			return og_fail(err, OG_INVALID, "more than %d broker endpoints", OG_ENDPOINTS_MAX);
		snprintf(part, sizeof(part), "%.*s", (int)len, text);
		if (parse_one(part, default_port, &e.list[e.n++], err) < 0)
			return -1;
		text += len;
	}
	if (!e.n)
		return og_fail(err, OG_INVALID, "no broker endpoint is given (host:port)");
	*ret = e;
	return 0;
}

bool og_endpoints_advance(struct og_endpoints *e)
{
	e->current = (e->current + 1) % e->n;
	return e->current == 0;
}
