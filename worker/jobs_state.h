/* What the parts of og_jobs share: intake.c (what comes in), jobs.c (what becomes of it), chunks.c (who hears of it while
 * it runs), settle.c (how it ends). */
#ifndef OG_WORKER_JOBS_STATE_H
#define OG_WORKER_JOBS_STATE_H

#include "jobs.h"

bool og_jobs_past(int64_t deadline_ms); /* by the wall clock; 0: never */
void og_jobs_changed(struct og_jobs *j);

/* Starts what may start now. */
void og_jobs_fill(struct og_jobs *j);
/* A new run, into the line; its deadline is looked after from now on. */
void og_jobs_wait(struct og_jobs *j, struct og_run *r);
void og_jobs_let_go(struct og_jobs *j, struct og_run *r); /* of the engine, where it has it */

/* One chunk of what the engine says, to all that hear the run. */
void og_jobs_chunk(struct og_jobs *j, struct og_run *r, const char *text, size_t len);
void og_jobs_send_bundle(struct og_jobs *j, struct og_run *r); /* what waits for the end of the turn, now */

/* Publishes how it ended: at the end of the turn, where its chunks are out too; or now. */
void og_jobs_end_with_turn(struct og_jobs *j, struct og_run *r);
void og_jobs_publish_end(struct og_run *r);

/* The run is over: says so, whichever way it ended; with a fault that another try may mend the job is handed back.
 * `words` explain a fault. */
void og_jobs_settle(struct og_jobs *j, struct og_run *r, enum og_fault fault, const char *words);
void og_jobs_settle_again(struct og_jobs *j); /* what the broker refused */
void og_jobs_try_again(struct og_jobs *j);    /* that, and what else the broker refused, in a second */

#endif
