#include "shell/scripts.h"

/* Lua in its own layout. */
/* clang-format off */

#define FENCE \
	"local p = KEYS[1]\n" \
	"if tonumber(ARGV[1]) < tonumber(redis.call('GET', p..'epoch') or '0') then return -1 end\n"

#define TERMINAL \
	"local terminal = {done=1, failed=1, cancelled=1, expired=1, dead=1, busy=1, no_capacity=1}\n"

/* An id that was refused comes again: nothing of the refusal stays. */
#define FORGET \
	"  local size = redis.call('STRLEN', p..'result:'..ARGV[2]) + 1024\n" \
	"  if redis.call('ZREM', p..'results', ARGV[2]..':'..size) == 1 then\n" \
	"    redis.call('DECRBY', p..'results_bytes', size)\n" \
	"  end\n" \
	"  redis.call('ZREM', p..'gone', ARGV[2])\n" \
	"  redis.call('DEL', p..'job:'..ARGV[2], p..'result:'..ARGV[2])\n"

/* For people to look at; trimmed in whole nodes of the stream, which is nearly free. */
#define EVENT \
	"redis.call('XADD', p..'events', 'MAXLEN', '~', 10000, '*', 'id', ARGV[2], 'state', ARGV[3])\n"

/* A job's story, an event more: its oldest events go where there are too many. A job that goes straight to its end has
 * none: its times tell it (history.h). */
#define HISTORY \
	"local function append(story, event)\n" \
	"  story = story..'\\t'..event\n" \
	"  if #story < 1900 then return story end\n" \
	"  local _, ends = string.gsub(story, '\\t', '')\n" \
	"  for i = 64, ends do story = string.sub(story, string.find(story, '\\t', 1, true) + 1) end\n" \
	"  return story\n" \
	"end\n" \
	"local function event(at, what, attempt, node_name, worker, err, words)\n" \
	"  return cjson.encode({at_ms = tonumber(at), what = what, attempt = tonumber(attempt or nil),\n" \
	"    node_name = node_name or nil, worker = worker or nil, error = err or nil, words = words or nil})\n" \
	"end\n"

struct og_redis_script og_script_claim = {.name = "claim", .text =
	"local p = KEYS[1]\n"
	"local seen = tonumber(redis.call('GET', p..'epoch') or '0')\n"
	"local mine = tonumber(ARGV[1])\n"
	"if mine < seen or (mine == seen and ARGV[2] == 'new') then mine = seen + 1 end\n"
	"redis.call('SET', p..'epoch', string.format('%.0f', mine))\n"
	"redis.call('SETNX', p..'lease', ARGV[3])\n"
	"local open = redis.call('ZCARD', p..'open')\n"
	"return {mine, redis.call('GET', p..'lease') == ARGV[3] and 1 or 0, open}\n"};

struct og_redis_script og_script_accept = {.name = "accept", .text =
	FENCE TERMINAL
	"local job, result = p..'job:'..ARGV[2], p..'result:'..ARGV[2]\n"
	"local was = redis.call('HMGET', job, 'state', 'tenant', 'hash', 'refused', 'error')\n"
	"local state = was[1]\n"
	"if state and was[4] then\n" FORGET "  state = false\n" "end\n"
	"if state and (was[2] ~= ARGV[5] or (was[3] and was[3] ~= ARGV[6])) then return {'conflict'} end\n"
	"if state and terminal[state] then return {'ended', state, was[5] or '', redis.call('GET', result)} end\n"
	"if state and state ~= 'accepted' then return {'live'} end\n"
	"redis.call('HSET', job, 'state', 'accepted', 'asked_ms', ARGV[3], 'tenant', ARGV[5], 'hash', ARGV[6],\n"
	"  unpack(ARGV, 7))\n"
	"redis.call('EXPIRE', job, ARGV[4])\n"
	"return {'new'}\n"};

struct og_redis_script og_script_record = {.name = "record", .text =
	FENCE TERMINAL HISTORY
	"local id, job = ARGV[2], p..'job:'..ARGV[2]\n"
	"local seen = redis.call('HMGET', job, 'state', 'refused', 'accepted_ms', 'history')\n"
	"local was, story = seen[1], seen[4]\n"
	"if was and seen[2] and tonumber(seen[3] or '0') < tonumber(ARGV[4]) then\n" FORGET
	"  was, story = false, false\n"
	"end\n"
	"if was and terminal[was] then return 0 end\n"
	"local new = not was or was == 'accepted'\n"
	"if ARGV[6] == 'again' and not new then return 0 end\n"
	"redis.call('HSET', job, 'state', ARGV[3], unpack(ARGV, 7))\n"
	"if story then\n"
	"  local now = redis.call('HMGET', job, ARGV[3]..'_ms', 'attempt')\n"
	"  redis.call('HSET', job, 'history', append(story, event(now[1], ARGV[3], now[2])))\n"
	"end\n"
	"if new then\n"
	"  local recent = p..'tenant:'..ARGV[5]\n"
	"  redis.call('PERSIST', job)\n"
	"  redis.call('ZADD', p..'open', ARGV[4], id)\n"
	"  redis.call('ZADD', recent, ARGV[4], id)\n"
	"  redis.call('ZREMRANGEBYRANK', recent, 0, -1001)\n"
	"  redis.call('EXPIRE', recent, 2592000)\n"
	"  redis.call('ZADD', p..'recent', ARGV[4], id)\n"
	"  redis.call('ZREMRANGEBYRANK', p..'recent', 0, -5001)\n"
	"  redis.call('HINCRBY', p..'counters', 'accepted', 1)\n"
	"end\n"
	EVENT
	"return 1\n"};

/* The budget. `results` names each id with its size (the body, and 1 KiB for its record and what else is kept of it),
 * so that what expired by itself can be taken off the sum too. Of a result that had to go the record stays for a
 * while, to say so: `gone`, bounded. */
struct og_redis_script og_script_finish = {.name = "finish", .text =
	FENCE TERMINAL HISTORY
	"local id, job, now, ttl, body = ARGV[2], p..'job:'..ARGV[2], ARGV[4], ARGV[5], ARGV[8]\n"
	"local seen = redis.call('HMGET', job, 'state', 'asked_ms', 'accepted_ms', 'history')\n"
	"local was, story, own = seen[1], seen[4], ARGV[7] == 'own'\n"
	"if was and terminal[was] then\n"
	"  redis.call('HINCRBY', p..'counters', 'duplicates', 1)\n"
	"  return 0\n"
	"end\n"
	/* Our own word is about one submit of the id: not about another's job, nor about a later submit of a refused
	 * one. One that was asked for within the stamps' 2 ms may be either: taken for ours, a later one's record
	 * forgets it; taken for a later one's, nobody would ever end it. */
	"if own and was then\n"
	"  local since = seen[was == 'accepted' and 2 or 3]\n"
	"  local about = tonumber(since or '0') - tonumber(ARGV[9])\n"
	"  if about > (was == 'accepted' and 2 or 0) or (was ~= 'accepted' and about < 0) then return 0 end\n"
	"end\n"
	"redis.call('HSET', job, 'state', ARGV[3], 'ended_ms', now, unpack(ARGV, 11))\n"
	"if story then\n"
	"  local run = redis.call('HMGET', job, 'started_ms', 'attempt', 'node_name', 'worker', 'error')\n"
	"  local ok, said = pcall(cjson.decode, run[5] and #body < 4096 and body or '{}')\n"
	"  local words = ok and type(said) == 'table' and type(said.error) == 'table' and said.error.message\n"
	"  words = type(words) == 'string' and words\n"
	"  if words and #words > 400 then words = string.gsub(string.sub(words, 1, 400), '[\\128-\\255]*$', '') end\n"
	"  if not own and run[1] then story = append(story, event(run[1], 'started', run[2], run[3], run[4])) end\n"
	"  story = append(story, event(now, ARGV[3], run[2], run[3], run[4], run[5], words))\n"
	"  redis.call('HSET', job, 'history', story)\n"
	"end\n"
	"if ARGV[10] ~= '' then redis.call('HSETNX', job, 'tenant', ARGV[10]) end\n"
	"if own and (not was or was == 'accepted') then redis.call('HSET', job, 'refused', 1) end\n"
	"redis.call('EXPIRE', job, ttl)\n"
	"redis.call('ZREM', p..'open', id)\n"
	"redis.call('SET', p..'result:'..id, body, 'EX', ttl)\n"
	"local size = #body + 1024\n"
	"redis.call('ZADD', p..'results', now, id..':'..size)\n"
	"local total = redis.call('INCRBY', p..'results_bytes', size)\n"
	"for i = 1, 16 do\n"
	"  local oldest = redis.call('ZRANGE', p..'results', 0, 0, 'WITHSCORES')\n"
	"  local expired = oldest[1] and tonumber(oldest[2]) + tonumber(ttl) * 1000 < tonumber(now)\n"
	"  if not oldest[1] or not (expired or total > tonumber(ARGV[6])) then break end\n"
	"  local first = string.sub(oldest[1], 1, 36)\n"
	"  redis.call('ZREM', p..'results', oldest[1])\n"
	"  redis.call('DEL', p..'result:'..first)\n"
	"  redis.call('ZADD', p..'gone', oldest[2], first)\n"
	"  total = redis.call('DECRBY', p..'results_bytes', string.sub(oldest[1], 38))\n"
	"end\n"
	"for i = 1, redis.call('ZCARD', p..'gone') - 50000 do\n"
	"  redis.call('DEL', p..'job:'..redis.call('ZPOPMIN', p..'gone')[1])\n"
	"end\n"
	"redis.call('HINCRBY', p..'counters', ARGV[3], 1)\n"
	EVENT
	"return 1\n"};

struct og_redis_script og_script_revive = {.name = "revive", .text =
	FENCE TERMINAL HISTORY
	"local id, job = ARGV[2], p..'job:'..ARGV[2]\n"
	"local seen = redis.call('HMGET', job, 'state', 'history', 'tenant')\n"
	"if not seen[1] or not terminal[seen[1]] or (seen[3] and seen[3] ~= ARGV[5]) then return 0 end\n"
	"local size = redis.call('STRLEN', p..'result:'..id) + 1024\n"
	"if redis.call('ZREM', p..'results', id..':'..size) == 1 then\n"
	"  redis.call('DECRBY', p..'results_bytes', size)\n"
	"end\n"
	"redis.call('ZREM', p..'gone', id)\n"
	"redis.call('DEL', p..'result:'..id)\n"
	"redis.call('HDEL', job, 'ended_ms', 'error', 'refused', 'run', 'worker', 'node', 'node_name', 'started_ms',\n"
	"  'queue_ms', 'first_token_ms', 'run_ms', 'prompt_tokens', 'completion_tokens')\n"
	"redis.call('HSET', job, 'state', 'queued', 'accepted_ms', ARGV[3], 'history', append(seen[2], ARGV[4]))\n"
	"redis.call('PERSIST', job)\n"
	"redis.call('ZADD', p..'open', ARGV[3], id)\n"
	"return 1\n"};

struct og_redis_script og_script_history = {.name = "history", .text =
	FENCE HISTORY
	"local job = p..'job:'..ARGV[2]\n"
	"local seen = redis.call('HMGET', job, 'state', 'history', 'accepted_ms', 'queued_ms', 'placed_ms', 'attempt')\n"
	"if not seen[1] then return 0 end\n"
	"local story = seen[2]\n"
	"if not story then\n"
	"  story = event(seen[3] or 0, 'accepted')\n"
	"  if seen[4] then story = append(story, event(seen[4], 'queued', seen[6])) end\n"
	"  if seen[5] then story = append(story, event(seen[5], 'placed', seen[6])) end\n"
	"end\n"
	"redis.call('HSET', job, 'history', append(story, ARGV[3]))\n"
	"return 1\n"};

struct og_redis_script og_script_page = {.name = "page", .text =
	"local p, out = KEYS[1], {}\n"
	"local ids = redis.call('ZRANGEBYSCORE', p..'open', ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])\n"
	"for i = 1, #ids, 2 do\n"
	"  local job = redis.call('HMGET', p..'job:'..ids[i], " OG_RECORD_FIELDS ")\n"
	"  if not job[1] then redis.call('ZREM', p..'open', ids[i]) end\n"
	"  table.insert(out, {ids[i], ids[i + 1], unpack(job)})\n"
	"end\n"
	"return out\n"};

struct og_redis_script og_script_jobs = {.name = "jobs", .text =
	"local p, out = KEYS[1], {}\n"
	"local from = ARGV[1] == '' and p..'recent' or p..'tenant:'..ARGV[1]\n"
	"local function fits(is, wanted) return wanted == '' or is == wanted end\n"
	"for at = 0, 4900, 100 do\n"
	"  local ids = redis.call('ZREVRANGEBYSCORE', from, ARGV[7], ARGV[6], 'LIMIT', at, 100)\n"
	"  for _, id in ipairs(ids) do\n"
	"    local job = redis.call('HMGET', p..'job:'..id, " OG_RECORD_FIELDS ")\n"
	"    local is_behind = ARGV[8] == '' or job[7] ~= ARGV[7] or id < ARGV[8]\n"
	"    if is_behind and job[1] and fits(job[1], ARGV[3]) and fits(job[2], ARGV[4]) and fits(job[3], ARGV[5]) then\n"
	"      table.insert(out, {id, unpack(job)})\n"
	"      if #out == tonumber(ARGV[2]) then return out end\n"
	"    end\n"
	"  end\n"
	"  if #ids < 100 then break end\n"
	"end\n"
	"return out\n"};

struct og_redis_script og_script_order = {.name = "order", .text =
	FENCE
	"if ARGV[3] == '' then return redis.call('HDEL', p..'orders', ARGV[2]) end\n"
	"return redis.call('HSET', p..'orders', ARGV[2], ARGV[3])\n"};
