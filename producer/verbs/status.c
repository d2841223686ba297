#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ask.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "joined.h"
#include "node.h"
#include "show.h"
#include "verbs.h"

#define ASK_MS 1500 /* to connect, and again to be answered: 3 s in all, and as much again for the peers */
#define WORDS  512

static const char *const headings[] = {"SERVICE", "STATE", ">PID", ">UPTIME", ">RESTARTS"};

struct health {
	bool silent;    /* the node runs, and does not answer */
	bool well;      /* it runs, and so does all that it needs */
	bool nobody;    /* no worker of the whole cluster serves */
	char *idle;     /* this machine's nodes that should serve and do not, as far as anybody knows; "" none */
	char *outdated; /* services that have not seen the settings as they are in the file; "" none */
};

static void look_at_serving(struct og_cli *c, bool answered, struct health *h)
{
	json_t *answer = NULL;
	struct og_error err;

	if (answered)
		og_ask(c, NULL, "peers", NULL, ASK_MS, &answer, &err);
	if (og_joined_idle(&c->settings, answer, &h->idle, &err) < 0)
		h->idle = og_strdup(err.message);
	h->nobody = og_joined_nobody_serves(answer);
	json_decref(answer);
}

/* {"node": …, "broker": …, "scheduler": …}; what is not there is null, with the reason beside it. */
static json_t *gather(struct og_cli *c, struct health *h)
{
	og_autofree char *socket = og_node_socket(&c->settings);
	json_t *node = NULL, *cluster = NULL, *all;
	struct og_error node_err = {0}, cluster_err = {0};
	struct og_cli quick = *c;

	quick.common.connect_timeout_ms = ASK_MS;
	og_node_call(&c->settings, "status", OG_NODE_CALL_MS, &node, &node_err);
	og_ask(&quick, NULL, "status", NULL, ASK_MS, &cluster, &cluster_err);
	look_at_serving(&quick, cluster != NULL, h);
	h->outdated = og_node_outdated(&c->settings, json_object_get(node, "services"));
	h->silent = node_err.kind == OG_BUSY;
	h->well = json_is_true(json_object_get(node, "ready")) && cluster && !*h->idle;
	all = json_pack("{s:s, s:s, s:s, s:o?, s:s?, s:o?, s:s?}", "socket", socket, "broker",
		c->settings.broker_endpoints, "cluster", c->settings.cluster, "node", node, "node_error",
		node ? NULL : node_err.message, "scheduler", json_incref(json_object_get(cluster, "scheduler")),
		"scheduler_error", cluster ? NULL : cluster_err.message);
	json_decref(cluster);
	if (*h->idle)
		json_object_set_new(all, "not_serving", json_string(h->idle));
	if (h->nobody)
		json_object_set_new(all, "nobody_serves", json_true());
	if (*h->outdated)
		json_object_set_new(all, "outdated", json_string(h->outdated));
	return all;
}

static void add_fact(struct og_table *table, const char *name, const char *value)
{
	og_table_cell(table, "%s", name);
	og_table_cell(table, "%s", value);
}

static const char *how_it_is(const json_t *node, const struct health *h, char room[static WORDS])
{
	if (!json_is_true(json_object_get(node, "ready")))
		return "not ready";
	if (!*h->idle)
		return h->nobody ? "but nobody serves" : "healthy";
	snprintf(room, WORDS, "but it does not serve: %s", h->idle);
	return room;
}

static struct og_table *make_facts(const struct og_cli *c, const json_t *all, const struct health *h)
{
	struct og_table *table = og_table_new(NULL, 2);
	const json_t *node = json_object_get(all, "node"), *leader = json_object_get(all, "scheduler");
	og_autofree char *about_node = NULL, *about_leader = NULL, *remedy = NULL;
	char since[OG_SHOW_SIZE], words[WORDS];

	if (json_is_object(node)) {
		og_show_duration(og_clock_wall_ms() - og_show_int(node, "started_ms"), since);
		about_node = og_printf("running for %s, %s (pid %" PRId64 ")", since, how_it_is(node, h, words),
			og_show_int(node, "pid"));
	}
	if (json_is_object(leader)) {
		og_show_duration(og_clock_wall_ms() - og_show_int(leader, "leading_since_ms"), since);
		about_leader = og_printf("leads for %s, epoch %" PRId64 ", %" PRId64 " nodes, %" PRId64
					 " jobs waiting, %" PRId64 " placed, Redis %s",
			since, og_show_int(leader, "epoch"), og_show_int(leader, "nodes"),
			og_show_int(leader, "waiting"), og_show_int(leader, "placed"), og_show_text(leader, "redis"));
	}
	add_fact(table, "node", about_node ? about_node : h->silent ? "does not answer" : "not running");
	add_fact(table, "listens on", og_show_text(all, "socket"));
	add_fact(table, "broker", og_show_text(all, "broker"));
	add_fact(table, "cluster", og_show_text(all, "cluster"));
	add_fact(table, "scheduler", about_leader ? about_leader : og_show_text(all, "scheduler_error"));
	if (*h->idle) {
		remedy = og_printf("%s/logs says why not: look at the worker's and the engine's", c->settings.root);
		add_fact(table, "serving", remedy);
	} else if (h->nobody) {
		remedy = og_printf(
			"no worker serves in %s, prompts are refused: `POC_SERVE=1 og connect %s` has this machine "
			"serve, or connect one that does",
			c->settings.cluster, c->settings.cluster);
		add_fact(table, "serving", remedy);
	}
	if (*h->outdated)
		add_fact(table, "settings", "changed since start: og stop && og start (or restart the systemd unit)");
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
	struct health h = {0};
	const json_t *services;
	enum og_exit exit;
	json_t *all = gather(c, &h);

	if (c->common.json) {
		exit = og_cli_json(c, all);
	} else {
		services = json_object_get(json_object_get(all, "node"), "services");
		exit = og_cli_table(c, make_facts(c, all, &h));
		if (exit == OG_EXIT_ANSWERED && json_array_size(services))
			exit = og_cli_table(c, make_services(services));
		json_decref(all);
	}
	free(h.idle);
	free(h.outdated);
	if (exit != OG_EXIT_ANSWERED)
		return exit;
	return !h.well ? OG_EXIT_NOT_CONNECTED : h.nobody ? OG_EXIT_NO_CAPACITY : OG_EXIT_ANSWERED;
}

const struct og_verb og_verb_status = {
	.name = "status",
	.arguments = "",
	.summary = "shows this node's services, the broker and the leading scheduler",
	.details =
		"\nExits with 0 when the node runs, all its services are ready, a scheduler answers, and what "
		"should serve\n"
		"here does; else with 8; with 7 when all that is well, but no worker of the cluster serves. It tells "
		"where\n"
		"config.ini or the catalogue was changed since a service started, which then goes by the old one.",
	.run = run,
};
