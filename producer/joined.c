#include "joined.h"

#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "base/buf.h"
#include "base/clock.h"
#include "membership.h"
#include "node.h"
#include "show.h"

#define POLL_US 200000
#define IDS_CAP 4096u

enum heard { HEARD_NOT, HEARD_PEER, HEARD_SERVING };

static enum heard judge(const json_t *answer, const char *node_id)
{
	const json_t *peers = json_object_get(answer, "peers"), *peer;
	size_t i;

	json_array_foreach(peers, i, peer)
	{
		if (strcmp(og_show_text(peer, "id"), node_id) == 0)
			return json_is_true(json_object_get(peer, "serve")) ? HEARD_SERVING : HEARD_PEER;
	}
	return HEARD_NOT;
}

enum og_exit og_joined_wait(struct og_cli *c, const char *cluster, const char *name, bool serve)
{
	int64_t start = og_clock_mono_ms();
	enum heard heard = HEARD_NOT;
	enum og_exit exit = OG_EXIT_ANSWERED;
	struct og_error err = {0};
	struct og_settings named = c->settings;
	struct og_node_id node;

	named.node_name = (char *)name; /* borrowed, and only read */
	if (og_node_id_load(&named, &node, &err) < 0)
		return og_cli_fail(c, OG_EXIT_INTERNAL, &err);
	while (og_clock_mono_ms() - start < (heard == HEARD_PEER ? OG_SERVING_MS : OG_HEARD_MS)) {
		json_t *answer;

		exit = og_ask(c, cluster, "peers", NULL, OG_ASK_MS, &answer, &err);
		if (exit == OG_EXIT_ANSWERED) {
			heard = judge(answer, node.id);
			json_decref(answer);
		}
		if (heard == HEARD_SERVING || (heard == HEARD_PEER && !serve))
			break;
		og_screen_progress(&c->screen, heard == HEARD_PEER ? "waiting for the engine" : "waiting to be heard");
		usleep(POLL_US);
	}
	og_screen_settle(&c->screen);
	if (heard == HEARD_NOT) {
		if (exit == OG_EXIT_ANSWERED)
			og_fail(&err, OG_RETRY, "no scheduler heard this node within %d s: look into %s/logs",
				OG_HEARD_MS / 1000, c->settings.root);
		return og_cli_fail(c, OG_EXIT_NOT_CONNECTED, &err);
	}
	if (serve && heard == HEARD_PEER)
		og_screen_note(
			&c->screen, "in %s, but it does not serve yet: %s/logs says why", cluster, c->settings.root);
	return OG_EXIT_ANSWERED;
}

bool og_joined_nobody_serves(const json_t *answer)
{
	const json_t *peers = json_object_get(answer, "peers"), *peer;
	size_t i;

	json_array_foreach(peers, i, peer)
	{
		if (json_is_true(json_object_get(peer, "serve")))
			return false;
	}
	return json_is_array(peers) && !json_object_get(answer, "more");
}

int og_joined_ids(const struct og_settings *s, char **ret, struct og_error *err)
{
	struct og_settings named = *s;
	struct og_memberships all;
	struct og_node_id node;
	struct og_buf ids;
	int rc = 0;

	if (og_memberships_load(s, s->cluster, &all, err) < 0)
		return -1;
	og_buf_init(&ids, IDS_CAP);
	for (size_t i = 0; i < all.n && !rc; i++) {
		named.node_name = all.items[i].node; /* borrowed, and only read */
		rc = og_node_id_load(&named, &node, err);
		if (!rc && !strstr(og_buf_str(&ids), node.id) &&
			og_buf_addf(&ids, "%s%s", ids.len ? "," : "", node.id) < 0)
			rc = og_fail(err, OG_INVALID, "this machine has too many nodes to name: NODE_NAME names one");
	}
	og_memberships_done(&all);
	if (!rc)
		*ret = og_buf_take(&ids);
	og_buf_done(&ids);
	return rc;
}

int og_joined_idle(const struct og_settings *s, const json_t *peers, char **ret, struct og_error *err)
{
	struct og_settings named = *s;
	struct og_memberships all;
	struct og_node_id node;
	struct og_buf names;
	int rc = 0;

	if (og_memberships_load(s, s->cluster, &all, err) < 0)
		return -1;
	og_buf_init(&names, IDS_CAP);
	for (size_t i = 0; i < all.n && !rc; i++) {
		if (!all.items[i].serve)
			continue;
		named.node_name = all.items[i].node; /* borrowed, and only read */
		rc = og_node_id_load(&named, &node, err);
		if (!rc && judge(peers, node.id) != HEARD_SERVING)
			og_buf_addf(&names, "%s%s", names.len ? ", " : "", node.name);
	}
	og_memberships_done(&all);
	if (!rc)
		*ret = og_buf_take(&names);
	og_buf_done(&names);
	return rc;
}
