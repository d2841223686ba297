/* A new key, or changes of one, into the store. */
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

/* The parts of a spec that may be changed one by one: a change names some, as bits 1 << part. */
enum og_key_part {
	OG_KEY_PART_NAME,
	OG_KEY_PART_MODELS,
	OG_KEY_PART_REGIONS,
	OG_KEY_PART_CLASSES,
	OG_KEY_PART_ADMIN,
	OG_KEY_PART_EXPIRES,
	OG_KEY_PART_LIMITS, /* and on: as og_limits_names */
};

void og_key_id_make(char ret[static OG_KEY_ID_LEN + 1]);

/* The answer is 1: it is there now; 0: `first`, and the store has had others; -1: the id is another's. May be repeated with the same
 * id and secret. -1 is RETRY or BUSY, and the callback is not called. */
int og_key_create(struct og_gateway_store *s, bool first, const char *id, const char *secret,
	const struct og_key_spec *spec, og_redis_cb *cb, void *ctx, struct og_error *err);

/* Makes the named parts of the key what `spec` says; what was used and what is left of its limits stays. The answer is the key as
 * og_script_key tells it, or NIL: there is none, or it was revoked. -1 likewise. */
int og_key_set(struct og_gateway_store *s, const char *id, const struct og_key_spec *spec, unsigned named,
	og_redis_cb *cb, void *ctx, struct og_error *err);

#endif
