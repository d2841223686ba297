/* The two sides that apply and check compare. */
#ifndef OG_BROKER_CONFIG_DEFINITIONS_H
#define OG_BROKER_CONFIG_DEFINITIONS_H

#include "management.h"

/* What the broker says of itself. FATAL: not a RabbitMQ, or older than 3.10. */
int og_definitions_fetch(const struct og_management *m, json_t **ret, struct og_error *err);

/* The broker as the settings, the catalogue and the secrets want it: the table, this host's own users, and for each
 * user of a role that `actual` knows in this vhost (nodes that were invited) what that role may do. `create`: secrets
 * that are not there are made; else a user without its file is left out. */
int og_definitions_desired(
	const struct og_settings *s, const json_t *actual, bool create, json_t **ret, struct og_error *err);

#endif
