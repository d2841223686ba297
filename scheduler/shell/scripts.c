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
	"local function forget(id)\n" \
	"  local size = redis.call('STRLEN', p..'result:'..id) + 1024\n" \
	"  if redis.call('ZREM', p..'results', id..':'..size) == 1 then\n" \
	"    redis.call('DECRBY', p..'results_bytes', size)\n" \
	"  end\n" \
	"  redis.call('ZREM', p..'gone', id)\n" \
	"  redis.call('DEL', p..'job:'..id, p..'result:'..id)\n" \
	"end\n"

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
	FENCE TERMINAL FORGET
	"local job, result = p..'job:'..ARGV[2], p..'result:'..ARGV[2]\n"
	"local was = redis.call('HMGET', job, 'state', 'tenant', 'hash', 'refused', 'error')\n"
	"local state = was[1]\n"
	"if state and was[4] then\n"
	"  forget(ARGV[2])\n"
	"  state = false\n"
	"end\n"
	"if state and (was[2] ~= ARGV[5] or (was[3] and was[3] ~= ARGV[6])) then return {'conflict'} end\n"
	"if state and terminal[state] then return {'ended', state, was[5] or '', redis.call('GET', result)} end\n"
	"if state and state ~= 'accepted' then return {'live'} end\n"
	"redis.call('HSET', job, 'state', 'accepted', 'asked_ms', ARGV[3], 'tenant', ARGV[5], 'hash', ARGV[6],\n"
	"  unpack(ARGV, 7))\n"
	"redis.call('EXPIRE', job, ARGV[4])\n"
	"return {'new'}\n"};

/* What moves of several jobs have in common is noted, and written once for all of them (settle): a command in Lua costs a
 * microsecond, whatever it does. What is a job's own is written at once, so two moves of one job see each other. */
#define NOTES \
	"local call, ttl, budget, at = redis.call, ARGV[2], tonumber(ARGV[3]), 4\n" \
	"local open, recent, tenants, counts, results, events, bytes, now = {}, {}, {}, {}, {}, {}, 0, 0\n" \
	"local function note(list, first, second)\n" \
	"  list[#list + 1] = first\n" \
	"  list[#list + 1] = second\n" \
	"end\n" \
	"local function count(what) counts[what] = (counts[what] or 0) + 1 end\n"

/* The budget. `results` names each id with its size (the body, and 1 KiB for its record and what else is kept of it),
 * so that what expired by itself can be taken off the sum too. Of a result that had to go the record stays for a
 * while, to say so: `gone`, bounded. */
#define SPEND \
	"local function spend(finished)\n" \
	"  local total = call('INCRBY', p..'results_bytes', bytes)\n" \
	"  local function must_go(time) return time and (total > budget or time + ttl * 1000 < now) end\n" \
	"  if not must_go(call('ZRANGE', p..'results', '0', '0', 'WITHSCORES')[2]) then return end\n" \
	"  local oldest = call('ZRANGE', p..'results', '0', 16 * finished - 1, 'WITHSCORES')\n" \
	"  local names, bodies, gone, freed = {}, {}, {}, total\n" \
	"  for i = 1, #oldest, 2 do\n" \
	"    if not must_go(oldest[i + 1]) then break end\n" \
	"    local id = string.sub(oldest[i], 1, 36)\n" \
	"    names[#names + 1] = oldest[i]\n" \
	"    bodies[#bodies + 1] = p..'result:'..id\n" \
	"    note(gone, oldest[i + 1], id)\n" \
	"    total = total - string.sub(oldest[i], 38)\n" \
	"  end\n" \
	"  call('ZREM', p..'results', unpack(names))\n" \
	"  call('DEL', unpack(bodies))\n" \
	"  call('ZADD', p..'gone', unpack(gone))\n" \
	"  call('DECRBY', p..'results_bytes', freed - total)\n" \
	"  for i = 1, call('ZCARD', p..'gone') - 50000 do\n" \
	"    call('DEL', p..'job:'..call('ZPOPMIN', p..'gone')[1])\n" \
	"  end\n" \
	"end\n"

/* `events` is for people to look at; trimmed in whole nodes of the stream, which is nearly free. */
#define SETTLE \
	"local function settle()\n" \
	"  local came, went = {}, {}\n" \
	"  for id, since in pairs(open) do\n" \
	"    if since then note(came, since, id) else went[#went + 1] = id end\n" \
	"  end\n" \
	"  if came[1] then call('ZADD', p..'open', unpack(came)) end\n" \
	"  if went[1] then call('ZREM', p..'open', unpack(went)) end\n" \
	"  if recent[1] then\n" \
	"    call('ZADD', p..'recent', unpack(recent))\n" \
	"    call('ZREMRANGEBYRANK', p..'recent', '0', '-5001')\n" \
	"  end\n" \
	"  for tenant, ids in pairs(tenants) do\n" \
	"    call('ZADD', p..'tenant:'..tenant, unpack(ids))\n" \
	"    call('ZREMRANGEBYRANK', p..'tenant:'..tenant, '0', '-1001')\n" \
	"    call('EXPIRE', p..'tenant:'..tenant, '2592000')\n" \
	"  end\n" \
	"  for what, n in pairs(counts) do call('HINCRBY', p..'counters', what, n) end\n" \
	"  if results[1] then\n" \
	"    call('ZADD', p..'results', unpack(results))\n" \
	"    spend(#results / 2)\n" \
	"  end\n" \
	"  if events[1] then call('XADD', p..'events', 'MAXLEN', '~', '1000', '*', unpack(events)) end\n" \
	"  open, recent, tenants, counts, results, events, bytes = {}, {}, {}, {}, {}, {}, 0\n" \
	"end\n"

#define RECORD \
	"local moves = {}\n" \
	"function moves.record(from, to)\n" \
	"  local id, state, since, tenant, again = unpack(ARGV, from, from + 4)\n" \
	"  local job = p..'job:'..id\n" \
	"  local seen = call('HMGET', job, 'state', 'refused', 'accepted_ms', 'history')\n" \
	"  local was, story = seen[1], seen[4]\n" \
	"  if was and seen[2] and tonumber(seen[3] or '0') < tonumber(since) then\n" \
	"    settle()\n" \
	"    forget(id)\n" \
	"    was, story = false, false\n" \
	"  end\n" \
	"  if was and terminal[was] then return 0 end\n" \
	"  local new = not was or was == 'accepted'\n" \
	"  if again == 'again' and not new then return 0 end\n" \
	"  call('HSET', job, 'state', state, unpack(ARGV, from + 5, to))\n" \
	"  if story then\n" \
	"    local run = call('HMGET', job, state..'_ms', 'attempt')\n" \
	"    call('HSET', job, 'history', append(story, event(run[1], state, run[2])))\n" \
	"  end\n" \
	"  if new then\n" \
	"    if was then call('PERSIST', job) end\n" \
	"    tenants[tenant] = tenants[tenant] or {}\n" \
	"    open[id] = since\n" \
	"    note(recent, since, id)\n" \
	"    note(tenants[tenant], since, id)\n" \
	"    count('accepted')\n" \
	"  end\n" \
	"  note(events, id, state)\n" \
	"  return 1\n" \
	"end\n"

/* Our own word is about one submit of the id: not about another's job, nor about a later submit of a refused one. One
 * that was asked for within the stamps' 2 ms may be either: taken for ours, a later one's record forgets it; taken for a
 * later one's, nobody would ever end it. */
#define FINISH \
	"function moves.finish(from, to)\n" \
	"  local id, state, ended, whose, body, since, tenant, tier, class, submitter = unpack(ARGV, from, from + 9)\n" \
	"  local job, own = p..'job:'..id, whose == 'own'\n" \
	"  local seen = call('HMGET', job, 'state', 'history', 'tenant')\n" \
	"  local was, story = seen[1], seen[2]\n" \
	"  local new = not was or was == 'accepted'\n" \
	"  if was and terminal[was] then\n" \
	"    count('duplicates')\n" \
	"    return 0\n" \
	"  end\n" \
	"  if own and was then\n" \
	"    local about = tonumber(call('HGET', job, new and 'asked_ms' or 'accepted_ms') or '0') - tonumber(since)\n" \
	"    if about > (new and 2 or 0) or (not new and about < 0) then return 0 end\n" \
	"  end\n" \
	"  call('HSET', job, 'state', state, 'ended_ms', ended, unpack(ARGV, from + 10, to))\n" \
	"  if story then\n" \
	"    local run = call('HMGET', job, 'started_ms', 'attempt', 'node_name', 'worker', 'error')\n" \
	"    local ok, said = pcall(cjson.decode, run[5] and #body < 4096 and body or '{}')\n" \
	"    local words = ok and type(said) == 'table' and type(said.error) == 'table' and said.error.message\n" \
	"    words = type(words) == 'string' and words\n" \
	"    if words and #words > 400 then words = string.gsub(string.sub(words, 1, 400), '[\\128-\\255]*$', '') end\n" \
	"    if not own and run[1] then story = append(story, event(run[1], 'started', run[2], run[3], run[4])) end\n" \
	"    story = append(story, event(ended, state, run[2], run[3], run[4], run[5], words))\n" \
	"    call('HSET', job, 'history', story)\n" \
	"  end\n" \
	"  if tenant ~= '' and not seen[3] then call('HSET', job, 'tenant', tenant) end\n" \
	"  if new then\n" \
	"    local facts = {tier = tier, class = class, submitter = submitter}\n" \
	"    facts.accepted_ms = since ~= '0' and since or ''\n" \
	"    facts.refused = own and '1' or ''\n" \
	"    for field, value in pairs(facts) do\n" \
	"      if value ~= '' then call('HSET', job, field, value) end\n" \
	"    end\n" \
	"  end\n" \
	"  call('EXPIRE', job, ttl)\n" \
	"  call('SET', p..'result:'..id, body, 'EX', ttl)\n" \
	"  open[id] = false\n" \
	"  local size = #body + 1024\n" \
	"  note(results, ended, id..':'..size)\n" \
	"  bytes, now = bytes + size, math.max(now, tonumber(ended))\n" \
	"  count(state)\n" \
	"  note(events, id, state)\n" \
	"  return 1\n" \
	"end\n"

/* A move that Redis cannot execute does not take the others with it. Before Redis 7 its error is a text that begins with
 * where in the script it was. */
struct og_redis_script og_script_move = {.name = "move", .text =
	FENCE TERMINAL HISTORY FORGET NOTES SPEND SETTLE RECORD FINISH
	"local answers = {}\n"
	"while at < #ARGV do\n"
	"  local to = at + tonumber(ARGV[at])\n"
	"  local _, answer = pcall(moves[ARGV[at + 1]], at + 2, to)\n"
	"  if type(answer) == 'string' then answer = {err = string.match(answer, '%u+ .*') or 'ERR '..answer} end\n"
	"  answers[#answers + 1] = answer\n"
	"  at = to + 1\n"
	"end\n"
	"settle()\n"
	"return answers\n"};

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
