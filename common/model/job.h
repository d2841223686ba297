/* A job: one prompt and its life.
 *
 *                ┌──────────── room at once ────────────┐   ┌── its worker died ──┐
 *                │                                      ▼   ▼                     │
 *   accepted ────┴── no room ──▶ queued ── room ──────▶ placed ───────────────▶ running
 *                                                         │                       │
 *                                                         └────────▶ done ◀───────┘
 *   any of the four ──▶ failed, cancelled, expired, dead, no_capacity; accepted ──▶ busy
 *
 * (placed ──▶ done: it ended before a heartbeat showed it running.)
 * The first terminal state wins and never changes. */
#ifndef OG_MODEL_JOB_H
#define OG_MODEL_JOB_H

#include <stdbool.h>

#include "base/error.h"

enum og_class { OG_CLASS_HIGH, OG_CLASS_NORMAL, OG_CLASS_BATCH };
#define OG_CLASSES 3

enum og_state {
	OG_STATE_ACCEPTED, /* in the intake, seen by the scheduler */
	OG_STATE_QUEUED,   /* in a lane */
	OG_STATE_PLACED,   /* in a tier or node queue */
	OG_STATE_RUNNING,  /* in an engine */
	OG_STATE_DONE,     /* from here on terminal */
	OG_STATE_FAILED,
	OG_STATE_CANCELLED,
	OG_STATE_EXPIRED,
	OG_STATE_DEAD,
	OG_STATE_BUSY,
	OG_STATE_NO_CAPACITY,
};
#define OG_STATES 11

const char *og_class_name(enum og_class c);
int og_class_parse(const char *name, enum og_class *ret, struct og_error *err);
const char *og_state_name(enum og_state s); /* "done", "no_capacity", … */
int og_state_parse(const char *name, enum og_state *ret, struct og_error *err);
bool og_state_terminal(enum og_state s);
/* True where the diagram has the arrow. */
bool og_state_may_follow(enum og_state from, enum og_state to);

/* What `og` exits with; the table is in docs/CLI.md and `og --help`. */
enum og_exit {
	OG_EXIT_ANSWERED = 0,
	OG_EXIT_INTERNAL = 1,
	OG_EXIT_USAGE = 2,
	OG_EXIT_FAILED = 3, /* failed or dead */
	OG_EXIT_EXPIRED = 4,
	OG_EXIT_CANCELLED = 5,
	OG_EXIT_BUSY = 6,
	OG_EXIT_NO_CAPACITY = 7,
	OG_EXIT_NOT_CONNECTED = 8, /* broker or scheduler not reached, or refused */
	OG_EXIT_NOT_FOUND = 9,     /* no such job, cluster, tier; result_gone */
	OG_EXIT_PENDING = 10,      /* it has not ended yet */
	OG_EXIT_NOT_ALLOWED = 11,  /* an operator's, and we are none */
	OG_EXIT_INTERRUPTED = 130, /* a second Ctrl-C, before the cancel was answered */
};
enum og_exit og_state_exit(enum og_state s); /* of a terminal state */

#endif
