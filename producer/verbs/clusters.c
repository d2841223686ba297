#include <string.h>

#include "base/alloc.h"
#include "membership.h"
#include "node.h"
#include "verbs.h"

static const char *const headings[] = {"CLUSTER", "ROLE", "NODE", "SERVICE", "STATE"};

static const char *role_of(const struct og_membership *m)
{
	return m->serve ? "worker" : "peer";
}

/* What the supervisor says of a service; "stopped" where it does not run. */
static const char *state_of(const json_t *status, const char *service)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(status, "services"), i, item)
	{
		const char *name = json_string_value(json_object_get(item, "name"));

		if (name && !strcmp(name, service))
			return json_string_value(json_object_get(item, "state"));
	}
	return "stopped";
}

static enum og_exit run(struct og_cli *c)
{
	struct og_memberships memberships;
	struct og_table *table;
	json_t *status = NULL, *list = json_array();
	struct og_error err;

	if (og_memberships_load(&c->settings, NULL, &memberships, &err) < 0) {
		json_decref(list);
		return og_cli_fail(c, OG_EXIT_USAGE, &err);
	}
	table = og_table_new(headings, OG_COUNT(headings));
	og_node_call(&c->settings, "status", OG_NODE_CALL_MS, &status, NULL);
	for (size_t i = 0; i < memberships.n; i++) {
		const struct og_membership *m = &memberships.items[i];
		struct og_node_id id;
		const char *node = og_membership_id(&c->settings, m->node, &id, NULL) == 0 ? id.name : m->node;
		const char *cells[] = {m->cluster, role_of(m), node, m->service, state_of(status, m->service)};

		for (size_t k = 0; k < OG_COUNT(cells); k++)
			og_table_cell(table, "%s", cells[k]);
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "cluster", cells[0], "role", cells[1], "node",
				      cells[2], "service", cells[3], "state", cells[4]));
	}
	json_decref(status);
	og_memberships_done(&memberships);
	if (c->common.json) {
		og_table_free(table);
		return og_cli_json(c, json_pack("{s:o}", "clusters", list));
	}
	json_decref(list);
	return og_cli_table(c, table);
}

const struct og_verb og_verb_clusters = {
	.name = "clusters",
	.arguments = "",
	.summary = "lists the clusters that this machine is connected to, and as what",
	.run = run,
};
