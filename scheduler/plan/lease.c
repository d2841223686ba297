#include "plan/lease.h"

#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/presence.h"

/* One context for all: setting the key up once costs a third of making it anew for each lease. */
struct og_lease {
	EVP_MAC *mac;
	EVP_MAC_CTX *ctx;
};

struct og_lease *og_lease_new(const void *key, size_t len)
{
	struct og_lease *l = og_new(struct og_lease);
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};

	l->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	l->ctx = l->mac ? EVP_MAC_CTX_new(l->mac) : NULL;
	if (!l->ctx || !EVP_MAC_init(l->ctx, key, len, params))
		abort(); /* a libcrypto without HMAC-SHA256 */
	return l;
}

void og_lease_free(struct og_lease *l)
{
	if (!l)
		return;
	EVP_MAC_CTX_free(l->ctx);
	EVP_MAC_free(l->mac);
	free(l);
}

void og_lease_make(
	struct og_lease *l, const char *id, int64_t attempt, int64_t epoch, char ret[static OG_LEASE_HEX + 1])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char mac[OG_LEASE_HEX / 2];
	char text[128];
	size_t len;
	int n = snprintf(text, sizeof(text), "%s|%" PRId64 "|%" PRId64, id, attempt, epoch);

	if (n < 0 || (size_t)n >= sizeof(text) || !EVP_MAC_init(l->ctx, NULL, 0, NULL) ||
		!EVP_MAC_update(l->ctx, (unsigned char *)text, (size_t)n) ||
		!EVP_MAC_final(l->ctx, mac, &len, sizeof(mac)))
		abort(); /* ids are 36 characters, and libcrypto computes in memory */
	for (size_t i = 0; i < sizeof(mac); i++) {
		ret[2 * i] = hex[mac[i] >> 4];
		ret[2 * i + 1] = hex[mac[i] & 15];
	}
	ret[OG_LEASE_HEX] = '\0';
}

static bool fits(struct og_lease *l, const char *id, int64_t attempt, int64_t epoch, const char *lease, size_t digits)
{
	char own[OG_LEASE_HEX + 1];

	if (strlen(lease) != digits)
		return false;
	og_lease_make(l, id, attempt, epoch, own);
	return !CRYPTO_memcmp(own, lease, digits);
}

bool og_lease_fits(struct og_lease *l, const char *id, int64_t attempt, int64_t epoch, const char *lease)
{
	return fits(l, id, attempt, epoch, lease, OG_LEASE_HEX);
}

bool og_lease_fits_short(struct og_lease *l, const char *id, int64_t attempt, int64_t epoch, const char *lease)
{
	return fits(l, id, attempt, epoch, lease, OG_PRESENCE_LEASE);
}
