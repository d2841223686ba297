/* The Lua that reads and writes the store: each is atomic. KEYS[1] is the prefix "og:<cluster>:", ARGV[1] the time in ms since the
 * Unix epoch, "" (always, but in tests) for the store's own clock: so gateways whose clocks differ count the same minute.
 * docs/PROTOCOL.md lists the keys. */
#ifndef OG_GATEWAY_SCRIPTS_H
#define OG_GATEWAY_SCRIPTS_H

#include "io/redis.h"

/* The clock, in ms. */
#define OG_LUA_NOW                                                                                                     \
	"local p = KEYS[1]\n"                                                                                          \
	"local now = tonumber(ARGV[1])\n"                                                                              \
	"if not now then\n"                                                                                            \
	"  local t = redis.call('TIME')\n"                                                                             \
	"  now = t[1] * 1000 + math.floor(t[2] / 1000)\n"                                                              \
	"end\n"
#define OG_LUA_LIMITS "'requests_per_minute', 'tokens_per_minute', 'running', 'budget', 'budget_per'"
/* "2026-11-26" of a time in ms (Howard Hinnant's civil_from_days): Lua in Redis has no dates. */
#define OG_LUA_DAY                                                                                                     \
	"local function day_of(ms)\n"                                                                                  \
	"  local z = math.floor(ms / 86400000) + 719468\n"                                                             \
	"  local era = math.floor(z / 146097)\n"                                                                       \
	"  local doe = z - era * 146097\n"                                                                             \
	"  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / "         \
	"146096)) / 365)\n"                                                                                            \
	"  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))\n"                              \
	"  local mp = math.floor((5 * doy + 2) / 153)\n"                                                               \
	"  local m = mp < 10 and mp + 3 or mp - 9\n"                                                                   \
	"  return string.format('%04d-%02d-%02d', yoe + era * 400 + (m <= 2 and 1 or 0), m,\n"                         \
	"    doy - math.floor((153 * mp + 2) / 5) + 1)\n"                                                              \
	"end\n"

/* ---- keys and tenants (scripts_keys.c) ---- */

/* What og_script_key answers, in this order; the two rows of limits are in the order of og_limits_names. */
enum og_key_field {
	OG_KEY_ID,
	OG_KEY_NAME,
	OG_KEY_TENANT,
	OG_KEY_MODELS,
	OG_KEY_REGIONS,
	OG_KEY_CLASSES,
	OG_KEY_ADMIN,
	OG_KEY_CREATED,
	OG_KEY_EXPIRES,
	OG_KEY_REVOKED,
	OG_KEY_USED,
	OG_KEY_LIMITS,
	OG_KEY_WEIGHT = OG_KEY_LIMITS + 5,
	OG_KEY_TENANT_LIMITS,
};
/* hash → the fields, or NIL: none, or a revoked one. Notes once a minute that it was used. */
extern struct og_redis_script og_script_key;
/* id, … → the same of each, in their order. Notes nothing. */
extern struct og_redis_script og_script_keys_now;
/* "first" or "", id, hash, tenant, field, value or "" (none), … → it is there now: how many of its tenant's keys have its name (1 where
 * it was there before, or there are more than 10,000); 0: "first", and there are others; -1: the id is another's. */
extern struct og_redis_script og_script_key_create;
/* id, field, value or "" (none), … → the same as og_script_key; what was counted of the key stays. */
extern struct og_redis_script og_script_key_set;
/* id → 1; 0: none. */
extern struct og_redis_script og_script_key_revoke;
/* id, new hash, ms for which the old ones still count at most → 1; 0: none, or revoked. */
extern struct og_redis_script og_script_key_rotate;
/* from (a rank), how many are looked at, tenant or "", "all" or "" (without the revoked) → {next rank or -1, {fields as of
 * og_script_key, without what follows the key's own limits}, …} */
extern struct og_redis_script og_script_keys_page;

/* name, field, value or "" (none), … → 1 */
extern struct og_redis_script og_script_tenant_set;
/* name → 1; 0: none; -1: it has keys. */
extern struct og_redis_script og_script_tenant_remove;
enum og_tenant_field {
	OG_TENANT_NAME,
	OG_TENANT_WEIGHT_AT,
	OG_TENANT_LIMITS,
	OG_TENANT_KEYS = OG_TENANT_LIMITS + 5,
	OG_TENANT_RUNNING,
	OG_TENANT_HELD,
	OG_TENANT_DAY,
	OG_TENANT_MONTH,
	OG_TENANT_TOTAL,
};
/* name or "" (all), from (a rank), limit → {next rank or -1, {fields}, …}; tokens used on this day, in this month, at all. */
extern struct og_redis_script og_script_tenants_page;

/* ---- the ledger (scripts_ledger.c) ---- */

/* job, key, tenant, tokens, mark, lease ms → {enum og_limit or -1 (no such key), 1 where the tenant's, limit, retry after s} */
extern struct og_redis_script og_script_reserve;
/* What ended, nine arguments each: job, mark or "" (whoever holds it), key, tenant, model, prompt tokens, completion tokens, "refund" (of which
 * only the first two count), "replayed", "left" or "", "reserved" or "". → of each 1: counted, or given back; 2: given back, it was a replay;
 * 0: there is nothing (left) to do, or others hold it; or its error. */
extern struct og_redis_script og_script_close;
/* lease ms, job, … → how many of them are reserved. */
extern struct og_redis_script og_script_renew;
/* lease ms, limit → {{job, key, tenant, tokens, reserved ms}, …}: whose lease has run out; it is renewed once. */
extern struct og_redis_script og_script_orphans;

#endif
