/* The ledger's scripts.
 *
 *   booked:<job>   hash: state (open, settled, refunded), key, tenant, tokens, at, m:<mark> (a reserve that nobody has given back), holders
 *                  (how many there are), again (it was open when it was reserved another time); while open without end, then for an hour
 *   counted:<job>  of one that was never reserved: it was counted; "left <prompt> <completion>": as what its client had taken when it
 *                  left, and where another request has the same job, that one pays the rest; for five minutes
 *   leases         zset of the open ones, by the ms at which their lease ends
 *   meter:k:<key>, meter:t:<tenant>   hash: r, t (what is left of the minute: requests, tokens; absent: all), at (when that was so), jobs
 *                  and held (open reservations and their tokens), day, day_n, month, month_n, total (tokens used)
 *   usage:<day>    hash: "<tenant>\t<key>\t<model>\t" and r, p or c: requests, prompt and completion tokens
 *   ledger         stream: what was done, in its order
 *
 * A minute's limit is a bucket: it holds a minute's worth, and fills evenly. A request that asks for more tokens than it holds goes
 * when it is full, and leaves it in debt; what it did not use comes back when it settles. */
#include "store/scripts.h"

/* Lua in its own layout. */
/* clang-format off */

#define CLOSED_S   "3600"
#define COUNTED_S  "300"
#define USAGE_S    "34560000" /* 400 days */
#define LEDGER_MAX "100000"

#define LOG \
	"local function log(what, job, key, tenant, tokens)\n" \
	"  redis.call('XADD', p..'ledger', 'MAXLEN', '~', " LEDGER_MAX ", '*', 'what', what, 'job', job, 'key', key,\n" \
	"    'tenant', tenant, 'tokens', tokens)\n" \
	"end\n"

/* A key's or a tenant's limits and what is left of them. */
#define METER \
	"local function whole(x) return string.format('%.0f', x) end\n" \
	"local function filled(left, limit, at)\n" \
	"  if limit == 0 then return false end\n" \
	"  left = tonumber(left or nil) or limit\n" \
	"  return math.min(limit, left + math.max(0, now - at) * limit / 60000)\n" \
	"end\n" \
	"local function meter(kind, id)\n" \
	"  local l = redis.call('HMGET', p..(kind == 'k' and 'key:' or 'account:')..id, " OG_LUA_LIMITS ")\n" \
	"  local key = p..'meter:'..kind..':'..id\n" \
	"  local m = redis.call('HMGET', key, 'r', 't', 'at', 'jobs', 'held', 'day', 'day_n', 'month', 'month_n', 'total')\n" \
	"  local at = tonumber(m[3] or nil) or now\n" \
	"  local day = day_of(now)\n" \
	"  local x = {key = key, rpm = tonumber(l[1] or '0'), tpm = tonumber(l[2] or '0'), most = tonumber(l[3] or '0'),\n" \
	"    budget = tonumber(l[4] or '0'), per = l[5] or 'total', at = math.max(at, now),\n" \
	"    jobs = tonumber(m[4] or '0'), held = tonumber(m[5] or '0'), day = day, month = string.sub(day, 1, 7),\n" \
	"    total = tonumber(m[10] or '0')}\n" \
	"  x.r, x.t = filled(m[1], x.rpm, at), filled(m[2], x.tpm, at)\n" \
	"  x.day_n = m[6] == x.day and tonumber(m[7]) or 0\n" \
	"  x.month_n = m[8] == x.month and tonumber(m[9]) or 0\n" \
	"  return x\n" \
	"end\n" \
	"local function save(x)\n" \
	"  redis.call('HSET', x.key, 'r', x.r and string.format('%.6f', x.r) or '', 't', x.t and string.format('%.6f', x.t) or '',\n" \
	"    'at', whole(x.at), 'jobs', x.jobs, 'held', whole(x.held), 'day', x.day, 'day_n', whole(x.day_n),\n" \
	"    'month', x.month, 'month_n', whole(x.month_n), 'total', whole(x.total))\n" \
	"end\n" \
	"local function free(x, tokens)\n" \
	"  x.jobs, x.held = math.max(0, x.jobs - 1), math.max(0, x.held - tokens)\n" \
	"end\n" \
	"local function use(x, tokens)\n" \
	"  x.day_n, x.month_n, x.total = x.day_n + tokens, x.month_n + tokens, x.total + tokens\n" \
	"end\n" \
	"local function hold(job, mark)\n" \
	"  if redis.call('HSETNX', p..'booked:'..job, 'm:'..mark, 1) == 1 then redis.call('HINCRBY', p..'booked:'..job, 'holders', 1) end\n" \
	"end\n" \
	"local function let_go(job, mark)\n" \
	"  if redis.call('HDEL', p..'booked:'..job, 'm:'..mark) == 0 then return false end\n" \
	"  return redis.call('HINCRBY', p..'booked:'..job, 'holders', -1) == 0\n" \
	"end\n" \
	"local function closed(job, state)\n" \
	"  redis.call('HSET', p..'booked:'..job, 'state', state)\n" \
	"  redis.call('EXPIRE', p..'booked:'..job, " CLOSED_S ")\n" \
	"  redis.call('ZREM', p..'leases', job)\n" \
	"end\n"

/* {limit, figure, retry after s} where x does not let it go; nil where it does. */
#define REFUSED \
	"local function refused(x, tokens)\n" \
	"  if x.rpm > 0 and x.r < 1 then\n" \
	"    return {1, x.rpm, math.ceil((1 - x.r) * 60 / x.rpm)}\n" \
	"  end\n" \
	"  local need = math.min(tokens, x.tpm)\n" \
	"  if x.tpm > 0 and x.t < need then\n" \
	"    return {2, x.tpm, math.ceil((need - x.t) * 60 / x.tpm)}\n" \
	"  end\n" \
	"  if x.most > 0 and x.jobs >= x.most then return {3, x.most, 1} end\n" \
	"  local used = x.per == 'day' and x.day_n or x.per == 'month' and x.month_n or x.total\n" \
	"  if x.budget > 0 and used + x.held + tokens > x.budget then\n" \
	"    if used + tokens <= x.budget then return {4, x.budget, 5} end\n" \
	"    if x.per == 'total' then return {4, x.budget, 0} end\n" \
	"    local ends = (math.floor(now / 86400000) + 1) * 86400000\n" \
	"    while x.per == 'month' and string.sub(day_of(ends), 1, 7) == x.month do ends = ends + 86400000 end\n" \
	"    return {4, x.budget, math.ceil((ends - now) / 1000)}\n" \
	"  end\n" \
	"end\n"

struct og_redis_script og_script_reserve = {.name = "reserve", .text =
	OG_LUA_NOW OG_LUA_DAY LOG METER REFUSED
	"local job, key, tenant, tokens = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])\n"
	"local booked = p..'booked:'..job\n"
	"if redis.call('HGET', booked, 'state') == 'open' then\n"
	"  redis.call('HSET', booked, 'again', 1)\n"
	"  hold(job, ARGV[6])\n"
	"  redis.call('ZADD', p..'leases', now + ARGV[7], job)\n"
	"  return {0, 0, 0, 0}\n"
	"end\n"
	"local k = redis.call('HMGET', p..'key:'..key, 'hash', 'revoked_ms')\n"
	"if not k[1] or k[2] then return {-1, 0, 0, 0} end\n"
	"local meters = {meter('k', key), meter('t', tenant)}\n"
	"for i, x in ipairs(meters) do\n"
	"  local no = refused(x, tokens)\n"
	"  if no then return {no[1], i - 1, no[2], no[1] == 4 and no[3] or math.max(1, no[3])} end\n"
	"end\n"
	"for _, x in ipairs(meters) do\n"
	"  x.r, x.t = x.r and x.r - 1, x.t and x.t - tokens\n"
	"  x.jobs, x.held = x.jobs + 1, x.held + tokens\n"
	"  save(x)\n"
	"end\n"
	"redis.call('DEL', booked)\n"
	"redis.call('HSET', booked, 'state', 'open', 'key', key, 'tenant', tenant, 'tokens', ARGV[5], 'at', whole(now))\n"
	"hold(job, ARGV[6])\n"
	"redis.call('ZADD', p..'leases', now + ARGV[7], job)\n"
	"log('reserve', job, key, tenant, ARGV[5])\n"
	"return {0, 0, 0, 0}\n"};

/* What several in one call have in common is read and written once: meters, rows of usage. One that Redis cannot execute does not take the
 * others with it: what it wrote of meters and usage comes last, in memory. Before Redis 7 its error is a text that begins with where in the
 * script it was. */
struct og_redis_script og_script_close = {.name = "close", .text =
	OG_LUA_NOW OG_LUA_DAY LOG METER
	"local meters, rows, today = {}, {}, day_of(now)\n"
	"local function meters_of(key, tenant)\n"
	"  local k, t = 'k'..key, 't'..tenant\n"
	"  meters[k], meters[t] = meters[k] or meter('k', key), meters[t] or meter('t', tenant)\n"
	"  return {meters[k], meters[t]}\n"
	"end\n"
	"local function count(row, n) rows[row] = (rows[row] or 0) + n end\n"
	"local function give_back(job, b)\n"
	"  local tokens, both = tonumber(b[4]), meters_of(b[2], b[3])\n"
	"  closed(job, 'refunded')\n"
	"  log('refund', job, b[2], b[3], b[4])\n"
	"  for _, x in ipairs(both) do\n"
	"    free(x, tokens)\n"
	"    x.r = x.r and math.min(x.rpm, x.r + 1)\n"
	"    x.t = x.t and math.min(x.tpm, x.t + tokens)\n"
	"  end\n"
	"end\n"
	"local function refund(job, mark)\n"
	"  local b = redis.call('HMGET', p..'booked:'..job, 'state', 'key', 'tenant', 'tokens')\n"
	"  if b[1] ~= 'open' or (mark ~= '' and not let_go(job, mark)) then return 0 end\n"
	"  give_back(job, b)\n"
	"  return 1\n"
	"end\n"
	"local function settle(job, mark, key, tenant, model, prompt, completion, how, reserved)\n"
	"  local left, rest = how == 'left', false\n"
	"  local b = redis.call('HMGET', p..'booked:'..job, 'state', 'key', 'tenant', 'tokens', 'again')\n"
	"  if b[1] == 'settled' then return 0 end\n"
	"  if b[1] == 'open' and mark ~= '' and not let_go(job, mark) then return 0 end\n"
	"  if b[1] == 'open' then\n"
	"    key, tenant = b[2], b[3]\n"
	"    if how == 'replayed' and not b[5] then\n"
	"      give_back(job, b)\n"
	"      return 2\n"
	"    end\n"
	"  elseif how == 'replayed' and b[1] then\n"
	"    return 0\n"
	"  elseif not b[1] then\n"
	"    local counted = p..'counted:'..job\n"
	"    local before, said = redis.call('GET', counted), left and 'left '..whole(prompt)..' '..whole(completion) or '1'\n"
	"    local p0, c0 = string.match(before or '', '^left (%d+) (%d+)$')\n"
	"    rest = p0 and not left\n"
	"    if reserved ~= '' or not rest and (before or how == 'replayed') then return 0 end\n"
	"    if rest then prompt, completion = math.max(0, prompt - p0), math.max(0, completion - c0) end\n"
	"    redis.call('SET', counted, said, 'EX', " COUNTED_S ")\n"
	"  end\n"
	"  local used, both = prompt + completion, meters_of(key, tenant)\n"
	"  if b[1] then closed(job, 'settled') end\n"
	"  log('settle', job, key, tenant, whole(used))\n"
	"  for _, x in ipairs(both) do\n"
	"    local reserved = b[1] == 'open' and tonumber(b[4]) or 0\n"
	"    if b[1] == 'open' then free(x, reserved) end\n"
	"    x.t = x.t and math.min(x.tpm, x.t + reserved - used)\n"
	"    use(x, used)\n"
	"  end\n"
	"  local row = tenant..'\\t'..key..'\\t'..model..'\\t'\n"
	"  count(row..'r', rest and 0 or 1)\n"
	"  count(row..'p', prompt)\n"
	"  count(row..'c', completion)\n"
	"  return 1\n"
	"end\n"
	"local answers = {}\n"
	"for i = 2, #ARGV, 9 do\n"
	"  local job, mark, key, tenant, model, prompt, completion, how, reserved = unpack(ARGV, i, i + 8)\n"
	"  local _, answer\n"
	"  if how == 'refund' then _, answer = pcall(refund, job, mark)\n"
	"  else\n"
	"    _, answer = pcall(settle, job, mark, key, tenant, model, tonumber(prompt), tonumber(completion), how, reserved)\n"
	"  end\n"
	"  if type(answer) == 'string' then answer = {err = string.match(answer, '%u+ .*') or 'ERR '..answer} end\n"
	"  answers[#answers + 1] = answer\n"
	"end\n"
	"for _, x in pairs(meters) do save(x) end\n"
	"local usage = p..'usage:'..today\n"
	"for row, n in pairs(rows) do redis.call('HINCRBY', usage, row, whole(n)) end\n"
	"if next(rows) and redis.call('TTL', usage) < 0 then redis.call('EXPIRE', usage, " USAGE_S ") end\n"
	"return answers\n"};

struct og_redis_script og_script_renew = {.name = "renew", .text =
	OG_LUA_NOW
	"local n = 0\n"
	"for i = 3, #ARGV do\n"
	"  if redis.call('ZSCORE', p..'leases', ARGV[i]) then\n"
	"    redis.call('ZADD', p..'leases', now + ARGV[2], ARGV[i])\n"
	"    n = n + 1\n"
	"  end\n"
	"end\n"
	"return n\n"};

struct og_redis_script og_script_orphans = {.name = "orphans", .text =
	OG_LUA_NOW
	"local out = {}\n"
	"for _, job in ipairs(redis.call('ZRANGEBYSCORE', p..'leases', '-inf', now, 'LIMIT', 0, ARGV[3])) do\n"
	"  local b = redis.call('HMGET', p..'booked:'..job, 'key', 'tenant', 'tokens', 'at')\n"
	"  if b[1] then\n"
	"    redis.call('ZADD', p..'leases', now + ARGV[2], job)\n"
	"    out[#out + 1] = {job, b[1], b[2], b[3], b[4]}\n"
	"  else\n"
	"    redis.call('ZREM', p..'leases', job)\n"
	"  end\n"
	"end\n"
	"return out\n"};
