/* One question to the store a secret, however many requests wait for it; while a key is in use it is asked for again before what is
 * known of it is too old, so that no request waits. */
#include "store/keys.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "store/args.h"
#include "store/first_key.h"
#include "store/key_cache.h"
#include "store/key_read.h"
#include "store/scripts.h"
#include "store/store_state.h"

#define FLIGHTS_MAX 256
#define NO_SUCH_KEY "there is no such API key, or it was revoked"

struct waiter {
	struct waiter *prev, *next;
	og_key_cb *cb;
	void *ctx;
};

/* A question that is not answered yet. */
struct flight {
	UT_hash_handle hh;
	struct og_gateway_store *store;
	char hash[OG_HASH_LEN + 1];
	int64_t asked_ms;
	bool outdated; /* a key has changed since: to be told, not to be remembered */
	struct waiter *waiters;
};

struct og_keys {
	struct og_key_cache *cache;
	struct flight *flights;
	struct og_first_key *first;
};

struct og_keys *og_keys_new(void)
{
	struct og_keys *k = og_new(struct og_keys);

	k->cache = og_key_cache_new(OG_KEYS_FRESH_MS);
	return k;
}

void og_keys_free(struct og_keys *k)
{
	if (!k)
		return;
	og_first_key_free(k->first);
	og_key_cache_free(k->cache);
	free(k);
}

void og_keys_forget(struct og_gateway_store *s)
{
	struct flight *f, *tmp;

	og_key_cache_clear(s->keys->cache);
	HASH_ITER(hh, s->keys->flights, f, tmp)
	f->outdated = true;
}

/* To all who wait; err NULL: it was answered, and key NULL is none. */
static void land(struct flight *f, struct og_key *key, const struct og_error *err)
{
	struct waiter *w, *tmp;
	struct og_error why = {0};

	HASH_DEL(f->store->keys->flights, f);
	if (!err && !key)
		og_error_set(&why, OG_INVALID, NO_SUCH_KEY);
	else if (!err)
		og_key_check_expiry(key, &why);
	if (why.kind)
		err = &why;
	DL_FOREACH_SAFE(f->waiters, w, tmp)
	{
		DL_DELETE(f->waiters, w);
		w->cb(w->ctx, err ? NULL : key, err);
		free(w);
	}
	free(f);
}

static void on_key(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct flight *f = ctx;
	struct og_key *key = reply ? og_key_read(reply) : NULL;
	struct og_error later = {0};

	if (reply && !f->outdated) {
		og_key_cache_put(f->store->keys->cache, f->hash, key, f->asked_ms);
	} else if (err && err->kind != OG_RETRY) { /* a script that fails is no word about the key */
		later = *err;
		later.kind = OG_RETRY;
		err = &later;
	}
	land(f, key, err);
	og_key_drop(key);
}

static struct flight *start(struct og_gateway_store *s, const char *hash, struct og_error *err)
{
	struct flight *f = og_new(struct flight);
	struct og_args a;

	f->store = s;
	f->asked_ms = og_clock_mono_ms();
	memcpy(f->hash, hash, sizeof(f->hash));
	og_args_begin(s, &a);
	og_args_add(&a, hash);
	if (og_args_eval(s, &og_script_key, &a, on_key, f, err) != 0) {
		free(f);
		return NULL;
	}
	HASH_ADD(hh, s->keys->flights, hash[0], OG_HASH_LEN, f);
	return f;
}

static struct flight *find_flight(struct og_gateway_store *s, const char *hash)
{
	struct flight *f;

	HASH_FIND(hh, s->keys->flights, hash, OG_HASH_LEN, f);
	return f;
}

static int wait_for(struct og_gateway_store *s, const char *hash, og_key_cb *cb, void *ctx, struct og_error *err)
{
	struct flight *f = find_flight(s, hash);
	struct waiter *w;

	if (!f && HASH_COUNT(s->keys->flights) >= FLIGHTS_MAX)
		return og_fail(err, OG_BUSY, "too many API keys are being looked up");
	if (!f)
		f = start(s, hash, err);
	if (!f)
		return -1;
	w = og_new(struct waiter);
	w->cb = cb;
	w->ctx = ctx;
	DL_APPEND(f->waiters, w);
	return 0;
}

int og_keys_lookup(struct og_gateway_store *s, const char *secret, size_t len, og_key_cb *cb, void *ctx,
	struct og_key **ret, struct og_error *err)
{
	char hash[OG_HASH_LEN + 1];
	struct og_key *key = NULL;
	enum og_cached cached;

	if (!og_secret_valid(secret, len))
		return og_fail(err, OG_INVALID,
			"this is no API key: one is \"" OG_SECRET_PREFIX
			"\" and 43 letters and digits (`og keys create NAME` makes one)");
	og_secret_hash(secret, len, hash);
	cached = og_key_cache_find(s->keys->cache, hash, og_clock_mono_ms(), &key);
	if (cached == OG_CACHED_UNKNOWN)
		return og_fail(err, OG_INVALID, NO_SUCH_KEY);
	if (cached == OG_CACHED_NOT)
		return wait_for(s, hash, cb, ctx, err);
	if (cached == OG_CACHED_OLD_KEY && !find_flight(s, hash) && HASH_COUNT(s->keys->flights) < FLIGHTS_MAX)
		start(s, hash, NULL);
	if (og_key_check_expiry(key, err) != 0)
		return -1;
	*ret = og_key_hold(key);
	return 1;
}

/* ---- the first one ---- */

void og_keys_first(struct og_gateway_store *s, const char *path, og_first_key_cb *cb, void *ctx)
{
	s->keys->first = og_first_key_new(s, path, cb, ctx);
	og_keys_retry(s);
}

void og_keys_retry(struct og_gateway_store *s)
{
	if (s->keys->first && s->up)
		og_first_key_try(s->keys->first);
}
