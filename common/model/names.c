#include "model/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "base/alloc.h"
#include "base/backoff.h"

#define USER_MAX   64
#define USER_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-"
#define HEX_CHARS  "0123456789abcdef"

int og_name_key(const char *name, char *ret, size_t size, struct og_error *err)
{
	size_t len = strlen(name);

	if (!len)
		return og_fail(err, OG_INVALID, "a name is empty");
	if (len >= size)
		return og_fail(err, OG_INVALID, "the name '%.64s…' is %zu bytes long, at most %zu are allowed", name,
			len, size - 1);
	for (size_t i = 0; i <= len; i++) {
		char c = name[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		ret[i] = c && !strchr(USER_CHARS, c) ? '_' : c;
	}
	return 0;
}

static size_t user_span(const char *name)
{
	size_t n = strspn(name, USER_CHARS);

	return n <= USER_MAX ? n : 0;
}

bool og_name_is_user(const char *name)
{
	size_t n = user_span(name);

	return n && !name[n];
}

static void compose(char ret[static OG_KEY_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Keys come from og_name_key with OG_NAME_MAX and users are at most USER_MAX long, so everything composed here fits. */
static void compose(char ret[static OG_KEY_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ret, OG_KEY_MAX, fmt, ap);
	va_end(ap);
}

void og_queue_tier(const char *tier_key, char ret[static OG_KEY_MAX])
{
	compose(ret, "og.tier.%s", tier_key);
}

void og_queue_lane(const char *tier_key, enum og_class c, unsigned k, char ret[static OG_KEY_MAX])
{
	compose(ret, "og.wait.%s.%s.%u", tier_key, og_class_name(c), k);
}

void og_key_lane(const char *tier_key, enum og_class c, unsigned k, char ret[static OG_KEY_MAX])
{
	compose(ret, "%s.%s.%u", tier_key, og_class_name(c), k);
}

const struct og_delay og_delays[OG_DELAYS] = {{"1s", 1000}, {"5s", 5000}, {"30s", 30000}};

void og_queue_reply(const char *reply, char ret[static OG_KEY_MAX])
{
	compose(ret, "og.reply.%s", reply);
}

void og_queue_node(const char *user, const char *worker_key, char ret[static OG_KEY_MAX])
{
	compose(ret, "og.node.%s~%s", user, worker_key);
}

void og_key_node(const char *user, const char *worker_key, char ret[static OG_KEY_MAX])
{
	compose(ret, "node.%s~%s", user, worker_key);
}

void og_queue_control(const char *user, const char *id, char ret[static OG_KEY_MAX])
{
	compose(ret, "og.control.%s~%s", user, id);
}

void og_queue_presence(const char *user, const char *id, char ret[static OG_KEY_MAX])
{
	compose(ret, "og.presence.%s~%s", user, id);
}

void og_reply_new(const char *user, char ret[static OG_KEY_MAX])
{
	char random[OG_REPLY_RANDOM + 1];

	og_random_hex(random, OG_REPLY_RANDOM);
	compose(ret, "%s~%s", user, random);
}

bool og_reply_valid(const char *reply)
{
	size_t n = user_span(reply);
	const char *random = reply + n + 1;

	return n && reply[n] == '~' && strspn(random, HEX_CHARS) == OG_REPLY_RANDOM && !random[OG_REPLY_RANDOM];
}

bool og_reply_belongs_to(const char *reply, const char *user)
{
	size_t n = strlen(user);

	return !strncmp(reply, user, n) && reply[n] == '~';
}

void og_key_reply(const char *reply, const char *what, char ret[static OG_KEY_MAX])
{
	compose(ret, "%s.%s", reply, what);
}

void og_uuid_new(char ret[static OG_ID_LEN + 1])
{
	uuid_t uuid;

	uuid_generate_random(uuid);
	uuid_unparse_lower(uuid, ret);
}

void og_uuid_of_key(const char *tenant, const char *key, char ret[static OG_ID_LEN + 1])
{
	static const char space_name[] = "opengateway";
	og_autofree char *name = og_printf("%s:%s", tenant, key);
	uuid_t space, id;

	uuid_generate_sha1(space, *uuid_get_template("dns"), space_name, sizeof(space_name) - 1);
	uuid_generate_sha1(id, space, name, strlen(name));
	uuid_unparse_lower(id, ret);
}
