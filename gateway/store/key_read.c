#include "store/key_read.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "store/args.h"
#include "store/scripts.h"

static void read_limits(const struct og_redis_reply *r, size_t at, struct og_limits *l)
{
	for (size_t i = 0; i < OG_LIMITS_N - 1; i++)
		*og_limits_number(l, i) = og_reply_number(r, at + i);
	og_budget_per_parse(og_reply_text(r, at + OG_LIMITS_N - 1), &l->budget_per, NULL);
}

static void read_text(char *ret, size_t size, const struct og_redis_reply *r, size_t at)
{
	snprintf(ret, size, "%s", og_reply_text(r, at));
}

struct og_key *og_key_read(const struct og_redis_reply *r)
{
	struct og_key *key;

	if (r->type != OG_REPLY_ARRAY)
		return NULL;
	key = og_key_hold(og_new(struct og_key));
	read_text(key->id, sizeof(key->id), r, OG_KEY_ID);
	read_text(key->name, sizeof(key->name), r, OG_KEY_NAME);
	read_text(key->tenant, sizeof(key->tenant), r, OG_KEY_TENANT);
	read_text(key->models, sizeof(key->models), r, OG_KEY_MODELS);
	read_text(key->regions, sizeof(key->regions), r, OG_KEY_REGIONS);
	read_text(key->classes, sizeof(key->classes), r, OG_KEY_CLASSES);
	key->admin = og_reply_number(r, OG_KEY_ADMIN) != 0;
	key->created_ms = og_reply_number(r, OG_KEY_CREATED);
	key->expires_ms = og_reply_number(r, OG_KEY_EXPIRES);
	key->weight = og_reply_number(r, OG_KEY_WEIGHT);
	read_limits(r, OG_KEY_LIMITS, &key->limits);
	read_limits(r, OG_KEY_TENANT_LIMITS, &key->tenant_limits);
	return key;
}

int og_key_check_expiry(const struct og_key *key, struct og_error *err)
{
	char when[25];

	if (!og_key_is_expired(key, og_clock_wall_ms()))
		return 0;
	og_clock_format(key->expires_ms, when);
	return og_fail(err, OG_INVALID, "this API key expired at %s", when);
}
