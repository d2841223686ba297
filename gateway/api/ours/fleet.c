/* /api/v1/nodes, /tiers, /queues: who is there and what waits where; and what operators order. */
#include <stdlib.h>
#include <string.h>

#include "api/ours/ours.h"
#include "api/tiers.h"
#include "base/alloc.h"
#include "base/parse.h"
#include "model/json.h"

static json_t *refused(struct og_web_call *c, const struct og_refusal *why)
{
	og_refuse(c, why);
	return NULL;
}

/* ── nodes ── */

static json_t *nodes(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	(void)api;
	(void)c;
	return json_pack(
		"{s:O?, s:O*}", "nodes", json_object_get(answer, "peers"), "more", json_object_get(answer, "more"));
}

void og_nodes_list(struct og_api *api, struct og_web_call *c)
{
	og_api_ask(api, c, "peers", NULL, nodes);
}

static bool is_text(const json_t *object, const char *key, const char *text)
{
	const char *is = json_string_value(json_object_get(object, key));

	return is && !strcmp(is, text);
}

static json_t *find_node(const json_t *answer, const char *name)
{
	json_t *node;
	size_t i;

	json_array_foreach(json_object_get(answer, "peers"), i, node)
	{
		if (is_text(node, "id", name) || is_text(node, "name", name))
			return json_incref(node);
	}
	return NULL;
}

static json_t *node(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	json_t *found = find_node(answer, og_web_part(c, 0));
	struct og_refusal why;

	(void)api;
	if (found)
		return found;
	og_refuse_with(&why, 404, "not_found",
		"no node of the id or name '%.100s' is heard: GET /api/v1/nodes lists them", og_web_part(c, 0));
	return refused(c, &why);
}

void og_nodes_show(struct og_api *api, struct og_web_call *c)
{
	og_api_ask(api, c, "peers", NULL, node);
}

void og_nodes_drain(struct og_api *api, struct og_web_call *c)
{
	og_ours_order(api, c, "drain", json_pack("{s:s}", "node", og_web_part(c, 0)), NULL);
}

void og_nodes_undrain(struct og_api *api, struct og_web_call *c)
{
	og_ours_order(api, c, "drain", json_pack("{s:s, s:b}", "node", og_web_part(c, 0), "undo", 1), NULL);
}

/* ── registration, heartbeat ──
 *
 * A node is in the cluster when its workers speak on the broker, with credentials of its own that an operator made by
 * `og-broker-config invite`. The gateway can make none, on purpose: whoever breaks into the one part that faces the world
 * must not be able to let nodes in. So to register here is to be told whether one is in, or how to get in. */

static json_t *registered(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	size_t len;
	const char *text = og_web_body(c, &len);
	struct og_refusal why;
	json_t *body = NULL, *found = NULL;

	(void)api;
	if (og_json_parse(text, len, &body, NULL) == 0)
		found = find_node(answer, json_string_value(json_object_get(body, "id")));
	json_decref(body);
	if (found)
		return json_pack("{s:b, s:o}", "registered", 1, "node", found);
	og_refuse_with(&why, 403, "invite_needed",
		"the node is not heard on the broker. Nodes are let in by an operator: `og-broker-config invite NAME` "
		"on the "
		"broker's host prints a line, `og-broker-config accept LINE` takes it on the node, and its workers are "
		"heard "
		"within seconds of their start");
	return refused(c, &why);
}

void og_nodes_register(struct og_api *api, struct og_web_call *c)
{
	json_t *body = og_api_json_body(c);
	const char *id = json_string_value(json_object_get(body, "id"));
	struct og_refusal why;

	if (!body)
		return;
	if (id && *id && strlen(id) < OG_NAME_MAX) {
		og_api_ask(api, c, "peers", NULL, registered);
	} else {
		og_refuse_with(&why, 400, "invalid_request", "id: is to be the node's id, or its name");
		og_refuse(c, &why);
	}
	json_decref(body);
}

/* What its worker that was heard last said, and what it is to do. */
static json_t *heartbeat(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	json_t *found = node(api, c, answer), *beat, *orders;
	const json_t *worker;
	json_int_t heard = -1;
	bool drains = false;
	size_t i;

	if (!found)
		return NULL;
	json_array_foreach(json_object_get(found, "workers"), i, worker)
	{
		json_int_t ago = json_integer_value(json_object_get(worker, "seen_ms_ago"));

		heard = heard < 0 || ago < heard ? ago : heard;
		drains = drains || json_is_true(json_object_get(worker, "draining"));
	}
	orders = drains ? json_pack("[s]", "drain") : json_array();
	beat = json_pack("{s:O, s:O, s:o}", "id", json_object_get(found, "id"), "name", json_object_get(found, "name"),
		"orders", orders);
	if (heard >= 0)
		json_object_set_new(beat, "heard_ms_ago", json_integer(heard));
	json_decref(found);
	return beat;
}

void og_nodes_heartbeat(struct og_api *api, struct og_web_call *c)
{
	og_api_ask(api, c, "peers", NULL, heartbeat);
}

/* ── tiers, queues ── */

static json_t *tier(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	const json_t *found = og_tiers_find(answer, og_web_part(c, 0));
	struct og_refusal why;

	(void)api;
	if (found)
		return json_incref((json_t *)found);
	og_refuse_with(
		&why, 404, "not_found", "there is no tier '%.100s': GET /api/v1/tiers lists them", og_web_part(c, 0));
	return refused(c, &why);
}

void og_tiers_list(struct og_api *api, struct og_web_call *c)
{
	og_api_ask(api, c, "tiers", NULL, NULL);
}

void og_tiers_show(struct og_api *api, struct og_web_call *c)
{
	og_api_ask(api, c, "tiers", NULL, tier);
}

void og_tiers_pause(struct og_api *api, struct og_web_call *c)
{
	og_ours_order(api, c, "pause", json_pack("{s:s}", "tier", og_web_part(c, 0)), NULL);
}

void og_tiers_resume(struct og_api *api, struct og_web_call *c)
{
	og_ours_order(api, c, "resume", json_pack("{s:s}", "tier", og_web_part(c, 0)), NULL);
}

void og_queues_list(struct og_api *api, struct og_web_call *c)
{
	og_api_ask(api, c, "queues", NULL, NULL);
}
