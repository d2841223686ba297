/* The scheduler's decisions: where a new job goes, which waiting one is next, what a heartbeat and the passing of
 * time mean for the jobs that are placed. Plain structs and a clock in, decisions out. `now` is monotonic ms, `wall`
 * is ms since the Unix epoch.
 *
 * Who is next is next.c's, by tenants.h and with ageing; how long that takes is eta.c's; where a job may go at all is
 * feasible.c's, and to whom it goes choose.h's, which leaves out workers that fail (breaker.h). */
#ifndef OG_SCHEDULER_ADMIT_H
#define OG_SCHEDULER_ADMIT_H

#include "base/error.h"
#include "plan/breaker.h"
#include "plan/choose.h"
#include "plan/index.h"
#include "plan/nodes.h"
#include "plan/recent.h"

#define OG_TIER_GONE_MS     600000 /* what waits for a tier that has had no worker for so long ends no_capacity */
#define OG_ASTRAY_MS        10000  /* the least age of a placement judged astray, and of a stranger that is forgotten */
#define OG_FREE_MS          5000 /* how long a worker must have had a free slot to prove that its tier's queue is empty */
#define OG_SILENT_MS        10000 /* how long a lane that should show a body may show none */
#define OG_LATE_GRACE_MS    1000  /* a job that runs past its deadline: its worker's own answer is awaited so long */
#define OG_GRACE_PERIODS    2     /* a new leader hears the fleet for so many presence periods before it refuses */
#define OG_DOOR_MS          1000  /* how long a job is held at the door */
#define OG_DOOR_MAX         512   /* jobs, and the bytes of their bodies */
#define OG_DOOR_BYTES       (8u * 1024 * 1024)
#define OG_RECENT_MAX       32768
#define OG_RATE_WINDOW_MS   10000
#define OG_AGED_EVERY       8     /* of so many placements of a tier one goes to what has waited longest */
#define OG_SERVICE_USUAL_MS 10000 /* a job runs for so long, where none has ended yet */

struct og_service_time { /* of a tier */
	struct og_rate ended;
	double run_ms;               /* moving average; 0: none has ended yet */
	double class_ms[OG_CLASSES]; /* likewise, of each class */
};

#define OG_NOBODY "no worker serves %s"
#define OG_SERVE  "`POC_SERVE=1 og connect <cluster>` has a machine serve" /* the remedy */

struct og_plan {
	const struct og_catalogue *catalogue;
	struct og_nodes nodes;
	/* [scheduler] of the settings */
	int64_t lookahead_percent, batch_leaves, no_capacity_after_ms, waiting_max_bytes, ageing_ms, affinity_wait_ms,
		max_attempts;

	/* of one leadership; NULL while standing by */
	struct og_index *index;
	struct og_recent *recent;
	struct og_sessions *sessions;
	int64_t leading_since, leading_since_wall;
	struct og_service_time service[OG_TIERS_MAX];
	bool paused[OG_TIERS_MAX]; /* og_plan_pause */
	int64_t disturbed_at;      /* 0: never */

	const struct og_tenants *tenants; /* the caller's; NULL: all are equal */
	struct og_breaker *breakers;      /* of workers that failed lately */
	uint32_t (*random)(void);         /* for the breakers' pauses; NULL: none is added */
};

void og_plan_init(struct og_plan *p, const struct og_catalogue *c);
void og_plan_done(struct og_plan *p);
/* A leadership begins: what heartbeats show running is adopted. It ends: all is forgotten but the fleet. */
void og_plan_lead(struct og_plan *p, int64_t now, int64_t wall);
void og_plan_resign(struct og_plan *p, void (*release)(struct og_entry *e));

/* Nothing is placed in a paused tier: what comes waits, and is not ended for want of workers, which may be away
 * because of the pause. */
void og_plan_pause(struct og_plan *p, unsigned tier, bool paused, int64_t now);
/* Other weights and limits, from now on. They are not copied. */
void og_plan_set_tenants(struct og_plan *p, const struct og_tenants *t);

/* --- a new job --- */

/* What is asked of the scheduler. */
struct og_ask {
	unsigned tier; /* not before og_plan_resolve has said it */
	enum og_class class;
	const char *tenant;
	size_t bytes;
	int64_t max_tokens;         /* 0: nobody says */
	bool any_length;            /* no context has to hold it whole */
	int64_t left_ms;            /* until its deadline */
	const struct og_wish *wish; /* NULL: none */
};

enum og_resolved {
	OG_RESOLVED,
	OG_RESOLVE_LATER,       /* auto, and we lead for too short a time to know who is there: ask again */
	OG_RESOLVE_UNKNOWN,     /* err: no such model, and the nearest names */
	OG_RESOLVE_NO_CAPACITY, /* auto, and nobody serves anything: err says so */
};
/* The catalogue row for what a request asks for: `tier` (an id, an alias or "auto"), else `model`, else auto. Auto is
 * the last row of the catalogue, of those with a live worker that may run it, that is expected to have it done before
 * its deadline; else the one that has it done first; where nobody lives, the one that had a worker last. */
enum og_resolved og_plan_resolve(const struct og_plan *p, const char *tier, const char *model, const struct og_ask *ask,
	int64_t now, unsigned *ret, struct og_error *err);

enum og_verdict {
	OG_VERDICT_PLACE,
	/* Hold it for a moment, its message unacked in the intake: there is no room, and nobody waits in the lanes before
	 * it. Where jobs are short a slot is free before it would be in its lane, and two moves are saved. */
	OG_VERDICT_DOOR,
	OG_VERDICT_WAIT,     /* to its lane */
	OG_VERDICT_BUSY,     /* err says why, for the submitter; likewise the next */
	OG_VERDICT_LIMITED,  /* busy, by its tenant's own limit */
	OG_VERDICT_TOO_LONG, /* no context holds it */
	OG_VERDICT_NO_CAPACITY,
};
/* Asked for each submit, and again for one that could not go on. */
enum og_verdict og_plan_admit(struct og_plan *p, const struct og_ask *ask, int64_t now, struct og_error *err);
/* It could: now it counts against its tenant's minute, and as one that came. */
void og_plan_admitted(struct og_plan *p, const struct og_entry *e, int64_t now);
/* The part of it that is about who is there. OG_VERDICT_PLACE: somebody may run it, or may come. */
enum og_verdict og_plan_feasible(const struct og_plan *p, const struct og_ask *ask, int64_t now, struct og_error *err);
/* Some live worker of the tier may run it. */
bool og_plan_fits(const struct og_plan *p, unsigned tier, const struct og_ask *ask);
/* Says that nobody serves the tier, and what is served, or how something is. */
void og_plan_nobody(const struct og_plan *p, unsigned tier, struct og_error *err);
/* Nobody serves the tier, and nobody has for so long that waiting would be a false promise. */
bool og_plan_is_gone(const struct og_plan *p, unsigned tier, int64_t now);
/* The leader has led for long enough to know who is there. */
bool og_plan_grace_is_over(const struct og_plan *p, int64_t now);

/* --- what waits --- */

unsigned og_plan_room(const struct og_plan *p, unsigned tier); /* how many more may be placed now */
/* Likewise, without the one for which og_plan_probe alone has room. */
unsigned og_plan_room_for_all(const struct og_plan *p, unsigned tier);
/* Likewise, of a class: jobs of the class batch, which may run for long and for which nobody waits, take all slots of a tier
 * but batch_leaves at most, one always, and none ahead. So the others always find slots that only their like have. */
unsigned og_plan_room_of(const struct og_plan *p, unsigned tier, enum og_class class);
/* The slots of a tier that jobs of the class may take. */
unsigned og_plan_share(const struct og_plan *p, unsigned tier, enum og_class class);
/* How many bodies of each of the tier's lanes the shell is to hold: a lane gives so many jobs in a round trip to the broker, and
 * so many times the longest body is what they may take. As many as 4 MiB hold, where the catalogue states the tier's context (what
 * is longer than it was refused); OG_LANE_PREFETCH where it does not. */
unsigned og_plan_lane_prefetch(const struct og_plan *p, unsigned tier);
/* The next to be placed, among those whose bodies we hold; NULL: none, or no room. One that og_plan_choose put off is
 * passed over until then, and so is one whose tenant has as many placed as it may.
 *
 * The best class that has any and has room; in it the tenant with the least start tag (tenants.h); of one tenant the oldest. But
 * every OG_AGED_EVERY-th placement of the tier goes to the oldest of those that have waited for ageing_ms, of whatever class that
 * has room: so what is the n-th oldest of those is placed after OG_AGED_EVERY × n placements at most, or while batch has all that
 * it may take, and nothing starves. */
struct og_entry *og_plan_next(const struct og_plan *p, unsigned tier, int64_t now);
/* Jobs before it in its tier, by class and fair shares: as things are now. For one that has just come it is exact where
 * costs are equal; later those cancelled in between may still count. */
unsigned og_plan_ahead(const struct og_plan *p, const struct og_entry *e);
/* In how many ms it is expected to start; for one that has not come yet in how many ms it would. */
int64_t og_plan_eta_ms(const struct og_plan *p, const struct og_entry *e, int64_t now);
int64_t og_plan_eta_new_ms(const struct og_plan *p, const struct og_ask *ask, int64_t now);
double og_plan_service_ms(const struct og_plan *p, unsigned tier);             /* for how long a job of it runs */
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

/* A worker ended it: how long it ran, and what it used; 0: not known. Before the entry is removed. */
void og_plan_ended(struct og_plan *p, struct og_entry *e, int64_t run_ms, int64_t tokens, int64_t now);

enum og_late { OG_LATE_END, OG_LATE_WAIT };
/* A job's deadline has passed: answer it `expired` now, or (it runs, and its worker knows the deadline too; or it is just
 * being placed) look again: then it is postponed already, by OG_LATE_GRACE_MS. */
enum og_late og_plan_late(struct og_plan *p, struct og_entry *e, int64_t wall);

/* Gives back the slots of jobs that are evidently nowhere; returns how many. Conservative: a job is astray when its
 * placement is OG_ASTRAY_MS old, no heartbeat lists it, and a worker of its tier has shown a free slot without a
 * break for OG_FREE_MS: then the tier's queue is empty, because the broker pushes to a free slot. It keeps its entry,
 * so that its `done`, a heartbeat or its deadline still find it. */
unsigned og_plan_reconcile(struct og_plan *p, unsigned tier, int64_t now);
/* A job known from heartbeats alone that none has listed for OG_ASTRAY_MS, for the caller to remove; NULL: none. */
struct og_entry *og_plan_stranger(const struct og_plan *p, unsigned tier, int64_t now);

/* --- workers that fail: breaker.h --- */

/* It handed a job back. `fast`: for a fault of its engine, within OG_FAST_MS of the start. Only those count, and not those
 * of the first OG_CALM_MS of a leadership or after a disturbance, when they need not be the worker's. */
void og_plan_worker_failed(struct og_plan *p, const struct og_worker *w, bool fast, int64_t now);
/* It ended one as it should. */
void og_plan_worker_ran(struct og_plan *p, const struct og_worker *w);
/* The broker or Redis was away. */
void og_plan_disturbed(struct og_plan *p, int64_t now);

struct og_pause {
	const struct og_worker *worker;
	int64_t ms; /* it is to pause for so long from now on; 0: it goes on */
};
/* What a worker is to be told, once; false: nothing (any more). */
bool og_plan_pauses(struct og_plan *p, int64_t now, struct og_pause *ret);
/* It is not to be chosen now. */
bool og_worker_open(const struct og_plan *p, const struct og_worker *w);
/* One of the tier whose pause is over, that is idle, and that is to be given one job to show that it works; NULL: none. */
struct og_worker *og_plan_probe(const struct og_plan *p, unsigned tier, int64_t now);

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
