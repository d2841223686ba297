/* The Lua that writes to Redis: one small script a transition, so that each is atomic and carries the fence. KEYS[1]
 * is the prefix "og:<cluster>:", ARGV[1] the leader's epoch; a script that finds a higher one in Redis changes
 * nothing and answers -1. */
#ifndef OG_SCHEDULER_SCRIPTS_H
#define OG_SCHEDULER_SCRIPTS_H

#include "io/redis.h"

/* What is read of a job, in this order: for C, and as Lua's list. */
#define OG_RECORD_NAMES                                                                                                \
	"state", "tier", "class", "tenant", "reply", "bytes", "accepted_ms", "deadline_ms", "attempt", "explicit",     \
		"ended_ms", "node_name", "error", "detach", "k"
#define OG_RECORD_FIELDS                                                                                               \
	"'state', 'tier', 'class', 'tenant', 'reply', 'bytes', 'accepted_ms', 'deadline_ms', 'attempt', 'explicit', "  \
	"'ended_ms', 'node_name', 'error', 'detach', 'k'"
enum og_record_field {
	OG_RECORD_STATE,
	OG_RECORD_TIER,
	OG_RECORD_CLASS,
	OG_RECORD_TENANT,
	OG_RECORD_REPLY,
	OG_RECORD_BYTES,
	OG_RECORD_ACCEPTED,
	OG_RECORD_DEADLINE,
	OG_RECORD_ATTEMPT,
	OG_RECORD_EXPLICIT,
	OG_RECORD_ENDED,
	OG_RECORD_NODE_NAME,
	OG_RECORD_ERROR,
	OG_RECORD_DETACH,
	OG_RECORD_LANE,
	OG_RECORD_N,
};

/* epoch, "new" or "again", mark of the lease key → {epoch, 1 where the mark is the cluster's, how many
 * jobs are open}. A new leader's epoch
 * comes out above all that were; "again" (Redis came back) keeps one that is not below. */
extern struct og_redis_script og_script_claim;
/* epoch, id, now, ttl s, tenant, hash of the body, field, value, … → {"new"} | {"live"} | {"conflict"} |
 * {"ended", state, error, body or nil}. A record that was refused before it waited anywhere does not count. */
extern struct og_redis_script og_script_accept;
/* epoch, ttl s of what has ended, budget of results in bytes, moves → {an answer a move}. A move is the number of its
 * arguments, its name and the arguments:
 *   record: id, state (queued, placed), accepted_ms, tenant, "again" or "", field, value, … → 1; 0: it had ended already;
 *     again, and it is there
 *   finish: id, state, now, "own" where the scheduler itself ended it (else ""), body, accepted_ms, tenant, tier, class,
 *     submitter (each of these four may be ""; the tenant is for a
 *     record that has none, the others for a job that has no record), field, value, … → 1: stored; 0: it had ended
 *     before (counted as a duplicate) */
extern struct og_redis_script og_script_move;
/* epoch, id, an event → 1; 0: there is no record that it could be added to. */
extern struct og_redis_script og_script_history;
/* epoch, id, accepted_ms, line of history → 1: a job that had ended is queued again, without its result; 0: it has not
 * ended, or has no record. */
extern struct og_redis_script og_script_revive;
/* from, limit → {{id, accepted_ms, fields …}, …} of what is open, from that time on. */
extern struct og_redis_script og_script_page;
/* tenant or "" for all, limit, state, tier, class (each may be ""), since → {{id, fields …}, …}, newest first, of the
 * last 5,000. */
extern struct og_redis_script og_script_jobs;
/* epoch, field, value or "" → a number: what an operator has ordered, and no more. */
extern struct og_redis_script og_script_order;

#endif
