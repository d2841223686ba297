/* Why a run ended without an answer: the typed errors of docs/PROTOCOL.md that a worker gives. */
#ifndef OG_WORKER_FAULT_H
#define OG_WORKER_FAULT_H

#include <stdbool.h>

#include "model/job.h"

enum og_fault {
	OG_FAULT_NONE,
	OG_FAULT_INVALID_REQUEST,    /* the prompt cannot be read, or there is none */
	OG_FAULT_UNKNOWN_VERSION,    /* of the message */
	OG_FAULT_TOO_LARGE,          /* prompt or answer */
	OG_FAULT_EXPIRED,            /* the deadline passed */
	OG_FAULT_CANCELLED,          /* someone said so */
	OG_FAULT_WORKER_LOST,        /* the worker that had it before is gone: nothing is known of how it ended there */
	OG_FAULT_DRAINING,           /* this worker stops, and the time is up */
	OG_FAULT_ENGINE_ERROR,       /* the engine refused this prompt: 4xx, in its words */
	OG_FAULT_ENGINE_UNAVAILABLE, /* it was not reached, or answers 5xx, 408 or 429 */
	OG_FAULT_ENGINE_CUT,         /* the stream broke off */
	OG_FAULT_ENGINE_STALLED,     /* nothing came for too long */
	OG_FAULT_ENGINE_GARBAGE,     /* what came is not what was agreed */
};

/* Words for TOO_LARGE. What counts is the body of `done`, where a line break takes two bytes: OG_BODY_MAX. */
#define OG_ANSWER_TOO_LARGE "the answer is too large: a message holds 8 MiB; ask for fewer tokens"

const char *og_fault_name(enum og_fault f);    /* "engine_cut", as it goes over the wire; NONE has no name */
enum og_state og_fault_state(enum og_fault f); /* the terminal state: NONE is DONE */

/* True where another try, elsewhere or later, may help: the job is handed back, not ended. */
bool og_fault_retryable(enum og_fault f);

/* True where the fault is the engine's and not the prompt's: before more work is taken, it should be asked how it is.
 */
bool og_fault_doubts_engine(enum og_fault f);

#endif
