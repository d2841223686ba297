/* The jobs that this worker holds, one `struct og_run` each, and what a delivery of a job that is already here means.
 * Pure.
 *
 *   delivered ──▶ WAITING ──▶ RUNNING ──▶ SETTLING ──▶ acked, freed
 *                 (all slots    │            ▲    its `done` is published and
 *                  are taken)   │            │    not confirmed yet
 *                    └──────────┴── refused, cancelled, expired
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
#include "model/envelope.h"
#include "request.h"

#define OG_LEASE_LEN 64

enum og_run_phase { OG_RUN_WAITING, OG_RUN_RUNNING, OG_RUN_SETTLING };

struct og_run {
	char id[OG_ID_LEN + 1];
	char reply[OG_KEY_MAX];       /* "": nobody can be told */
	char lease[OG_LEASE_LEN + 1]; /* "": none */
	int64_t attempt, run, epoch;  /* epoch: of the leader that placed it */
	int64_t accepted_ms, deadline_ms;
	bool stream, progress;
	uint64_t delivery_epoch, delivery_tag; /* what to ack */

	enum og_run_phase phase;
	struct og_request request;
	struct og_engine_run *engine; /* NULL: none */
	struct og_answer answer;
	int64_t received_ms, started_ms;              /* wall clock; started 0: never */
	int64_t started_us, first_token_us, ended_us; /* monotonic; 0: not yet */
	int64_t seq;                                  /* chunks so far */

	enum og_fault fault; /* how it ended */
	int64_t prompt_tokens, completion_tokens;
	char *done;              /* body of the `done`; owned */
	struct og_message *dead; /* to be dead-lettered before anyone is told; owned */
	bool refused, again;     /* the broker refused it once; it is to be published again */

	void *owner;
	UT_hash_handle hh;
	struct og_run *next, *prev; /* the line of those who wait */
};

/* A run for this delivery. The envelope may be of a message that could not be read: then what could is in it. */
struct og_run *og_run_new(const struct og_envelope *e, uint64_t delivery_epoch, uint64_t delivery_tag, int64_t now_ms);
void og_run_free(struct og_run *r);

struct og_runs {
	struct og_run *held;     /* waiting and running, by id */
	struct og_run *settling; /* by id; a newer attempt of the same job may be held meanwhile */
	struct og_run *line;     /* the waiting ones, in their order */
	size_t n_running;
};

struct og_run *og_runs_find(const struct og_runs *t, const char *id); /* the held one first; NULL: none */
void og_runs_wait(struct og_runs *t, struct og_run *r);               /* a new run, into the line */
void og_runs_start(struct og_runs *t, struct og_run *r);              /* a new run, or one of the line */
void og_runs_settle(struct og_runs *t, struct og_run *r);             /* of any phase, or new */
void og_runs_remove(struct og_runs *t, struct og_run *r);             /* does not free it */
size_t og_runs_count(const struct og_runs *t);                        /* of all phases */

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
