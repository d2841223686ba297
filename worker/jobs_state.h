/* What the parts of og_jobs share: intake.c (what comes in) and jobs.c (what becomes of it). */
#ifndef OG_WORKER_JOBS_STATE_H
#define OG_WORKER_JOBS_STATE_H

#include "jobs.h"

bool og_jobs_past(int64_t deadline_ms); /* by the wall clock; 0: never */
void og_jobs_changed(struct og_jobs *j);
void og_jobs_start(struct og_jobs *j, struct og_run *r); /* a new run, or one of the line */
/* The run is over: says so, whichever way it ended. `words` explain a fault. */
void og_jobs_settle(struct og_jobs *j, struct og_run *r, enum og_fault fault, const char *words);

#endif
