/* The index: one small entry for every job that is accepted and not finished; its body stays with the broker.
 *
 *   CHECK ──▶ DOOR ──▶ TO_LANE ──▶ LANE ──▶ TO_TIER ──▶ TIER ◀──▶ RUN
 *     │ │      │  │       ▲  │        │         ▲          │        │
 *     │ └──────│──│───────┘  └─ENDED ◀┘         │          ├────────┴──▶ (removed: its `done` was seen)
 *     │        │  └────────────▶│               │          ▼
 *     └────────┴────────────────────────────────┴─────── RETRY ──▶ TO_LANE, ENDED
 *
 * `where` decides in which list an entry is and what it counts for, so og_index_move is the only place that counts:
 *   DOOR                waits: in its class's list at the door of its tier
 *   TO_LANE, LANE       wait: in their lane's list, in the order of the lane
 *   TO_TIER, TIER, RUN  placed: in their tier's list, oldest placement first; each takes a slot
 *   CHECK, RETRY, ENDED neither
 * One that is astray (admit.h) is in its list and counts for nothing.
 *
 * Pure: no I/O, no clock. The shell hangs what it needs for its messages on `held`, `move` and `watchers`, unseen by
 * this module. */
#ifndef OG_SCHEDULER_INDEX_H
#define OG_SCHEDULER_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "base/slab.h"
#include "model/catalogue.h"
#include "model/job.h"
#include "model/names.h"
#include "plan/tenants.h"

#define OG_LANE_PREFETCH 16  /* bodies of one lane that the shell holds at once, whatever their size */
#define OG_LANE_HEADS    256 /* likewise where they are known to be small: og_plan_lane_prefetch */

enum og_where {
	OG_WHERE_CHECK,   /* its id is being looked up in Redis; the body is in the intake */
	OG_WHERE_DOOR,    /* its body is in the intake, and held: a slot is near (admit.h) */
	OG_WHERE_TO_LANE, /* the publish to its lane is not confirmed yet */
	OG_WHERE_LANE,    /* in its lane */
	OG_WHERE_TO_TIER, /* the publish to its tier's queue is not confirmed yet */
	OG_WHERE_TIER,    /* in its tier's queue, or on its way to or from a worker */
	OG_WHERE_RUN,     /* a worker's heartbeat lists it */
	OG_WHERE_RETRY,   /* handed back: its body is ours or in a delay, until it is placed again */
	OG_WHERE_ENDED,   /* answered; its body still has to be dropped where it comes up */
};

/* A user or tenant name, kept once. */
struct og_name {
	UT_hash_handle hh;
	unsigned refs;
	char text[];
};

struct og_worker;
struct og_held;
struct og_move;
struct og_watcher;
struct og_reply;

struct og_entry {
	UT_hash_handle hh; /* by id */
	struct og_entry *prev, *next;
	const struct og_name *tenant, *submitter; /* NULL while only a heartbeat is known of it; so are the next two */
	struct og_flow *flow;                     /* its tenant's in its tier; likewise */
	struct og_reply *reply;                   /* where its submitter reads (replies.h), and its neighbours there */
	struct og_entry *reply_prev, *reply_next;
	struct og_worker *worker;    /* that runs it; NULL: none is known to */
	struct og_worker *meant;     /* at whose own queue it was placed; NULL: at its tier's */
	struct og_held *held;        /* its body, at the door or come up at the head of its lane */
	struct og_move *move;        /* its publish in flight */
	struct og_watcher *watchers; /* who else wants the answer */
	char *session;               /* of one that is placed; NULL: of none */
	char *alone; /* id of the node that runs this attempt with nothing beside it, as it said; NULL: none did */
	int64_t accepted_ms, deadline_ms; /* wall clock */
	int64_t due_ms;                   /* when the deadline is looked at next, wall clock */
	int64_t placed_at;                /* monotonic, of its coming to the door, then of its placement */
	int64_t hold_from, hold_until;    /* monotonic: choose.h has looked at it since, and does not until; 0: never */
	int64_t since; /* monotonic: when it came; 0: not known, then when it first could have been placed */
	uint64_t seq;  /* order of arrival among those that wait in its tier and class */
	uint32_t bytes;
	uint32_t cost;    /* tokens, estimated */
	uint32_t nth;     /* of its flow's in its class, counted as they come to wait */
	uint32_t heap_at; /* place in the heap, from 1; 0: not in it */
	uint32_t attempt;
	uint32_t beat; /* the worker's heartbeat that listed it last */
	uint16_t tier; /* row of the catalogue */
	uint8_t class, lane, where;
	bool unsure : 1;   /* a lane's head that the index did not know: Redis is asked before it is served */
	bool answered : 1; /* ENDED: the answer is confirmed, the body may go */
	bool recorded : 1; /* Redis has its record */
	bool requeued : 1; /* a dead letter's: its record is of its death still */
	bool explicit_id : 1;
	bool progress : 1;   /* it wants placed and started messages */
	bool detach : 1;     /* nobody waits for it */
	bool left : 1;       /* its submitter does not want it any more */
	bool cancelling : 1; /* whoever runs it is told to stop */
	bool astray : 1;     /* evidently not where it should be */
	bool delayed : 1;    /* RETRY: its body is in a delay for certain, and not ours */
	bool dying : 1;      /* RETRY: its body is a dead letter: it does not come back */
	char id[OG_ID_LEN + 1];
};

struct og_lane {
	struct og_entry *list;                 /* what waits, oldest first */
	struct og_entry *heads[OG_LANE_HEADS]; /* those whose bodies we hold, oldest first */
	unsigned n_heads;
	unsigned waiting;    /* in the list, and not astray */
	int64_t silent_from; /* since when it should show a body and shows none; 0: it does, or need not */
};

struct og_tier_index {
	struct og_lane lanes[OG_CLASSES][OG_LANES];
	struct og_entry *door[OG_CLASSES]; /* oldest first */
	struct og_entry *placed_list;
	unsigned waiting[OG_CLASSES]; /* at the door and in lanes */
	unsigned at_door[OG_CLASSES];
	unsigned placed; /* slots taken */
	unsigned placed_of[OG_CLASSES];
	uint64_t waiting_bytes; /* of those that wait */
	struct og_flow *flows;
	struct og_flow *waiting_flows; /* tenants.h, and what follows */
	size_t n_waiting_flows;
	double virtual_time, greatest_tag;
	uint64_t looked_at;  /* placements when virtual_time was looked at */
	uint64_t placements; /* of all times */
	struct og_rate came[OG_CLASSES];
	uint64_t next_seq[OG_CLASSES];
};

struct og_index {
	struct og_entry *by_id;
	struct og_slab entries;
	struct og_name *names;
	struct og_account *accounts;
	size_t idle_accounts;
	const struct og_tenants *rules;     /* NULL: all are equal */
	struct og_reply *replies, *ping_at; /* ping_at: the next to be asked; NULL: the first */
	size_t n_gone;                      /* of them */
	struct og_entry *walk_at;           /* of a walk over all: the next, or NULL */
	struct og_entry **heap;             /* by due_ms, from 1 */
	size_t heap_len, heap_room;
	struct og_tier_index *tiers;
	size_t n_tiers;
	size_t waiting, at_door, placed; /* of all tiers */
	uint64_t waiting_bytes;          /* and of the ENDED ones, whose bodies are still where they waited */
	uint64_t door_bytes;
	int64_t now; /* monotonic, as it was told last */
};

/* What is known of a job as it enters. Strings are copied; tenant and reply may be NULL together. */
struct og_facts {
	const char *id, *tenant, *reply;
	unsigned tier;
	enum og_class class;
	int64_t accepted_ms, deadline_ms; /* deadline 0: none */
	uint32_t bytes, attempt;
	int64_t max_tokens; /* 0: nobody says */
	int64_t weight;     /* its tenant's, where its gateway says so; else 0 */
	int64_t since;      /* monotonic: when it came; 0: not known */
	unsigned lane;      /* it lies in, from 1; 0: in none yet */
	bool explicit_id, progress, detach;
};

struct og_index *og_index_new(size_t n_tiers);
/* Frees the entries too; what the shell hung on them is handed to `release` first (may be NULL). */
void og_index_free(struct og_index *ix, void (*release)(struct og_entry *e));

struct og_entry *og_index_find(const struct og_index *ix, const char *id); /* NULL: none */
/* A new entry; its id must not be there yet. */
struct og_entry *og_index_add(struct og_index *ix, const struct og_facts *facts, enum og_where where);
/* Fills in an entry of which only a heartbeat was known. */
void og_index_fill(struct og_index *ix, struct og_entry *e, const struct og_facts *facts);
void og_index_move(struct og_index *ix, struct og_entry *e, enum og_where where);
/* Its placement was refused: in its lane again, where it was before. */
void og_index_put_back(struct og_index *ix, struct og_entry *e);
void og_index_remove(struct og_index *ix, struct og_entry *e); /* frees it */
/* It counts no more (or does again). */
void og_index_set_astray(struct og_index *ix, struct og_entry *e, bool astray);
/* Who runs it, and at whose own queue it is placed or is to be; both may be NULL. While it is placed it takes a slot of
 * theirs: the worker's `running`, or else the meant one's `reserved`. What waits is meant for nobody: say it just before
 * og_index_move to TO_TIER. */
void og_index_set_worker(struct og_index *ix, struct og_entry *e, struct og_worker *w);
void og_index_set_meant(struct og_index *ix, struct og_entry *e, struct og_worker *w);

/* Its body has come up at the head of its lane: it is not astray. -1: so many are held already (which a reader with our
 * prefetch never sees). */
int og_index_hold(struct og_index *ix, struct og_entry *e, struct og_held *held);
struct og_held *og_index_unhold(struct og_index *ix, struct og_entry *e); /* gives it back; NULL: none was held */
/* Before it goes to a lane: says to which. A lane is read in its order, and only its first bodies are seen, so nobody should
 * wait behind one who has much there: a job lies the further back, the more of its tenant wait before it. The first of a
 * tenant goes to lane 0, which so holds hardly more than one a tenant, the next 2 to lane 1, the next 4 to lane 2 … */
void og_index_choose_lane(struct og_entry *e);
struct og_lane *og_index_lane(struct og_index *ix, unsigned tier, enum og_class class, unsigned lane);

/* The entry with the least due_ms, where that is not after `now`; NULL: none. Move it, remove it or postpone it:
 * otherwise it is the next again. */
struct og_entry *og_index_due(const struct og_index *ix, int64_t now_wall);
void og_index_postpone(struct og_index *ix, struct og_entry *e, int64_t due_ms);
int64_t og_index_next_due(const struct og_index *ix); /* INT64_MAX: none */

void og_entry_reply(const struct og_entry *e, char ret[static OG_KEY_MAX]); /* "" where none is known */
enum og_state og_entry_state(const struct og_entry *e);                     /* what people are told */
static inline bool og_entry_waits(const struct og_entry *e)
{
	return e->where == OG_WHERE_DOOR || e->where == OG_WHERE_TO_LANE || e->where == OG_WHERE_LANE;
}
/* Its body will be in our hands again, if it is not. */
static inline bool og_entry_comes_back(const struct og_entry *e)
{
	return og_entry_waits(e) || (e->where == OG_WHERE_RETRY && !e->dying);
}
static inline bool og_entry_placed(const struct og_entry *e)
{
	return e->where == OG_WHERE_TO_TIER || e->where == OG_WHERE_TIER || e->where == OG_WHERE_RUN;
}

#endif
