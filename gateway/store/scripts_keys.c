#include "store/scripts.h"

/* Lua in its own layout. */
/* clang-format off */

#define KEY_FIELDS \
	"'name', 'tenant', 'models', 'regions', 'classes', 'admin', 'created_ms', 'expires_ms', 'revoked_ms', 'used_ms', " \
	OG_LUA_LIMITS

/* In the order of og_key_field; false: none, or a revoked one. */
#define KEY_ROW \
	"local function row(id)\n" \
	"  local k = redis.call('HMGET', p..'key:'..id, " KEY_FIELDS ")\n" \
	"  if not k[1] or k[9] then return false end\n" \
	"  table.insert(k, 1, id)\n" \
	"  local t = redis.call('HMGET', p..'account:'..k[3], 'weight', " OG_LUA_LIMITS ")\n" \
	"  for i = 1, 6 do k[16 + i] = t[i] end\n" \
	"  return k\n" \
	"end\n"

/* ARGV from `at` on: fields and their values; "" is none. */
#define SET_FIELDS \
	"local function set_fields(key, at)\n" \
	"  for i = at, #ARGV, 2 do\n" \
	"    if ARGV[i + 1] == '' then redis.call('HDEL', key, ARGV[i]) else redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end\n" \
	"  end\n" \
	"end\n"

struct og_redis_script og_script_key = {.name = "key", .text =
	OG_LUA_NOW KEY_ROW
	"local id = redis.call('GET', p..'keyhash:'..ARGV[2])\n"
	"local k = id and row(id)\n"
	"if k and now - tonumber(k[11] or '0') >= 60000 then\n"
	"  redis.call('HSET', p..'key:'..id, 'used_ms', string.format('%.0f', now))\n"
	"end\n"
	"return k\n"};

struct og_redis_script og_script_keys_now = {.name = "keys_now", .text =
	OG_LUA_NOW KEY_ROW
	"local out = {}\n"
	"for i = 2, #ARGV do out[i - 1] = row(ARGV[i]) end\n"
	"return out\n"};

struct og_redis_script og_script_key_create = {.name = "key_create", .text =
	OG_LUA_NOW SET_FIELDS
	"local id, hash, tenant = ARGV[3], ARGV[4], ARGV[5]\n"
	"local there = redis.call('HGET', p..'key:'..id, 'hash')\n"
	"if there then return there == hash and 1 or -1 end\n"
	"if ARGV[2] == 'first' and redis.call('ZCARD', p..'keys') > 0 then return 0 end\n"
	"redis.call('HSET', p..'key:'..id, 'hash', hash, 'tenant', tenant, 'created_ms', string.format('%.0f', now))\n"
	"set_fields(p..'key:'..id, 6)\n"
	"redis.call('SET', p..'keyhash:'..hash, id)\n"
	"redis.call('ZADD', p..'keys', now, id)\n"
	"redis.call('SADD', p..'keysof:'..tenant, id)\n"
	"redis.call('ZADD', p..'tenants', 0, tenant)\n"
	"local name, alike = redis.call('HGET', p..'key:'..id, 'name'), 0\n"
	"if redis.call('SCARD', p..'keysof:'..tenant) <= 10000 then\n"
	"  for _, other in ipairs(redis.call('SMEMBERS', p..'keysof:'..tenant)) do\n"
	"    if redis.call('HGET', p..'key:'..other, 'name') == name then alike = alike + 1 end\n"
	"  end\n"
	"end\n"
	"return math.max(1, alike)\n"};

struct og_redis_script og_script_key_set = {.name = "key_set", .text =
	OG_LUA_NOW KEY_ROW SET_FIELDS
	"if not row(ARGV[2]) then return false end\n"
	"set_fields(p..'key:'..ARGV[2], 3)\n"
	"return row(ARGV[2])\n"};

struct og_redis_script og_script_key_revoke = {.name = "key_revoke", .text =
	OG_LUA_NOW
	"local key = p..'key:'..ARGV[2]\n"
	"local k = redis.call('HMGET', key, 'hash', 'tenant', 'revoked_ms')\n"
	"if not k[1] then return 0 end\n"
	"if k[3] then return 1 end\n"
	"redis.call('DEL', p..'keyhash:'..k[1])\n"
	"redis.call('HSET', key, 'revoked_ms', string.format('%.0f', now))\n"
	"redis.call('SREM', p..'keysof:'..k[2], ARGV[2])\n"
	"return 1\n"};

/* The old hash goes on pointing to the key for a while, and then is gone by itself. Those from earlier rotations (`old`) have at most as
 * long from now on: who gives no grace wants none of them to count. */
struct og_redis_script og_script_key_rotate = {.name = "key_rotate", .text =
	OG_LUA_NOW
	"local key = p..'key:'..ARGV[2]\n"
	"local k = redis.call('HMGET', key, 'hash', 'revoked_ms', 'old')\n"
	"if not k[1] or k[2] then return 0 end\n"
	"if k[1] == ARGV[3] then return 1 end\n"
	"local grace, old = tonumber(ARGV[4]), {}\n"
	"for hash in string.gmatch((k[3] or '')..' '..k[1], '%x+') do\n"
	"  local left = redis.call('PTTL', p..'keyhash:'..hash)\n"
	"  if left == -1 or left > grace then redis.call('PEXPIRE', p..'keyhash:'..hash, grace) end\n"
	"  if left ~= -2 and grace > 0 then table.insert(old, hash) end\n"
	"end\n"
	"redis.call('SET', p..'keyhash:'..ARGV[3], ARGV[2])\n"
	"redis.call('HSET', key, 'hash', ARGV[3], 'old', table.concat(old, ' '))\n"
	"return 1\n"};

struct og_redis_script og_script_keys_page = {.name = "keys_page", .text =
	OG_LUA_NOW
	"local from, limit = tonumber(ARGV[2]), tonumber(ARGV[3])\n"
	"local ids = redis.call('ZRANGE', p..'keys', from, from + limit - 1)\n"
	"local out = {#ids == limit and from + limit or -1}\n"
	"for _, id in ipairs(ids) do\n"
	"  local k = redis.call('HMGET', p..'key:'..id, " KEY_FIELDS ")\n"
	"  if k[1] and (ARGV[4] == '' or k[2] == ARGV[4]) and (ARGV[5] == 'all' or not k[9]) then\n"
	"    table.insert(k, 1, id)\n"
	"    out[#out + 1] = k\n"
	"  end\n"
	"end\n"
	"return out\n"};

struct og_redis_script og_script_tenant_set = {.name = "tenant_set", .text =
	OG_LUA_NOW SET_FIELDS
	"redis.call('ZADD', p..'tenants', 0, ARGV[2])\n"
	"set_fields(p..'account:'..ARGV[2], 3)\n"
	"return 1\n"};

struct og_redis_script og_script_tenant_remove = {.name = "tenant_remove", .text =
	OG_LUA_NOW
	"if not redis.call('ZSCORE', p..'tenants', ARGV[2]) then return 0 end\n"
	"if redis.call('SCARD', p..'keysof:'..ARGV[2]) > 0 then return -1 end\n"
	"redis.call('DEL', p..'account:'..ARGV[2], p..'meter:t:'..ARGV[2])\n"
	"redis.call('ZREM', p..'tenants', ARGV[2])\n"
	"return 1\n"};

struct og_redis_script og_script_tenants_page = {.name = "tenants_page", .text =
	OG_LUA_NOW OG_LUA_DAY
	"local day = day_of(now)\n"
	"local from, limit = tonumber(ARGV[3]), tonumber(ARGV[4])\n"
	"local names\n"
	"if ARGV[2] == '' then\n"
	"  names = redis.call('ZRANGE', p..'tenants', from, from + limit - 1)\n"
	"else\n"
	"  names = redis.call('ZSCORE', p..'tenants', ARGV[2]) and {ARGV[2]} or {}\n"
	"end\n"
	"local out = {ARGV[2] == '' and #names == limit and from + limit or -1}\n"
	"for _, name in ipairs(names) do\n"
	"  local row = redis.call('HMGET', p..'account:'..name, 'weight', " OG_LUA_LIMITS ")\n"
	"  table.insert(row, 1, name)\n"
	"  row[8] = redis.call('SCARD', p..'keysof:'..name)\n"
	"  local m = redis.call('HMGET', p..'meter:t:'..name, 'jobs', 'held', 'day', 'day_n', 'month', 'month_n', 'total')\n"
	"  row[9], row[10] = m[1], m[2]\n"
	"  row[11] = m[3] == day and m[4]\n"
	"  row[12] = m[5] == string.sub(day, 1, 7) and m[6]\n"
	"  row[13] = m[7]\n"
	"  out[#out + 1] = row\n"
	"end\n"
	"return out\n"};
