/* The store: what a gateway must remember, in a Redis of its own (appendfsync always): API keys, tenants, the ledger of what
 * they use (keys.h, ledger.h, usage.h). Any number of gateways share it.
 *
 * While it is away every question fails at once with RETRY: tell the client 503 with Retry-After, never 401. Callbacks
 * are called from the loop, exactly once where 0 was returned, og_store_close included (then with RETRY); what `ctx`
 * points to must live until then. */
#ifndef OG_GATEWAY_STORE_H
#define OG_GATEWAY_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "io/redis.h"

struct og_gateway_store;
struct og_control_ask;

#define OG_STORE_RETRY_S 2 /* when to try again where the store is away */

/* A reservation whose gateway has gone (ledger.h). */
struct og_orphan {
	const char *job, *key, *tenant; /* ids of the job and of the key */
	int64_t tokens;                 /* reserved */
	int64_t reserved_ms;            /* when, by the store's clock */
};

struct og_store_config {
	const char *cluster;
	/* Opens the connection: og_store_dial, or a twin in memory. Called once, from og_store_open. */
	struct og_redis *(*dial)(void *ctx, const struct og_redis_events *events, struct og_error *err);
	void *dial_ctx;
	/* Each may be NULL. on_up: also once for each time it comes back. on_down: FATAL where it refuses us, which it goes
	 * on trying. */
	void (*on_up)(void *ctx);
	void (*on_down)(void *ctx, const struct og_error *why);
	/* Up to 100 reservations whose lease ran out, at most every third of a lease: find out how each job ended, and settle or refund
	 * it; what is left is asked about again. NULL: this process does not look for them. */
	void (*on_orphans)(void *ctx, const struct og_orphan *orphans, size_t n);
	void *ctx;
	int64_t lease_ms; /* 0: 30 s. Of reservations; renewed, and looked for, every third of it */
	int64_t look_ms; /* 0: 2 s. How often it is asked whether the keys under which something goes on are in force (key_watch.h) */
	/* NULL (always, but in tests): the store's own clock, in ms since the Unix epoch, for all that it measures. */
	int64_t (*clock)(void *ctx);
};

/* Opens the connection as the settings and the gateway's credentials say; `ctx` is a struct og_store_dialer. */
struct og_settings;
struct og_credentials;
struct og_store_dialer {
	uv_loop_t *loop;
	const struct og_settings *settings;
	const struct og_credentials *credentials;
};
struct og_redis *og_store_dial(void *ctx, const struct og_redis_events *events, struct og_error *err);

/* Copies the config's values. NULL: the connection cannot be opened as configured. */
struct og_gateway_store *og_store_open(uv_loop_t *loop, const struct og_store_config *config, struct og_error *err);
/* What waits is failed with RETRY before it returns, and usage that could not be written yet is lost; cb (may be NULL) is
 * called when all is freed, the store too. NULL is fine. */
void og_store_close(struct og_gateway_store *s, void (*cb)(void *ctx), void *ctx);

bool og_store_is_up(const struct og_gateway_store *s);
/* A real round trip, for /readyz: err NULL, it answered. */
int og_store_ping(
	struct og_gateway_store *s, void (*cb)(void *ctx, const struct og_error *err), void *ctx, struct og_error *err);

/* What operators do, by name: keys_create, keys_list, keys_set, keys_revoke, keys_rotate, tenants_list, tenants_set, tenants_show,
 * tenants_remove, usage (docs/GATEWAY.md says what each takes and answers). For the pages under /api/v1 as for the control
 * socket; who may ask is the caller's to check. `request` is borrowed for the call; `answer` of the callback likewise, and
 * NULL where `err` is not: INVALID (a wrong request, or there is no such thing) or RETRY. */
typedef void og_store_admin_cb(void *ctx, json_t *answer, const struct og_error *err);
bool og_store_is_verb(const char *verb);
int og_store_admin(struct og_gateway_store *s, const char *verb, const json_t *request, og_store_admin_cb *cb,
	void *ctx, struct og_error *err);
/* The same for the control socket (service.h): answers `ask`, now or later. False: the verb is none of the store's, and the
 * ask is still the caller's. */
bool og_store_control(struct og_gateway_store *s, const char *verb, const json_t *request, struct og_control_ask *ask);

#endif
