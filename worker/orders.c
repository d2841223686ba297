/* What a worker is told, on its control queue: by schedulers alone. The broker lets nobody else write there; a message
 * that has another's name is dropped all the same. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "worker_state.h"

#define LOOK_MS 60000 /* at most, to the next look for the end of a pause: the wall clock may be set meanwhile */

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

static void hear_cancel(struct og_worker *w, const struct og_message *m)
{
	if (m->message_id && og_uuid_valid(m->message_id))
		og_jobs_cancel(&w->jobs, m->message_id);
}

static void hear_attach(struct og_worker *w, const struct og_message *m)
{
	struct og_envelope e;
	struct og_error err;

	if (og_envelope_decode(m, &e, &err) == 0 && e.reply_to)
		og_jobs_attach(&w->jobs, e.id, e.reply_to, e.seq);
	else
		og_debug("an attach message that cannot be read", NULL);
}

/* ---- pauses and drains ---- */

static void follow_orders(struct og_worker *w)
{
	og_worker_consume_or_not(w);
	og_pulse_change(&w->pulse, OG_PULSE_CHANGE_MS);
}

static void resume(struct og_worker *w)
{
	if (!w->paused)
		return;
	w->paused = false;
	uv_timer_stop(&w->pause_over);
	og_info("Taking work of the tier again", NULL);
	follow_orders(w);
}

static void on_pause_over(uv_timer_t *timer)
{
	struct og_worker *w = timer->data;
	int64_t left = w->paused_until_ms - og_clock_wall_ms();

	if (left > 0)
		uv_timer_start(timer, on_pause_over, (uint64_t)(left < LOOK_MS ? left : LOOK_MS), 0);
	else
		resume(w);
}

/* It is about this worker, and not about another user's that calls itself the same: a node has one user. */
static bool is_meant(const struct og_worker *w, const struct og_message *m)
{
	const struct og_header *node = og_message_header(m, "og-node");

	return !node || (node->text && !strcmp(node->text, w->who.node_id));
}

static void hear_pause(struct og_worker *w, const struct og_message *m)
{
	const struct og_header *until = og_message_header(m, "og-not-before");

	if (!is_meant(w, m))
		return;
	if (!w->paused)
		og_info("Paused: nothing is taken from the tier's queue", "until_ms=%lld",
			until ? (long long)until->number : 0LL);
	w->paused = true;
	w->paused_until_ms = until && !until->text && until->number > 0 ? until->number : 0;
	uv_timer_stop(&w->pause_over);
	follow_orders(w);
	if (w->paused_until_ms)
		on_pause_over(&w->pause_over);
}

static void hear_resume(struct og_worker *w, const struct og_message *m)
{
	if (is_meant(w, m))
		resume(w);
}

static void hear_drain(struct og_worker *w, const struct og_message *m)
{
	(void)m;
	if (!w->drained)
		og_info("Draining until told otherwise", "running=%zu", og_jobs_count(&w->jobs));
	w->drained = true;
	follow_orders(w);
	og_jobs_give_back_waiting(&w->jobs);
}

static void hear_undrain(struct og_worker *w, const struct og_message *m)
{
	(void)m;
	if (w->drained)
		og_info("Taking work again", NULL);
	w->drained = false;
	follow_orders(w);
}

static void hear_own_queue(struct og_worker *w, const struct og_message *m)
{
	(void)m;
	w->own_queue = true;
	follow_orders(w);
}

static const struct {
	const char *type;
	void (*hear)(struct og_worker *w, const struct og_message *m);
} orders[] = {
	{OG_T_CANCEL, hear_cancel},
	{OG_T_MEMBERSHIP, hear_members},
	{OG_T_ATTACH, hear_attach},
	{OG_T_PAUSE, hear_pause},
	{OG_T_RESUME, hear_resume},
	{OG_T_DRAIN, hear_drain},
	{OG_T_UNDRAIN, hear_undrain},
	{OG_T_NODE_QUEUE, hear_own_queue},
};

static bool from_scheduler(const struct og_message *m)
{
	return m->user_id && og_role_of_user(m->user_id) == OG_ROLE_SCHEDULER;
}

void og_worker_on_control(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_worker *w = ctx;
	bool heard = m->type && from_scheduler(m);

	for (size_t i = 0; heard && i < OG_COUNT(orders); i++)
		if (!strcmp(m->type, orders[i].type))
			orders[i].hear(w, m);
	if (!heard)
		og_debug("a control message that is not a scheduler's", NULL);
	og_amqp_ack(w->in, epoch, m->delivery_tag);
}
