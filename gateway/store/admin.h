/* Inside of og_store_admin: a verb is a row (admin.c) and a function; the answer comes later, from the loop. */
#ifndef OG_GATEWAY_ADMIN_H
#define OG_GATEWAY_ADMIN_H

#include "store/limits.h"
#include "store/scripts.h"
#include "store/store_state.h"

#define OG_ADMIN_PAGE_MAX 100 /* rows of an answer: on the control socket it is a line of 64 KiB */

struct og_admin_call {
	struct og_gateway_store *store;
	json_t *request; /* held */
	og_store_admin_cb *cb;
	void *ctx;
	void *state; /* the verb's, freed with the call */
};

/* Asks the store and returns 0; -1: it was refused, nothing is under way and the call is still the caller's. */
typedef int og_admin_run(struct og_admin_call *c, struct og_error *err);
og_admin_run og_admin_keys_create, og_admin_keys_list, og_admin_keys_set, og_admin_keys_revoke, og_admin_keys_rotate;
og_admin_run og_admin_tenants_list, og_admin_tenants_set, og_admin_tenants_show, og_admin_tenants_remove,
	og_admin_usage;

/* Each ends the call. The answer is taken over. */
void og_admin_answer(struct og_admin_call *c, json_t *answer);
void og_admin_refuse(struct og_admin_call *c, const struct og_error *err);

/* Members of the request. A text: *ret is NULL where it is absent and not `required`; the names of keys and tenants are checked. */
int og_admin_text(
	const struct og_admin_call *c, const char *name, bool required, const char **ret, struct og_error *err);
int og_admin_tenant(
	const struct og_admin_call *c, const char *name, bool required, const char **ret, struct og_error *err);
int og_admin_number(const struct og_admin_call *c, const char *name, int64_t min, int64_t max, int64_t *ret,
	struct og_error *err); /* absent: as it was */

/* A row of the store's, from `at` on, as the limits that there are. */
void og_admin_limits(json_t *object, const struct og_redis_reply *row, size_t at);

#endif
