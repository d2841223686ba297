/* Reservations whose gateway has died: each is closed as its job ended. */
#ifndef OG_API_ORPHANS_H
#define OG_API_ORPHANS_H

#include "api/api.h"

/* Asks the scheduler about each job: one that ended is settled as its result says, one that nobody knows is refunded; of one
 * that lives still the store asks again. */
void og_orphans_settle(struct og_api *api, const struct og_orphan *orphans, size_t n);

#endif
