/* Whether the keys under which something goes on (a stream, a job, a batch) are still in force: revoked, expired, gone? And what
 * they may now. One question every 2 s for all keys that are watched, however many watch: nothing is asked call by call. */
#ifndef OG_GATEWAY_KEY_WATCH_H
#define OG_GATEWAY_KEY_WATCH_H

#include "store/key.h"
#include "store/store.h"

/* Told at each look: the key as it stands (borrowed), or NULL and INVALID, in words for its user: it is no longer in force. While
 * the store is away nothing is told. In here any watch may be ended. */
typedef void og_key_watch_cb(void *ctx, struct og_key *key, const struct og_error *why);

struct og_watched_key;

/* Embedded in what watches; zeroed, it watches nothing. */
struct og_key_watch {
	struct og_watched_key *of;
	struct og_key_watch *prev, *next;
	og_key_watch_cb *cb;
	void *ctx;
	uint64_t told; /* at which look */
};

/* `id`: the key's. */
void og_key_watch(struct og_key_watch *w, struct og_gateway_store *s, const char *id, og_key_watch_cb *cb, void *ctx);
void og_key_watch_now(struct og_gateway_store *s); /* the next look is at once */
void og_key_unwatch(struct og_key_watch *w);       /* also of one that watches nothing, or whose store is closed */

#endif
