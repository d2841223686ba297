/* What operators order: a tier to pause or resume, a node to drain or take back. */
#include <string.h>

#include "model/json.h"
#include "shell/orders.h"
#include "shell/rpc.h"

static void pause_or_resume(struct og_question *q, const json_t *args, bool paused)
{
	const char *name = json_string_value(json_object_get(args, "tier"));
	const struct og_tier *t = name ? og_catalogue_find(q->s->catalogue, name) : NULL;
	struct og_error err;

	if (!name) {
		og_rpc_fail(q, "invalid_request", "\"tier\" is missing: the id or an alias of a tier");
	} else if (!t) {
		og_catalogue_unknown(q->s->catalogue, name, NULL, &err);
		og_rpc_fail(q, "not_found", err.message);
	} else {
		og_order_pause(q->s, (unsigned)(t - q->s->catalogue->tiers), paused);
		og_rpc_answer(q, json_pack("{s:s, s:b}", "tier", t->id, "paused", paused));
	}
}

void og_rpc_pause(struct og_question *q, const json_t *args)
{
	pause_or_resume(q, args, true);
}

void og_rpc_resume(struct og_question *q, const json_t *args)
{
	pause_or_resume(q, args, false);
}

/* --- drain --- */

struct drained { /* what the answer tells */
	json_t *nodes;
	int64_t workers, running;
};

static void add_node(struct drained *d, const char *id, const char *name)
{
	json_array_append_new(d->nodes, json_pack("{s:s, s:o}", "id", id, "name", og_json_text(name)));
}

static void count_workers(struct drained *d, const struct og_nodes *nodes, const struct og_node *n)
{
	for (const struct og_worker *w = nodes->workers; w; w = w->hh.next) {
		if (w->node != n || !w->said.serve)
			continue;
		d->workers++;
		d->running += (int64_t)w->said.n_running;
	}
}

static void drain_nodes(struct og_question *q, const char *node, bool undo, struct drained *d)
{
	const struct og_nodes *nodes = &q->s->plan.nodes;
	const char *id, *name;

	for (const struct og_node *n = nodes->nodes; n; n = n->hh.next) {
		if (strcmp(n->id, node) != 0 && strcmp(n->name, node) != 0)
			continue;
		og_order_drain(q->s, n->id, n->name, !undo);
		add_node(d, n->id, n->name);
		count_workers(d, nodes, n);
	}
	/* One that has gone meanwhile can be taken back too. */
	if (undo && !json_array_size(d->nodes) && (id = og_orders_find_node(q->s, node, &name))) {
		add_node(d, id, name);
		og_order_drain(q->s, id, name, false);
	}
}

void og_rpc_drain(struct og_question *q, const json_t *args)
{
	const char *node = json_string_value(json_object_get(args, "node"));
	bool undo = json_is_true(json_object_get(args, "undo"));
	struct drained d = {0};

	if (!node || !*node) {
		og_rpc_fail(q, "invalid_request", "\"node\" is missing: the name or the id of a node");
		return;
	}
	d.nodes = json_array();
	drain_nodes(q, node, undo, &d);
	if (json_array_size(d.nodes)) {
		og_rpc_answer(q, json_pack("{s:o, s:I, s:I}", "nodes", d.nodes, "workers", (json_int_t)d.workers,
					 "running", (json_int_t)d.running));
		return;
	}
	json_decref(d.nodes);
	og_rpc_fail(q, "not_found", "no node of that name or id is there: `og peers` lists them");
}
