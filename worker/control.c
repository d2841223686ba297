/* What a worker consumes: its control queue always, its tier's queue while it serves. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/parse.h"
#include "worker_state.h"

static void on_delivery(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_worker *w = ctx;

	og_jobs_take(&w->jobs, m, epoch);
}

static void consume(struct og_worker *w)
{
	char queue[OG_KEY_MAX];

	og_queue_tier(w->serving.choice.tier->key, queue);
	w->consumer = w->in->ops->recipe_consume(w->in, queue, (unsigned)w->slots, 0, on_delivery, w);
}

static bool wants_work(const struct og_worker *w)
{
	return w->serving.ready && !w->draining;
}

/* Begins or ends consuming, as things are now. RabbitMQ 3.10 loses its way when a channel consumes again while it
 * still holds deliveries of a consumer that was cancelled, so after a pause work is taken up only when nothing is
 * held. */
void og_worker_consume_or_not(struct og_worker *w)
{
	if (w->consumer && !wants_work(w)) {
		w->in->ops->cancel(w->in, w->consumer);
		w->consumer = 0;
	} else if (!w->consumer && wants_work(w) && !og_jobs_count(&w->jobs)) {
		consume(w);
	} else {
		return;
	}
	og_pulse_change(&w->pulse, OG_PULSE_CHANGE_MS);
}

static void bind_control(struct og_worker *w, const char *scope, const char *name)
{
	struct og_binding b = {.exchange = OG_X_CONTROL};
	char key[OG_WORKER_MAX];

	if (og_name_key(name, key, sizeof(key), NULL) < 0)
		return; /* longer than a key can be: `all` and the tier still reach it */
	snprintf(b.queue, sizeof(b.queue), "%s", w->control);
	if ((size_t)snprintf(b.key, sizeof(b.key), "%s%s", scope, key) < sizeof(b.key))
		w->in->ops->recipe_bind(w->in, &b);
}

void og_worker_bind_tier(struct og_worker *w)
{
	bind_control(w, "tier.", w->who.tier);
	bind_control(w, "worker.", w->who.worker);
}

static void hear_members(struct og_worker *w, const struct og_message *m)
{
	og_autofree struct og_member *members = NULL;
	og_autofree char *text = NULL, *line = NULL;
	size_t n, count;
	struct og_error err;

	if (og_membership_decode(m->body, m->body_len, &members, &n, &count, &err) < 0) {
		og_debug("a membership message that cannot be read", NULL);
		return;
	}
	if (!og_peers_hear(&w->peers, w->who.node_id, w->who.node_name, members, n, count))
		return;
	text = og_peers_text(&w->peers);
	line = og_printf("Peers: %s", text);
	og_info(line, NULL);
	if (w->peers.namesake)
		og_warn("Another node has this node's name: give one of them another NODE_NAME", "node_id=%s",
			w->who.node_id);
}

static void on_control(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_worker *w = ctx;

	if (m->type && strcmp(m->type, OG_T_CANCEL) == 0 && m->message_id && og_uuid_valid(m->message_id))
		og_jobs_cancel(&w->jobs, m->message_id);
	else if (m->type && strcmp(m->type, OG_T_MEMBERSHIP) == 0)
		hear_members(w, m);
	og_amqp_ack(w->in, epoch, m->delivery_tag);
}

/* The control queue has a new name on each connection: the broker may hold the old connection, and with it the old
 * exclusive queue, for a while after we have given it up. */
void og_worker_write_recipe(struct og_worker *w)
{
	struct og_queue queue;
	char id[OG_ID_LEN + 1];

	w->in->ops->recipe_clear(w->in);
	w->consumer = 0;
	og_uuid_new(id);
	og_topology_control_queue(w->config.credentials->user, id, &queue);
	snprintf(w->control, sizeof(w->control), "%s", queue.name);
	w->in->ops->recipe_queue(w->in, &queue);
	bind_control(w, "", "all");
	bind_control(w, "node.", w->who.node_id);
	if (*w->who.tier)
		og_worker_bind_tier(w);
	w->in->ops->recipe_consume(w->in, w->control, 0, 0, on_control, w);
	if (wants_work(w))
		consume(w);
}
