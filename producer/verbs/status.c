#include <inttypes.h>

#include "ask.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "joined.h"
#include "node.h"
#include "show.h"
#include "verbs.h"

#define ASK_MS 1500 /* to connect, and again to be answered: 3 s in all, and as much again for the peers */

static const char *const headings[] = {"SERVICE", "STATE", ">PID", ">UPTIME", ">RESTARTS"};

/* The nodes of this machine that should serve and do not, as far as anybody knows. */
static char *find_idle(struct og_cli *c, bool answered)
{
	json_t *peers = NULL;
	struct og_error err;
	char *names;

	if (answered)
		og_ask(c, NULL, "peers", NULL, ASK_MS, &peers, &err);
	if (og_joined_idle(&c->settings, peers, &names, &err) < 0)
		names = og_strdup(err.message);
	json_decref(peers);
	return names;
}

/* {"node": …, "broker": …, "scheduler": …}; what is not there is null, with the reason beside it. Silent: the node runs, and
 * does not answer. */
static json_t *gather(struct og_cli *c, bool *ret_well, bool *ret_silent)
{
	og_autofree char *socket = og_node_socket(&c->settings), *idle = NULL;
	json_t *node = NULL, *cluster = NULL, *all;
	struct og_error node_err = {0}, cluster_err = {0};
	struct og_cli quick = *c;

	quick.common.connect_timeout_ms = ASK_MS;
	og_node_call(&c->settings, "status", OG_NODE_CALL_MS, &node, &node_err);
	og_ask(&quick, NULL, "status", NULL, ASK_MS, &cluster, &cluster_err);
	idle = find_idle(&quick, cluster != NULL);
	*ret_silent = node_err.kind == OG_BUSY;
	*ret_well = json_is_true(json_object_get(node, "ready")) && cluster && !*idle;
	all = json_pack("{s:s, s:s, s:s, s:o?, s:s?, s:o?, s:s?}", "socket", socket, "broker",
		c->settings.broker_endpoints, "cluster", c->settings.cluster, "node", node, "node_error",
		node ? NULL : node_err.message, "scheduler", json_incref(json_object_get(cluster, "scheduler")),
		"scheduler_error", cluster ? NULL : cluster_err.message);
	json_decref(cluster);
	if (*idle)
		json_object_set_new(all, "not_serving", json_string(idle));
	return all;
}

static void add_fact(struct og_table *table, const char *name, const char *value)
{
	og_table_cell(table, "%s", name);
	og_table_cell(table, "%s", value);
}

static struct og_table *make_facts(const json_t *all, bool silent)
{
	struct og_table *table = og_table_new(NULL, 2);
	const json_t *node = json_object_get(all, "node"), *leader = json_object_get(all, "scheduler");
	const char *idle = og_show_text(all, "not_serving");
	og_autofree char *about_node = NULL, *about_leader = NULL;
	char since[OG_SHOW_SIZE];

	if (json_is_object(node)) {
		og_show_duration(og_clock_wall_ms() - og_show_int(node, "started_ms"), since);
		about_node = og_printf("running for %s, %s%s (pid %" PRId64 ")", since,
			!json_is_true(json_object_get(node, "ready")) ? "not ready"
			: *idle                                       ? "but it does not serve: "
								      : "healthy",
			json_is_true(json_object_get(node, "ready")) ? idle : "", og_show_int(node, "pid"));
	}
	if (json_is_object(leader)) {
		og_show_duration(og_clock_wall_ms() - og_show_int(leader, "leading_since_ms"), since);
		about_leader = og_printf("leads for %s, epoch %" PRId64 ", %" PRId64 " nodes, %" PRId64
					 " jobs waiting, %" PRId64 " placed, Redis %s",
			since, og_show_int(leader, "epoch"), og_show_int(leader, "nodes"),
			og_show_int(leader, "waiting"), og_show_int(leader, "placed"), og_show_text(leader, "redis"));
	}
	add_fact(table, "node", about_node ? about_node : silent ? "does not answer" : "not running");
	add_fact(table, "listens on", og_show_text(all, "socket"));
	add_fact(table, "broker", og_show_text(all, "broker"));
	add_fact(table, "cluster", og_show_text(all, "cluster"));
	add_fact(table, "scheduler", about_leader ? about_leader : og_show_text(all, "scheduler_error"));
	return table;
}

static struct og_table *make_services(const json_t *services)
{
	struct og_table *table = og_table_new(headings, OG_COUNT(headings));
	const json_t *service;
	size_t i;

	json_array_foreach(services, i, service)
	{
		char uptime[OG_SHOW_SIZE] = "";

		if (og_show_int(service, "pid"))
			og_show_duration(og_clock_wall_ms() - og_show_int(service, "started_ms"), uptime);
		og_table_cell(table, "%s", og_show_text(service, "name"));
		og_table_cell(table, "%s", og_show_text(service, "state"));
		og_table_cell(table, "%" PRId64, og_show_int(service, "pid"));
		og_table_cell(table, "%s", uptime);
		og_table_cell(table, "%" PRId64, og_show_int(service, "restarts"));
	}
	return table;
}

static enum og_exit run(struct og_cli *c)
{
	const json_t *services;
	enum og_exit exit;
	json_t *all;
	bool well, silent;

	all = gather(c, &well, &silent);
	if (c->common.json) {
		exit = og_cli_json(c, all);
	} else {
		services = json_object_get(json_object_get(all, "node"), "services");
		exit = og_cli_table(c, make_facts(all, silent));
		if (exit == OG_EXIT_ANSWERED && json_array_size(services))
			exit = og_cli_table(c, make_services(services));
		json_decref(all);
	}
	return exit == OG_EXIT_ANSWERED && !well ? OG_EXIT_NOT_CONNECTED : exit;
}

const struct og_verb og_verb_status = {
	.name = "status",
	.arguments = "",
	.summary = "shows this node's services, the broker and the leading scheduler",
	.details = "\nExits with 0 when the node runs, all its services are ready, a scheduler answers, and what "
		   "should serve\n"
		   "here does; else with 8.",
	.run = run,
};
