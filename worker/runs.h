/* The jobs that this worker holds, one `struct og_run` each, and what a delivery of a job that is already here means.
 * Pure.
 *
 *   delivered ──▶ WAITING ──────────────▶ RUNNING ──▶ SETTLING ──▶ acked, freed
 *                 (all slots  └▶ ANNOUNCED ─┘ │           ▲    its `done`, or the job itself, handed back,
 *                  are taken)    (a suspect)  │           │    is published and not confirmed yet
 *                    └───────────────┴────────┴── refused, cancelled, expired, handed back
 *
 * A suspect may have killed a worker: it runs alone, so that a death with it is its own. From its coming nothing else
 * starts; when all that ran have ended it is announced, and it starts when that is confirmed.
 *
 * The delivery that a run will ack may change while it lives: when the connection is lost the broker delivers the job
 * again, and the run that was never told to stop takes the new delivery over. */
#ifndef OG_WORKER_RUNS_H
#define OG_WORKER_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "answer.h"
#include "base/buf.h"
#include "kept_chunks.h"
#include "model/envelope.h"
#include "model/message.h"
#include "request.h"

#define OG_LEASE_LEN   64
#define OG_HEARERS_MAX 8            /* beside the submitter */
#define OG_BUNDLE_MAX  (64u * 1024) /* bytes of chunks that go out together */

enum og_run_phase { OG_RUN_WAITING, OG_RUN_ANNOUNCED, OG_RUN_RUNNING, OG_RUN_SETTLING };

/* Which queue its delivery came from. */
enum og_source { OG_FROM_TIER, OG_FROM_OWN };

/* A reply key that its chunks go to as well. */
struct og_hearer {
	char reply[OG_KEY_MAX];
};

struct og_run {
	char id[OG_ID_LEN + 1];
	char reply[OG_KEY_MAX];       /* "": nobody can be told */
	char lease[OG_LEASE_LEN + 1]; /* "": none */
	int64_t attempt, run, epoch;  /* epoch: of the leader that placed it */
	int64_t accepted_ms, deadline_ms;
	bool stream, progress, suspect;
	enum og_bundles bundles;
	enum og_source source;
	struct og_message *placed;             /* the delivery, to be handed back; owned; NULL: it never will be */
	uint64_t delivery_epoch, delivery_tag; /* what to ack */

	enum og_run_phase phase;
	struct og_request request;
	struct og_engine_run *engine; /* NULL: none */
	struct og_answer answer;
	int64_t received_ms, started_ms;              /* wall clock; started 0: never */
	int64_t started_us, first_token_us, ended_us; /* monotonic; 0: not yet */
	int64_t seq;                                  /* chunks so far */
	struct og_kept kept;                          /* the newest of them */
	struct og_buf bundle;        /* chunks that go out together, a line each, at the end of this turn */
	int64_t bundle_seq, bundled; /* the first's number, and how many */
	struct og_run *turn_next,
		*turn_prev;        /* among those that have chunks, or an end, to tell at the end of the turn */
	struct og_hearer *hearers; /* owned; the newest last */
	size_t n_hearers;

	enum og_fault fault; /* how it ended */
	int64_t prompt_tokens, completion_tokens;
	char *done;              /* body of the `done`; owned */
	struct og_message *dead; /* to be dead-lettered before anyone is told; owned */
	struct og_message *back; /* to be handed back, and then nobody is told; owned */
	bool refused, again;     /* the broker refused it once; it is to be published again */

	void *owner;
	UT_hash_handle hh;
	struct og_run *next, *prev; /* the line of those who wait */
};

/* A run for this delivery. The envelope may be of a message that could not be read: then what could is in it. */
struct og_run *og_run_new(const struct og_envelope *e, uint64_t delivery_epoch, uint64_t delivery_tag, int64_t now_ms);
void og_run_free(struct og_run *r);

struct og_runs {
	struct og_run *held;     /* waiting, announced and running, by id */
	struct og_run *settling; /* by id; a newer attempt of the same job may be held meanwhile */
	struct og_run *line;     /* the waiting ones, in their order */
	struct og_run *alone;    /* the suspect that is announced or runs; NULL: none */
	size_t n_suspects;       /* of those in the line */
	size_t n_running;        /* what is announced among them */
};

struct og_run *og_runs_find(const struct og_runs *t, const char *id); /* the held one first; NULL: none */
void og_runs_wait(struct og_runs *t, struct og_run *r);               /* a new run, into the line */
/* Who starts now: the first of the line that may, one call each; NULL: nobody. A suspect waits until nothing runs, and
 * all others wait for it. */
struct og_run *og_runs_next(const struct og_runs *t, size_t slots);
void og_runs_announce(struct og_runs *t, struct og_run *r); /* a suspect of the line */
void og_runs_start(struct og_runs *t, struct og_run *r);    /* a new run, one of the line, or announced */
void og_runs_settle(struct og_runs *t, struct og_run *r);   /* of any phase, or new */
void og_runs_remove(struct og_runs *t, struct og_run *r);   /* does not free it */
size_t og_runs_count(const struct og_runs *t);              /* of all phases */
size_t og_runs_count_from(const struct og_runs *t, enum og_source source);
int64_t og_runs_due(const struct og_runs *t); /* the earliest deadline of those held; 0: none */

/* Its chunks go to this reply key too. One more than OG_HEARERS_MAX takes the place of the first: who reconnects asks
 * under a new key each time, and the oldest is the likeliest to be gone. */
void og_run_hear(struct og_run *r, const char *reply);

enum og_meeting {
	OG_MEETS_NOBODY, /* it is to be run */
	OG_MEETS_ITSELF, /* the same attempt: the run goes on, and takes the delivery over */
	OG_MEETS_NEWER,  /* a higher attempt is here: this delivery is done with */
	OG_MEETS_OLDER,  /* a lower attempt is held: it is to be dropped, and this one run */
};
/* `held` may be NULL. A lower attempt that is settling is nobody: it ends by itself. */
enum og_meeting og_run_meets(const struct og_run *held, const struct og_envelope *e);

/* After OG_MEETS_ITSELF. The run number stays where nobody else can have run the job in between; else it becomes the
 * delivery's, so that clients which saw the other's chunks do not drop ours. */
void og_run_take_over(struct og_run *r, const struct og_envelope *e, uint64_t delivery_epoch, uint64_t delivery_tag);

#endif
