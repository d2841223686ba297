#include "definitions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "desired.h"
#include "secrets.h"

#define LEAST_MAJOR 3
#define LEAST_MINOR 10

/* The users that this host's own programs connect as. */
static const struct {
	enum og_role role;
	const char *user;
} local_users[] = {
	{OG_ROLE_SCHEDULER, "scheduler"},
	{OG_ROLE_GATEWAY, "gateway"},
	{OG_ROLE_WORKER, "worker-local"},
	{OG_ROLE_PRODUCER, "producer-local"},
	{OG_ROLE_OPERATOR, "operator"},
};

static int check_version(const json_t *definitions, const char *url, struct og_error *err)
{
	const char *version = json_string_value(json_object_get(definitions, "rabbit_version"));
	int major, minor;

	if (!version || sscanf(version, "%d.%d", &major, &minor) != 2)
		return og_fail(err, OG_FATAL, "what answers at %s does not say which RabbitMQ it is", url);
	if (major < LEAST_MAJOR || (major == LEAST_MAJOR && minor < LEAST_MINOR))
		return og_fail(err, OG_FATAL,
			"the broker is RabbitMQ %s, and %d.%d is the least: older ones have quorum queues without a "
			"message TTL",
			version, LEAST_MAJOR, LEAST_MINOR);
	return 0;
}

int og_definitions_fetch(const struct og_management *m, json_t **ret, struct og_error *err)
{
	json_t *definitions = NULL;

	if (og_management_call(m, "GET", "/api/definitions", NULL, &definitions, NULL, err) != 0)
		return -1;
	if (check_version(definitions, m->url, err) != 0) {
		json_decref(definitions);
		return -1;
	}
	*ret = definitions;
	return 0;
}

static bool has_file(const struct og_settings *s, const char *role)
{
	og_autofree char *path = og_printf("%s/%s.credentials", s->secrets, role);

	return access(path, F_OK) == 0;
}

static int add_local_users(json_t *desired, const struct og_settings *s, bool create, struct og_error *err)
{
	for (size_t i = 0; i < OG_COUNT(local_users); i++) {
		enum og_role role = local_users[i].role;
		const char *name = og_role_name(role);
		struct og_credentials c;

		if (!create && !has_file(s, name))
			continue;
		if (og_secrets_credentials(s, name, local_users[i].user, &c, err) != 0)
			return -1;
		if (og_role_of_user(c.user) != (int)role)
			return og_fail(err, OG_FATAL, "%s/%s.credentials names the user '%s', which is no %s",
				s->secrets, name, c.user, name);
		og_desired_add_user(desired, s->cluster, role, c.user, c.password);
	}
	return 0;
}

static bool is_desired(const json_t *desired, const char *user)
{
	json_t *p;
	size_t i;

	json_array_foreach(json_object_get(desired, "permissions"), i, p)
	{
		if (strcmp(json_string_value(json_object_get(p, "user")), user) == 0)
			return true;
	}
	return false;
}

static void add_invited_users(json_t *desired, const char *vhost, const json_t *actual)
{
	json_t *p;
	size_t i;

	json_array_foreach(json_object_get(actual, "permissions"), i, p)
	{
		const char *user = json_string_value(json_object_get(p, "user"));
		const char *where = json_string_value(json_object_get(p, "vhost"));
		int role;

		if (!user || !where || strcmp(where, vhost) != 0 || !og_name_is_user(user) || is_desired(desired, user))
			continue;
		role = og_role_of_user(user);
		if (role >= 0)
			og_desired_add_user(desired, vhost, (enum og_role)role, user, NULL);
	}
}

int og_definitions_desired(
	const struct og_settings *s, const json_t *actual, bool create, json_t **ret, struct og_error *err)
{
	og_autofree struct og_catalogue *catalogue = NULL;
	struct og_topology *topology;
	json_t *desired;

	if (og_catalogue_load(s->catalogue, &catalogue, err) != 0)
		return -1;
	topology = og_topology_new(catalogue, &s->limits);
	desired = og_desired_new(topology, s->cluster);
	og_topology_free(topology);
	if (add_local_users(desired, s, create, err) != 0) {
		json_decref(desired);
		return -1;
	}
	add_invited_users(desired, s->cluster, actual);
	*ret = desired;
	return 0;
}
