/* What people ask about: a tier's queue in numbers, and the live jobs that fit a filter. Reads the plan, changes
 * nothing. */
#ifndef OG_SCHEDULER_VIEW_H
#define OG_SCHEDULER_VIEW_H

#include "plan/admit.h"

#define OG_VIEW_LOOKED_MAX 20000 /* jobs of one list that a filter is tried on */

struct og_queue_view {
	unsigned waiting[OG_CLASSES];
	uint64_t waiting_bytes;
	int64_t oldest_ms; /* how long ago the oldest of them was accepted; 0: nobody waits */
	double per_min;    /* jobs that workers end */
};
void og_view_queue(const struct og_plan *p, unsigned tier, int64_t now, int64_t wall, struct og_queue_view *ret);

/* Each may be absent: -1, NULL, 0. */
struct og_filter {
	int tier, class, state;
	const char *tenant;
	int64_t since_ms;
	/* Those behind this one in a list, newest first: those accepted before it, or with it and of a lower id. */
	int64_t before_ms;
	const char *before_id; /* with before_ms */
};
bool og_filter_fits(const struct og_filter *f, const struct og_entry *e);
/* At most `max` of the live jobs that fit, newest first; f->state is that of a live job. Returns how many. */
size_t og_view_jobs(const struct og_plan *p, const struct og_filter *f, const struct og_entry **out, size_t max);

#endif
