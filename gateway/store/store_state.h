/* Inside of the store: what its files share. */
#ifndef OG_GATEWAY_STORE_STATE_H
#define OG_GATEWAY_STORE_STATE_H

#include "store/store.h"

struct og_keys;
struct og_key_watches;
struct og_ledger;

struct og_gateway_store {
	uv_loop_t *loop;
	struct og_store_config config;
	char *prefix; /* "og:<cluster>:" */
	struct og_redis *redis;
	uv_timer_t tick; /* every third of a lease */
	struct og_keys *keys;
	struct og_key_watches *watches;
	struct og_ledger *ledger;
	bool up, closing;
	unsigned parts; /* the connection and the timers: those that are still to be closed */
	void (*closed_cb)(void *ctx);
	void *closed_ctx;
};

/* The clock for a script: "" is the store's own. Writes into `room`, returns it. */
const char *og_store_clock(const struct og_gateway_store *s, char room[static 24]);

/* keys.c: what is remembered of keys is forgotten, for one has changed. */
void og_keys_forget(struct og_gateway_store *s);
struct og_keys *og_keys_new(void);
void og_keys_retry(
	struct og_gateway_store *s); /* it is up, or time has passed: the first key, if it is still to be made */
void og_keys_free(struct og_keys *k);

/* key_watch.c */
struct og_key_watches *og_key_watches_new(struct og_gateway_store *s);
void og_key_watches_close(
	struct og_key_watches *k, uv_close_cb cb); /* no more looks; `data` of the handle is the store */
void og_key_watches_free(struct og_key_watches *k);

/* ledger.c */
struct og_ledger *og_ledger_new(struct og_gateway_store *s);
void og_ledger_close(struct og_ledger *l, uv_close_cb cb); /* its timer; `data` of the handle is the store */
void og_ledger_up(struct og_gateway_store *s);
void og_ledger_tick(struct og_gateway_store *s);
void og_ledger_free(struct og_ledger *l);

#endif
