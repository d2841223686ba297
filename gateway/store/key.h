/* An API key: what it is and what it may do. Pure.
 *
 * The secret is "og-" and 43 characters of base62, 256 random bits; it is shown once and kept by its SHA-256 alone. That is
 * enough: a slow hash (bcrypt, argon2) makes guessing dear where secrets are words of people; nobody guesses 256 random bits,
 * and each request would pay for it. */
#ifndef OG_GATEWAY_KEY_H
#define OG_GATEWAY_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/names.h"
#include "store/limits.h"

#define OG_SECRET_PREFIX "og-"
#define OG_SECRET_LEN    46 /* of a whole secret, without the NUL */
#define OG_HASH_LEN      64 /* hex digits */
#define OG_KEY_ID_LEN    12 /* hex digits: public, for lists, logs and usage */
#define OG_SCOPE_MAX     1024

/* As it stood in the store at most 2 s ago; shared and read-only, for as long as somebody holds it. */
struct og_key {
	char id[OG_KEY_ID_LEN + 1];
	char name[OG_NAME_MAX], tenant[OG_NAME_MAX];
	char models[OG_SCOPE_MAX], regions[OG_SCOPE_MAX], classes[64]; /* globs with commas between; "": all */
	bool admin;                     /* may use what operates: keys, tenants, nodes, … */
	int64_t created_ms, expires_ms; /* since the Unix epoch; expires 0: never */
	struct og_limits limits, tenant_limits;
	int64_t weight; /* of the tenant, for the scheduler: og-weight of each request; 0: none is set, and none is to be sent */
	unsigned holds; /* og_key_hold, og_key_drop */
};

struct og_key *og_key_hold(struct og_key *key); /* returns it */
void og_key_drop(struct og_key *key);           /* NULL is fine */

/* Where it is false (almost always, on a network of friends) no reservation is needed: settle alone. */
bool og_key_is_limited(const struct og_key *key);
bool og_key_is_expired(const struct og_key *key, int64_t wall_ms);

/* Whether a request with this may be made. Of a model name that is an alias, ask for both names. "" as the region: none was
 * asked for, which only a key for all regions may leave open. */
bool og_key_may_model(const struct og_key *key, const char *model);
bool og_key_may_region(const struct og_key *key, const char *region);
bool og_key_may_class(const struct og_key *key, const char *class_name);

void og_secret_make(char ret[static OG_SECRET_LEN + 1]);
bool og_secret_valid(const char *secret, size_t len); /* its form */
void og_secret_hash(const char *secret, size_t len, char ret[static OG_HASH_LEN + 1]);

#endif
