#include "store/scripts_records.h"

#include "store/scripts.h"

/* Lua in its own layout. */
/* clang-format off */

/* <kind>:<id> is the record; <kind>s: ids by when they go (+inf: never); <kind>s:<tenant>: ids by when they were made;
 * <kind>_size: "<bytes> <tenant>" by id; <kind>_bytes: their sum; <kind>_due: ids by when work is due; <kind>_owner: who holds it. */
#define DROP \
	"local function drop(k, id)\n" \
	"  local size, tenant = string.match(redis.call('HGET', k..'_size', id) or '', '^(%d+) (.*)$')\n" \
	"  redis.call('DEL', k..':'..id)\n" \
	"  redis.call('ZREM', k..'s', id)\n" \
	"  redis.call('ZREM', k..'_due', id)\n" \
	"  redis.call('HDEL', k..'_owner', id)\n" \
	"  redis.call('HDEL', k..'_size', id)\n" \
	"  if size then\n" \
	"    redis.call('ZREM', k..'s:'..tenant, id)\n" \
	"    redis.call('DECRBY', k..'_bytes', size)\n" \
	"  end\n" \
	"end\n"

/* What is listed by `owner`, of the kind `name`, at most `most`; what is left of them. */
#define CLEAR \
	"local function clear(name, owner, most)\n" \
	"  if most <= 0 then return 0 end\n" \
	"  local ids = redis.call('ZRANGE', p..name..'s:'..owner, 0, most - 1)\n" \
	"  for _, id in ipairs(ids) do drop(p..name, id) end\n" \
	"  return most - #ids\n" \
	"end\n" \
	"local function clear_parts(parts, id, most)\n" \
	"  for part in string.gmatch(parts, '%S+') do most = clear(part, id, most) end\n" \
	"  return most\n" \
	"end\n"

struct og_redis_script og_script_record_put = {.name = "record_put", .text =
	OG_LUA_NOW
	"local k, id, tenant, text = p..ARGV[2], ARGV[3], ARGV[4], ARGV[5]\n"
	"local keep, max, oldest_go, how, owner, due, held_by = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8], ARGV[9],\n"
	"  ARGV[10], tonumber(ARGV[11]), ARGV[12]\n"
	"if ARGV[14] ~= '' and redis.call('EXISTS', p..ARGV[14]..'s:'..tenant) == 0 then return 0 end\n"
	DROP
	"for _, gone in ipairs(redis.call('ZRANGEBYSCORE', k..'s', '-inf', now, 'LIMIT', 0, 100)) do drop(k, gone) end\n"
	"local old = redis.call('HGET', k..'_size', id)\n"
	"if how == 'fresh' and old or how == 'there' and not old then return 0 end\n"
	"if ARGV[18] ~= '' and redis.call('GET', k..':'..id) ~= ARGV[18] then return 0 end\n"
	"local from = ARGV[17] ~= '' and p..ARGV[17]\n"
	"if from and not redis.call('HGET', from..'_size', id) then return 0 end\n"
	"if owner ~= '' and redis.call('HGET', (from or k)..'_owner', id) ~= owner then return 0 end\n"
	"local most = tonumber(ARGV[16])\n"
	"if most > 0 and not old and redis.call('ZCARD', k..'s:'..tenant) >= most then\n"
	"  if oldest_go == '' then return -2 end\n"
	"  drop(k, redis.call('ZRANGE', k..'s:'..tenant, 0, 0)[1])\n"
	"end\n"
	"if ARGV[15] ~= '' and old then held_by = '' end\n"
	"local size = tonumber(ARGV[13])\n"
	"if size == 0 then size = #text end\n"
	"local more = size - tonumber(old and string.match(old, '^%d+') or 0)\n"
	"local bytes = tonumber(redis.call('GET', k..'_bytes') or 0) + more\n"
	"if bytes > max and not old and oldest_go == '' then return -1 end\n"
	"while bytes > max and oldest_go ~= '' do\n"
	"  local first = redis.call('ZRANGE', k..'s', 0, 0)[1]\n"
	"  if not first or first == id then break end\n"
	"  drop(k, first)\n"
	"  bytes = tonumber(redis.call('GET', k..'_bytes') or 0) + more\n"
	"end\n"
	"redis.call('SET', k..':'..id, text)\n"
	"redis.call('HSET', k..'_size', id, string.format('%.0f', size)..' '..tenant)\n"
	"redis.call('SET', k..'_bytes', string.format('%.0f', bytes))\n"
	"redis.call('ZADD', k..'s', keep > 0 and now + keep or '+inf', id)\n"
	"redis.call('ZADD', k..'s:'..tenant, 'NX', now, id)\n"
	"if due >= 0 then redis.call('ZADD', k..'_due', now + due, id) else redis.call('ZREM', k..'_due', id) end\n"
	"if held_by ~= '' then redis.call('HSET', k..'_owner', id, held_by)\n"
	"else redis.call('HDEL', k..'_owner', id) end\n"
	"if from then drop(from, id) end\n"
	"return 1\n"};

struct og_redis_script og_script_record_get = {.name = "record_get", .text =
	OG_LUA_NOW
	"local k, id = p..ARGV[2], ARGV[3]\n"
	"local size = redis.call('HGET', k..'_size', id)\n"
	"if not size or ARGV[4] ~= '' and string.match(size, '^%d+ (.*)$') ~= ARGV[4] then return false end\n"
	"if tonumber(redis.call('ZSCORE', k..'s', id)) <= now then return false end\n"
	"return redis.call('GET', k..':'..id)\n"};

struct og_redis_script og_script_record_remove = {.name = "record_remove", .text =
	OG_LUA_NOW
	"local k, id = p..ARGV[2], ARGV[3]\n"
	DROP CLEAR
	"local size = redis.call('HGET', k..'_size', id)\n"
	"if not size or ARGV[4] ~= '' and string.match(size, '^%d+ (.*)$') ~= ARGV[4] then return 0 end\n"
	"if ARGV[5] ~= '' and redis.call('HGET', k..'_owner', id) ~= ARGV[5] then return 0 end\n"
	"clear_parts(ARGV[6], id, 1e6)\n"
	"drop(k, id)\n"
	"return 1\n"};

struct og_redis_script og_script_tenant_clear = {.name = "tenant_clear", .text =
	OG_LUA_NOW
	"local kind, tenant, parts, most = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])\n"
	DROP CLEAR
	"if not redis.call('ZSCORE', p..'tenants', tenant) then return 0 end\n"
	"if redis.call('SCARD', p..'keysof:'..tenant) > 0 then return -1 end\n"
	"if parts ~= '' then\n"
	"  for _, id in ipairs(redis.call('ZRANGE', p..kind..'s:'..tenant, 0, -1)) do most = clear_parts(parts, id, most) end\n"
	"end\n"
	"return clear(kind, tenant, most) > 0 and 1 or 2\n"};

struct og_redis_script og_script_records_list = {.name = "records_list", .text =
	OG_LUA_NOW
	"local k, after, limit, oldest = p..ARGV[2], ARGV[4], tonumber(ARGV[5]), ARGV[6] ~= ''\n"
	DROP
	"for _, gone in ipairs(redis.call('ZRANGEBYSCORE', k..'s', '-inf', now, 'LIMIT', 0, 100)) do drop(k, gone) end\n"
	"local list, from = k..'s:'..ARGV[3], 0\n"
	"if after ~= '' then\n"
	"  from = redis.call(oldest and 'ZRANK' or 'ZREVRANK', list, after)\n"
	"  if not from then return {0} end\n"
	"  from = from + 1\n"
	"end\n"
	"local ids = redis.call(oldest and 'ZRANGE' or 'ZREVRANGE', list, from, from + limit)\n"
	"local out = {#ids > limit and 1 or 0}\n"
	"for i = 1, math.min(#ids, limit) do out[i + 1] = redis.call('GET', k..':'..ids[i]) or '' end\n"
	"return out\n"};

struct og_redis_script og_script_records_known = {.name = "records_known", .text =
	OG_LUA_NOW
	"local sizes = p..ARGV[2]..'_size'\n"
	"local out = {redis.call('HLEN', sizes)}\n"
	"for i = 3, #ARGV do out[i - 1] = redis.call('HEXISTS', sizes, ARGV[i]) end\n"
	"return out\n"};

struct og_redis_script og_script_records_claim = {.name = "records_claim", .text =
	OG_LUA_NOW
	"local k, owner, lease, limit = p..ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])\n"
	"local out = {0}\n"
	"for i, id in ipairs(redis.call('ZRANGEBYSCORE', k..'_due', '-inf', now, 'LIMIT', 0, limit)) do\n"
	"  redis.call('ZADD', k..'_due', now + lease, id)\n"
	"  redis.call('HSET', k..'_owner', id, owner)\n"
	"  out[i + 1] = redis.call('GET', k..':'..id) or ''\n"
	"end\n"
	"return out\n"};

struct og_redis_script og_script_record_hold = {.name = "record_hold", .text =
	OG_LUA_NOW
	"local k, id, owner, lease = p..ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])\n"
	"if redis.call('HGET', k..'_owner', id) ~= owner or not redis.call('ZSCORE', k..'_due', id) then return 0 end\n"
	"redis.call('ZADD', k..'_due', now + lease, id)\n"
	"return 1\n"};
