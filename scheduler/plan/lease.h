/* Leases: HMAC-SHA256(key, "<job id>|<attempt>|<epoch>") in lower-case hex. A `done` has to echo the lease of the
 * placement that it answers, so that a worker can end only what it was given. The key is known to schedulers alone. */
#ifndef OG_SCHEDULER_LEASE_H
#define OG_SCHEDULER_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OG_LEASE_HEX 64

struct og_lease;

struct og_lease *og_lease_new(const void *key, size_t len);
void og_lease_free(struct og_lease *l);
void og_lease_make(
	struct og_lease *l, const char *id, int64_t attempt, int64_t epoch, char ret[static OG_LEASE_HEX + 1]);
bool og_lease_fits(struct og_lease *l, const char *id, int64_t attempt, int64_t epoch, const char *lease);
/* The first OG_PRESENCE_LEASE digits of it, which a heartbeat shows for each run. */
bool og_lease_fits_short(struct og_lease *l, const char *id, int64_t attempt, int64_t epoch, const char *lease);

#endif
