/* The body of a `done`: docs/PROTOCOL.md. Pure. */
#ifndef OG_WORKER_DONE_H
#define OG_WORKER_DONE_H

#include "identity.h"
#include "runs.h"

/* The answer, with timings and who gave it; an answer whose body would be above OG_BODY_MAX gives NULL. The caller
 * frees. */
char *og_done_answer(const struct og_run *r, const struct og_identity *who);
/* r->fault, in words for the submitter; timings and node only where it ran. */
char *og_done_error(const struct og_run *r, const struct og_identity *who, const char *words);

/* Of one run that has ended, between its first token and its end; 0: too short or too few to tell. */
double og_done_tokens_per_s(const struct og_run *r);

#endif
