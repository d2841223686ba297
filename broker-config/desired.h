/* The broker as it should be, in the form of RabbitMQ's own definitions (GET and POST /api/definitions): an object of
 * arrays "vhosts", "users", "permissions", "topic_permissions", "exchanges", "queues" and "bindings". */
#ifndef OG_BROKER_CONFIG_DESIRED_H
#define OG_BROKER_CONFIG_DESIRED_H

#include <jansson.h>

#include "model/topology.h"

/* The vhost with its exchanges, queues and bindings; no users yet. */
json_t *og_desired_new(const struct og_topology *t, const char *vhost);

/* A user of a role with what that role may do; `password` NULL: the user is there already and stays as it is (to post a
 * user without a password would take the password away). */
void og_desired_add_user(json_t *desired, const char *vhost, enum og_role role, const char *user, const char *password);

#endif
