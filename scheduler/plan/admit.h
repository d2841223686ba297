/* The scheduler's decisions: where a new job goes, which waiting one is next, what a heartbeat and the passing of
 * time mean for the jobs that are placed. Plain structs and a clock in, decisions out. `now` is monotonic ms, `wall`
 * is ms since the Unix epoch.
 *
 * The choice of the next is og_plan_next alone, and what it costs to have waited is known to it alone: ageing and
 * weighted fair queueing belong there; a breaker a worker belongs where capacity is counted (nodes.c). */
#ifndef OG_SCHEDULER_ADMIT_H
#define OG_SCHEDULER_ADMIT_H

#include "base/error.h"
#include "plan/choose.h"
#include "plan/index.h"
#include "plan/nodes.h"
#include "plan/recent.h"

#define OG_TIER_GONE_MS   600000 /* what waits for a tier that has had no worker for so long ends no_capacity */
#define OG_ASTRAY_MS      10000  /* the least age of a placement judged astray, and of a stranger that is forgotten */
#define OG_FREE_MS        5000 /* how long a worker must have had a free slot to prove that its tier's queue is empty */
#define OG_SILENT_MS      10000 /* how long a lane that should show a body may show none */
#define OG_LATE_GRACE_MS  30000 /* a placed job past its deadline: the worker's own answer is awaited so long */
#define OG_GRACE_PERIODS  2     /* a new leader hears the fleet for so many presence periods before it refuses */
#define OG_DOOR_MS        1000  /* how long a job is held at the door */
#define OG_DOOR_MAX       512   /* jobs, and the bytes of their bodies */
#define OG_DOOR_BYTES     (8u * 1024 * 1024)
#define OG_RECENT_MAX     32768
#define OG_RATE_WINDOW_MS 10000

struct og_rate { /* of jobs that end, over the last window and the one that runs */
	int64_t began;
	unsigned before, current;
};

struct og_plan {
	const struct og_catalogue *catalogue;
	struct og_nodes nodes;
	/* [scheduler] of the settings */
	int64_t lookahead_percent, no_capacity_after_ms, waiting_max_bytes, ageing_ms, affinity_wait_ms, max_attempts;

	/* of one leadership; NULL while standing by */
	struct og_index *index;
	struct og_recent *recent;
	struct og_sessions *sessions;
	int64_t leading_since, leading_since_wall;
	struct og_rate rates[OG_TIERS_MAX];
	bool paused[OG_TIERS_MAX]; /* og_plan_pause */
};

void og_plan_init(struct og_plan *p, const struct og_catalogue *c);
void og_plan_done(struct og_plan *p);
/* A leadership begins: what heartbeats show running is adopted. It ends: all is forgotten but the fleet. */
void og_plan_lead(struct og_plan *p, int64_t now, int64_t wall);
void og_plan_resign(struct og_plan *p, void (*release)(struct og_entry *e));

/* Nothing is placed in a paused tier: what comes waits, and is not ended for want of workers, which may be away
 * because of the pause. */
void og_plan_pause(struct og_plan *p, unsigned tier, bool paused, int64_t now);

/* --- a new job --- */

enum og_resolved {
	OG_RESOLVED,
	OG_RESOLVE_LATER,       /* auto, and we lead for too short a time to know who is there: ask again */
	OG_RESOLVE_UNKNOWN,     /* err: no such model, and the nearest names */
	OG_RESOLVE_NO_CAPACITY, /* auto, and nobody serves anything: err says so */
};
/* The catalogue row for what a request asks for: `tier` (an id, an alias or "auto"), else `model`, else auto. Auto is
 * the last row of the catalogue with a live worker and a free slot, else the last with a live worker, else the one
 * that had a worker last. */
enum og_resolved og_plan_resolve(
	const struct og_plan *p, const char *tier, const char *model, int64_t now, unsigned *ret, struct og_error *err);

enum og_verdict {
	OG_VERDICT_PLACE,
	/* Hold it for a moment, its message unacked in the intake: there is no room, and nobody waits in the lanes before
	 * it. Where jobs are short a slot is free before it would be in its lane, and two moves are saved. */
	OG_VERDICT_DOOR,
	OG_VERDICT_WAIT, /* to its lane */
	OG_VERDICT_BUSY, /* err says why, for the submitter; likewise the next */
	OG_VERDICT_NO_CAPACITY,
};
enum og_verdict og_plan_admit(
	const struct og_plan *p, unsigned tier, enum og_class class, size_t bytes, int64_t now, struct og_error *err);

/* --- what waits --- */

unsigned og_plan_room(const struct og_plan *p, unsigned tier); /* how many more may be placed now */
/* The next to be placed, among those whose bodies we hold; NULL: none, or no room. One that og_plan_choose put off is
 * passed over until then. */
struct og_entry *og_plan_next(const struct og_plan *p, unsigned tier, int64_t now);
/* Jobs before it in its tier: exact for one that has just come, later an estimate (those cancelled in between still
 * count). */
unsigned og_plan_ahead(const struct og_plan *p, const struct og_entry *e);
unsigned og_plan_retry_s(const struct og_plan *p, unsigned tier, int64_t now); /* "try again in S s" */
/* One that has been at the door for OG_DOOR_MS: to its lane with it; NULL: none. */
struct og_entry *og_plan_tired(const struct og_plan *p, unsigned tier, int64_t now);
/* One that waits in the lanes for nobody; NULL: none. Its tier has been gone for OG_TIER_GONE_MS; or it came when this
 * leader led for too short a time to refuse it (og_plan_admit), and nobody has come for it in no_capacity_after_ms. err
 * says why, for the submitter. */
struct og_entry *og_plan_hopeless(const struct og_plan *p, unsigned tier, int64_t now, struct og_error *err);

/* Jobs of which the index thinks that they wait, and whose lanes show no body for OG_SILENT_MS while they are being
 * read: their bodies are elsewhere (records that Redis lost the last of tell of such). They count for nobody's
 * position any more; returns how many. They keep their entries, so that their deadline, a cancel and their bodies,
 * should they come, still find them. */
unsigned og_plan_silent(struct og_plan *p, unsigned tier, bool reading, int64_t now);

/* --- what is placed --- */

/* Told once for each job of the tier that a worker ended. */
void og_plan_ended(struct og_plan *p, unsigned tier, int64_t now);

enum og_late { OG_LATE_END, OG_LATE_WAIT };
/* A job's deadline has passed: answer it `expired` now, or (it was placed, its worker knows the deadline too) look
 * again: then it is postponed already. */
enum og_late og_plan_late(struct og_plan *p, struct og_entry *e, int64_t wall);

/* Gives back the slots of jobs that are evidently nowhere; returns how many. Conservative: a job is astray when its
 * placement is OG_ASTRAY_MS old, no heartbeat lists it, and a worker of its tier has shown a free slot without a
 * break for OG_FREE_MS: then the tier's queue is empty, because the broker pushes to a free slot. It keeps its entry,
 * so that its `done`, a heartbeat or its deadline still find it. */
unsigned og_plan_reconcile(struct og_plan *p, unsigned tier, int64_t now);
/* One that was placed at the queue of a worker that is gone, told once: to be placed again; NULL: none (any more). */
struct og_entry *og_plan_stranded(struct og_plan *p);
/* A job known from heartbeats alone that none has listed for OG_ASTRAY_MS, for the caller to remove; NULL: none. */
struct og_entry *og_plan_stranger(const struct og_plan *p, unsigned tier, int64_t now);

/* --- heartbeats --- */

struct og_cancel { /* a worker runs what has ended or was cancelled: tell it to stop */
	char id[OG_ID_LEN + 1];
};
struct og_heard {
	const struct og_worker *worker; /* NULL: it left */
	int tier;                       /* whose room may have changed; -1: none */
	bool appeared;                  /* heard for the first time */
	bool forged;                    /* about another user's node or process: nothing of it counts */
	bool too_many;                  /* one process more than its user may have: likewise */
	struct og_cancel *cancels;      /* the caller's to free */
	size_t n_cancels;
};
/* Takes what a heartbeat of `user` (whom the broker has checked) says (`said` is empty after); jobs that it lists and
 * the index does not know are adopted. */
void og_plan_hear(
	struct og_plan *p, struct og_presence *said, const char *user, int64_t now, int64_t wall, struct og_heard *ret);
/* Forgets one worker that has not been heard for too long: true, with its name and its tier (-1: none). False: none
 * is lost. */
bool og_plan_sweep(struct og_plan *p, int64_t now, char ret_worker[static 3 * OG_NAME_MAX], int *ret_tier);

#endif
