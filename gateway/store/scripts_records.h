/* The Lua of records.h, as scripts.h says it: ARGV[1] is the time, ARGV[2] the kind. */
#ifndef OG_GATEWAY_SCRIPTS_RECORDS_H
#define OG_GATEWAY_SCRIPTS_RECORDS_H

#include "io/redis.h"

/* id, tenant, record, keep ms, most bytes, "1" or "" (the oldest go), "fresh", "there" or "", owner or "", due in ms or -1,
 * who holds it or "", bytes that it counts for or 0, a kind of which its tenant must have one or "", "1" or "" (who holds it
 * does only where it is new), most of one tenant or 0, the kind that it comes from or "", what the record must
 * be still or "" → 1; 0: not so; -1: full; -2: its tenant has so many. */
extern struct og_redis_script og_script_record_put;
/* id, tenant or "" → the record, or NIL. */
extern struct og_redis_script og_script_record_get;
/* id, tenant or "", who must hold it or "", the kinds of what goes with it or "" → 1; 0: none. */
extern struct og_redis_script og_script_record_remove;
/* tenant, the kinds of what goes with one of these or "", most → 1: of this kind it has none any more; 2: so many are gone, and
 * there may be others; 0: no such tenant; -1: it has keys. */
extern struct og_redis_script og_script_tenant_clear;
/* tenant, after or "", limit, "1" or "" (the oldest first) → {1 where there are more, record, …} */
extern struct og_redis_script og_script_records_list;
/* id, … → {how many of the kind there are, 1 or 0: there is this one, …} */
extern struct og_redis_script og_script_records_known;
/* owner, lease ms, limit → {0, record, …} */
extern struct og_redis_script og_script_records_claim;
/* id, owner, lease ms → 1; 0: another's. */
extern struct og_redis_script og_script_record_hold;

#endif
