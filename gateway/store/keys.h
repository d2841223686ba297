/* Whose request is it? The keys of the store, remembered here for at most 2 s: so long a revoked key may still be taken. */
#ifndef OG_GATEWAY_KEYS_H
#define OG_GATEWAY_KEYS_H

#include "store/key.h"
#include "store/store.h"

#define OG_KEYS_FRESH_MS 2000

/* `key` is borrowed for the call: og_key_hold to keep it. It is NULL where `err` is not: INVALID, there is no such key, or it is
 * revoked or expired, in words for its user (401); RETRY, the store is away (503); BUSY, too many unknown keys are being looked
 * up (503). */
typedef void og_key_cb(void *ctx, struct og_key *key, const struct og_error *err);

/* `secret`: as in "Authorization: Bearer <secret>"; not NUL-terminated. Returns
 *   1   known: *ret is held for the caller (og_key_drop), the callback is not called;
 *   0   the callback will be called;
 *   -1  as the callback's `err`. */
int og_keys_lookup(struct og_gateway_store *s, const char *secret, size_t len, og_key_cb *cb, void *ctx,
	struct og_key **ret, struct og_error *err);

/* Where the store has never held a key: makes one (name `first`, tenant `default`, admin), writes it to `path` (mode 0600) and
 * tells it; one, however many gateways start at once. Goes on trying while the store is away, until that is closed. To be called
 * once. `cb` (may be NULL): `secret` is NULL where there were keys already, or `err` says why it could not be written. */
typedef void og_first_key_cb(void *ctx, const char *secret, const struct og_error *err);
void og_keys_first(struct og_gateway_store *s, const char *path, og_first_key_cb *cb, void *ctx);

#endif
