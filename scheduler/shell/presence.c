#include "shell/presence.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "plan/lease.h"
#include "shell/answer.h"
#include "shell/connection.h"
#include "shell/intake.h"
#include "shell/lanes.h"
#include "shell/orders.h"
#include "shell/records.h"
#include "shell/watch.h"

#define PREFETCH 200
#define SLOW_MS  1000 /* a publish that is not confirmed sooner met a broker that takes none */
#define FRESH_MS 3000 /* one that was confirmed so lately tells that the broker takes them */

static const char *shown(const struct og_presence *p)
{
	return *p->worker ? p->worker : p->node_name;
}

static void tell_appeared(const struct og_scheduler *s, const struct og_worker *w)
{
	const struct og_worker *other = og_nodes_namesake(&s->plan.nodes, w);
	char name[sizeof(w->said.worker)], tier[OG_NAME_MAX];

	og_log_quote(shown(&w->said), name, sizeof(name));
	if (other)
		og_warn("two workers of one name: they share queues; give one another NODE_NAME",
			"worker=%s node=%s other=%s", name, w->said.node_id, other->said.node_id);
	else if (w->said.serve && w->tier < 0)
		og_warn("a worker serves a tier that the catalogue does not have", "worker=%s tier=%s", name,
			og_log_quote(w->said.tier, tier, sizeof(tier)));
	else
		og_info(w->said.serve ? "a worker appeared" : "a peer appeared", "worker=%s slots=%lld", name,
			(long long)w->said.slots);
}

/* A worker runs what a scheduler gave it, and shows the lease for it: what it invents would hold up its tier, and be
 * adopted as another leader's. */
static void drop_invented(struct og_scheduler *s, struct og_presence *said, const char *name, const char *user)
{
	size_t kept = 0;

	for (size_t i = 0; i < said->n_running; i++) {
		const struct og_presence_run *r = &said->running[i];

		if (og_lease_fits_short(s->lease, r->id, r->attempt, r->epoch, r->lease))
			said->running[kept++] = *r;
	}
	if (kept != said->n_running)
		og_records_forged(s, "a heartbeat lists runs without a lease that fits: they were dropped", name, user);
	said->n_running = kept;
}

static void hear(struct og_scheduler *s, struct og_presence *said, const char *user)
{
	int64_t now = og_clock_mono_ms();
	char name[sizeof(said->worker)];
	bool leaving = said->leaving;
	struct og_heard heard;

	og_log_quote(shown(said), name, sizeof(name));
	drop_invented(s, said, name, user);
	og_plan_hear(&s->plan, said, user, now, og_clock_wall_ms(), &heard);
	if (heard.too_many)
		og_records_forged(s, "a user speaks for too many workers: further ones do not count", name, user);
	if (heard.forged) {
		og_records_forged(s, "a heartbeat about another user's worker was dropped", name, user);
		return;
	}
	if (heard.appeared && heard.worker)
		tell_appeared(s, heard.worker);
	else if (leaving)
		og_info("a worker left", "worker=%s", name);
	if (s->term && s->term->opened) {
		for (size_t i = 0; i < heard.n_cancels; i++)
			og_answer_cancel(s, heard.cancels[i].id, heard.worker, 0);
		if (heard.worker) {
			og_records_node(s, heard.worker->node, &heard.worker->said, now);
			og_orders_heard(s, heard.worker, now);
			og_watch_runs(s, heard.worker);
		}
		if (heard.appeared)
			og_intake_retry(s);
		if (heard.tier >= 0)
			og_lanes_pump(s, (unsigned)heard.tier);
	}
	free(heard.cancels);
}

static void on_heartbeat(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_scheduler *s = ctx;
	struct og_presence said;
	struct og_error err;

	if (!m->user_id) {
		og_records_forged(s, "a heartbeat of nobody was dropped", "", "");
	} else if (og_presence_decode(m->body, m->body_len, &said, &err) == 0) {
		hear(s, &said, m->user_id);
	} else {
		char user[128];

		og_warn(err.message, "user=%s", og_log_quote(m->user_id ? m->user_id : "", user, sizeof(user)));
	}
	og_amqp_ack(s->presence, epoch, m->delivery_tag);
}

/* A fresh name for each connection: after a cut the broker may hold the old queue for a while yet. */
static void subscribe(struct og_scheduler *s)
{
	char id[OG_ID_LEN + 1];
	struct og_binding b = {.exchange = OG_X_PRESENCE};
	struct og_queue q;

	og_uuid_new(id);
	og_topology_presence_queue(s->user, id, &q);
	strcpy(b.queue, q.name);
	s->presence->ops->recipe_clear(s->presence);
	s->presence->ops->recipe_queue(s->presence, &q);
	s->presence->ops->recipe_bind(s->presence, &b);
	s->presence->ops->recipe_consume(s->presence, q.name, PREFETCH, 0, on_heartbeat, s);
}

static void on_up(void *ctx, uint64_t epoch)
{
	struct og_scheduler *s = ctx;

	(void)epoch;
	s->presence_up = true;
	s->presence_since = og_clock_mono_ms();
	s->presence_complained = false;
	og_scheduler_tell(s);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct og_scheduler *s = ctx;
	bool was_up = s->presence_up;

	s->presence_up = false;
	og_connection_complain(&s->presence_complained, "presence", why);
	if (was_up)
		subscribe(s);
	og_scheduler_tell(s);
}

int og_presence_open(struct og_scheduler *s, struct og_error *err)
{
	const struct og_amqp_events events = {.on_up = on_up, .on_down = on_down, .ctx = s};

	if (s->dialer.amqp(s->dialer.ctx, "og-scheduler presence", &events, &s->presence, err) != 0)
		return -1;
	subscribe(s);
	return 0;
}

/* The broker has taken a message of ours. Where that took long it took none of the workers' either (an alarm): they are
 * given the time to speak again, as after a reconnect. */
static void on_told(void *ctx, enum og_settled how)
{
	struct og_scheduler *s = ctx;
	int64_t now = og_clock_mono_ms();

	if (now - s->telling_since > SLOW_MS)
		s->presence_since = now;
	s->telling_since = 0;
	s->told_at = how == OG_CONFIRMED ? now : 0;
}

static void tell_members(struct og_scheduler *s, int64_t now)
{
	og_autofree struct og_member *members = og_alloc(OG_MEMBERS_TOLD * sizeof(*members));
	size_t count = og_nodes_members(&s->plan.nodes, members, OG_MEMBERS_TOLD);
	og_autofree char *body = og_membership_encode(members, count, count);
	const struct og_envelope e = {.type = OG_T_MEMBERSHIP, .content_type = "application/json"};
	struct og_message m = {.exchange = OG_X_CONTROL, .routing_key = "all", .body = body, .body_len = strlen(body)};

	og_envelope_encode(&e, &m);
	if (og_amqp_publish(s->lead, &m, 0, on_told, s, NULL) == 0) {
		s->members_told = s->plan.nodes.changes;
		s->telling_since = now;
	}
}

/* A worker's silence means something only where the broker takes messages; a leader can find out. */
static bool may_sweep(struct og_scheduler *s, int64_t now)
{
	if (!s->presence_up || now - s->presence_since <= OG_PRESENCE_LOST_MS || !og_nodes_lost(&s->plan.nodes, now))
		return false;
	if (!s->term || !s->term->opened)
		return true;
	if (!s->telling_since && now - s->told_at > FRESH_MS)
		tell_members(s, now);
	return now - s->told_at <= FRESH_MS;
}

void og_presence_tick(struct og_scheduler *s, int64_t now)
{
	char worker[3 * OG_NAME_MAX], name[sizeof(worker)];
	int tier;

	while (may_sweep(s, now) && og_plan_sweep(&s->plan, now, worker, &tier))
		og_warn("a worker was lost: no heartbeat for 10 s", "worker=%s",
			og_log_quote(worker, name, sizeof(name)));
	if (s->term && s->term->opened && !s->telling_since && s->members_told != s->plan.nodes.changes)
		tell_members(s, now);
}
