/* What another version of the table left on the broker, and posting cannot mend. */
#ifndef OG_BROKER_CONFIG_UPGRADE_H
#define OG_BROKER_CONFIG_UPGRADE_H

#include "drift.h"
#include "management.h"

/* Deletes of what differs the queues that are empty (but for those that workers read), and of what is extra the
 * bindings between exchanges and queues of `desired`; says each on stdout. -1 and FATAL: a scheduler leads; else as
 * og_management_call. */
int og_upgrade_remove(const struct og_management *m, const char *vhost, const json_t *desired,
	const struct og_drifts *drifts, struct og_error *err);

#endif
