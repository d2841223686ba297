/* When a submit was accepted, or refused, in ms since the Unix epoch: the time is also what tells two submits of one id
 * apart, where the first was refused and comes again within the millisecond. So a refusal's is odd, an accepted job's
 * even, and that of a job above every refusal's before it. */
#ifndef OG_SCHEDULER_STAMP_H
#define OG_SCHEDULER_STAMP_H

#include <stdint.h>

struct og_stamps {
	int64_t refused; /* the latest */
};

static inline int64_t og_stamp_refused(struct og_stamps *s, int64_t wall)
{
	return s->refused = wall | 1;
}

static inline int64_t og_stamp_accepted(struct og_stamps *s, int64_t wall)
{
	/* A refusal's that is further ahead is of a clock that was set back since. */
	int64_t after = s->refused >= wall && s->refused <= wall + 1 ? s->refused : wall;

	return (after + 1) & ~(int64_t)1;
}

#endif
