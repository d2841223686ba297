/* A new key, into the store. */
#ifndef OG_GATEWAY_KEY_WRITE_H
#define OG_GATEWAY_KEY_WRITE_H

#include "store/key.h"
#include "store/store.h"

struct og_key_spec {
	const char *name, *tenant;
	const char *models, *regions, *classes; /* globs with commas between; NULL: all */
	bool admin;
	int64_t expires_ms; /* 0: never */
	struct og_limits limits;
};

void og_key_id_make(char ret[static OG_KEY_ID_LEN + 1]);

/* The answer is 1: it is there now; 0: `first`, and the store has had others; -1: the id is another's. May be repeated with the same
 * id and secret. -1 is RETRY or BUSY, and the callback is not called. */
int og_key_create(struct og_gateway_store *s, bool first, const char *id, const char *secret,
	const struct og_key_spec *spec, og_redis_cb *cb, void *ctx, struct og_error *err);

#endif
