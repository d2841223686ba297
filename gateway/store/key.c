#include "store/key.h"

#include <fnmatch.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

enum { BASE = 62, SECRET_BYTES = 32, PREFIX = sizeof(OG_SECRET_PREFIX) - 1, DIGITS = OG_SECRET_LEN - PREFIX };

struct og_key *og_key_hold(struct og_key *key)
{
	key->holds++;
	return key;
}

void og_key_drop(struct og_key *key)
{
	if (key && --key->holds == 0)
		free(key);
}

bool og_key_is_limited(const struct og_key *key)
{
	return og_limits_any(&key->limits) || og_limits_any(&key->tenant_limits);
}

bool og_key_is_expired(const struct og_key *key, int64_t wall_ms)
{
	return key->expires_ms && wall_ms >= key->expires_ms;
}

static bool matches(const char *globs, const char *what)
{
	char glob[OG_NAME_MAX];

	if (!*globs)
		return true;
	for (const char *at = globs; *at;) {
		size_t len = strcspn(at, ",");

		if (len < sizeof(glob)) {
			memcpy(glob, at, len);
			glob[len] = '\0';
			if (fnmatch(glob, what, 0) == 0)
				return true;
		}
		at += len + (at[len] == ',');
	}
	return false;
}

bool og_key_may_model(const struct og_key *key, const char *model)
{
	return matches(key->models, model);
}

bool og_key_may_region(const struct og_key *key, const char *region)
{
	return matches(key->regions, region);
}

bool og_key_may_class(const struct og_key *key, const char *class_name)
{
	return matches(key->classes, class_name);
}

/* A number of 256 bits has at most 43 digits to the base 62; each digit is a remainder of the whole. */
void og_secret_make(char ret[static OG_SECRET_LEN + 1])
{
	unsigned char bytes[SECRET_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		abort(); /* of at most 256 bytes the kernel gives all or none */
	memcpy(ret, OG_SECRET_PREFIX, PREFIX);
	for (int at = DIGITS - 1; at >= 0; at--) {
		unsigned rest = 0;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			unsigned value = rest << 8 | bytes[i];

			bytes[i] = (unsigned char)(value / BASE);
			rest = value % BASE;
		}
		ret[PREFIX + at] = digits[rest];
	}
	ret[OG_SECRET_LEN] = '\0';
}

bool og_secret_valid(const char *secret, size_t len)
{
	if (len != OG_SECRET_LEN || memcmp(secret, OG_SECRET_PREFIX, PREFIX) != 0)
		return false;
	for (size_t i = PREFIX; i < len; i++)
		if (!secret[i] || !strchr(digits, secret[i]))
			return false;
	return true;
}

void og_secret_hash(const char *secret, size_t len, char ret[static OG_HASH_LEN + 1])
{
	unsigned char hash[OG_HASH_LEN / 2];

	EVP_Digest(secret, len, hash, NULL, EVP_sha256(), NULL);
	for (size_t i = 0; i < sizeof(hash); i++)
		snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}
