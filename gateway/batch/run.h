/* One batch that this gateway has claimed: its lines go through a window of jobs, what became of each goes to a file.
 *
 *   counts ──▶ runs ──────────────▶ ends: its files get their names and records, then its record says so
 *                │  ▲                  ▲
 *                │  └ another gateway  │
 *                └──▶ stops (cancelled, or its time is up): what is on its way ends
 *
 * A line's job has an id made of the batch and the line's number: a gateway that takes over goes through the file again from the
 * first line, and what ran is answered, not run again. So nothing but the record is kept on the way. */
#ifndef OG_GATEWAY_BATCH_RUN_H
#define OG_GATEWAY_BATCH_RUN_H

#include "api/api.h"

#define OG_BATCH_LEASE_MS 10000

struct og_batch_run;

/* `record` is shared; `owner`: who claimed it, borrowed. `over`: it is no longer run here, for whatever reason; the run is gone. */
struct og_batch_run *og_batch_run_start(struct og_api *api, json_t *record, const char *owner,
	void (*over)(void *ctx, struct og_batch_run *r), void *ctx);
const char *og_batch_run_id(const struct og_batch_run *r);
void og_batch_run_cancel(struct og_batch_run *r); /* its record says so already, and is claimed by us */
/* Leaves it as it is, for another gateway. `over` is not called. */
void og_batch_run_drop(struct og_batch_run *r);

#endif
