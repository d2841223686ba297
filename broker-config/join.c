#include "join.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

#define SCHEME   "og://"
#define JOIN_CAP 4096
#define PLAIN    "-._~"
#define ADDRESS  PLAIN ":,[]" /* what host:port,host:port is made of besides letters and digits */

static void add_encoded(struct og_buf *b, const char *s, const char *plain)
{
	for (; *s; s++) {
		if (isalnum((unsigned char)*s) || strchr(plain, *s))
			og_buf_add(b, s, 1);
		else
			og_buf_addf(b, "%%%02X", (unsigned char)*s);
	}
}

static void add_credentials(struct og_buf *b, const char *role, const struct og_credentials *c)
{
	og_buf_adds(b, role);
	add_encoded(b, c->user, PLAIN);
	og_buf_adds(b, ":");
	add_encoded(b, c->password, PLAIN);
}

char *og_join_encode(const struct og_join *j)
{
	struct og_buf b;

	og_buf_init(&b, JOIN_CAP);
	og_buf_adds(&b, SCHEME);
	add_encoded(&b, j->endpoints, ADDRESS);
	og_buf_adds(&b, "/");
	add_encoded(&b, j->cluster, PLAIN);
	add_credentials(&b, "?worker=", &j->worker);
	add_credentials(&b, "&producer=", &j->producer);
	if (j->tls)
		og_buf_adds(&b, "&tls=1");
	return og_buf_take(&b);
}

static int decode(const char *s, size_t len, const char *what, char *ret, size_t size, struct og_error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (c == '%') {
			char hex[3] = {0};

			if (i + 2 >= len || !isxdigit((unsigned char)s[i + 1]) || !isxdigit((unsigned char)s[i + 2]))
				return og_fail(err, OG_INVALID, "%s has a broken %%-code", what);
			memcpy(hex, s + i + 1, 2);
			c = (char)strtol(hex, NULL, 16);
			i += 2;
		}
		if ((unsigned char)c <= ' ' || c == 0x7f || n + 1 >= size)
			return og_fail(err, OG_INVALID, "%s is too long or holds a character that cannot be", what);
		ret[n++] = c;
	}
	ret[n] = '\0';
	return n ? 0 : og_fail(err, OG_INVALID, "%s is empty", what);
}

static int decode_credentials(
	const char *s, size_t len, enum og_role role, struct og_credentials *ret, struct og_error *err)
{
	const char *colon = memchr(s, ':', len), *name = og_role_name(role);

	if (!colon)
		return og_fail(err, OG_INVALID, "%s is not user:password", name);
	if (decode(s, (size_t)(colon - s), name, ret->user, sizeof(ret->user), err) != 0 ||
		decode(colon + 1, len - (size_t)(colon + 1 - s), name, ret->password, sizeof(ret->password), err) != 0)
		return -1;
	if (!og_name_is_user(ret->user) || og_role_of_user(ret->user) != (int)role)
		return og_fail(err, OG_INVALID, "the user of %s does not begin with %s-", name, name);
	return 0;
}

/* One name=value of the query. */
static int decode_field(const char *s, size_t len, struct og_join *j, struct og_error *err)
{
	if (len > 7 && memcmp(s, "worker=", 7) == 0)
		return decode_credentials(s + 7, len - 7, OG_ROLE_WORKER, &j->worker, err);
	if (len > 9 && memcmp(s, "producer=", 9) == 0)
		return decode_credentials(s + 9, len - 9, OG_ROLE_PRODUCER, &j->producer, err);
	if (len == 5 && memcmp(s, "tls=1", 5) == 0)
		j->tls = true;
	return 0; /* what a later version adds */
}

static int decode_parts(const char *text, struct og_join *j, struct og_error *err)
{
	const char *host = text + strlen(SCHEME), *slash, *query;

	if (strncmp(text, SCHEME, strlen(SCHEME)) != 0)
		return og_fail(err, OG_INVALID, "it does not begin with " SCHEME);
	slash = strchr(host, '/');
	query = slash ? strchr(slash, '?') : NULL;
	if (!query)
		return og_fail(
			err, OG_INVALID, "it is cut: there is no /cluster?worker=…&producer=… (quote it in the shell)");
	if (decode(host, (size_t)(slash - host), "the address", j->endpoints, sizeof(j->endpoints), err) != 0 ||
		decode(slash + 1, (size_t)(query - slash - 1), "the cluster", j->cluster, sizeof(j->cluster), err) != 0)
		return -1;
	for (const char *field = query + 1; field;) {
		const char *end = strchr(field, '&');

		if (decode_field(field, end ? (size_t)(end - field) : strlen(field), j, err) != 0)
			return -1;
		field = end ? end + 1 : NULL;
	}
	if (!*j->worker.user || !*j->producer.user)
		return og_fail(
			err, OG_INVALID, "worker=… or producer=… is missing (quote it in the shell: it holds a &)");
	return 0;
}

int og_join_decode(const char *text, struct og_join *ret, struct og_error *err)
{
	struct og_join j = {0};

	if (decode_parts(text, &j, err) != 0)
		return og_fail_in(err, "this is no join string");
	*ret = j;
	return 0;
}
