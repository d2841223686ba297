#include "shell/leader.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "shell/answer.h"
#include "shell/connection.h"
#include "shell/dead.h"
#include "shell/dying.h"
#include "shell/hold.h"
#include "shell/intake.h"
#include "shell/lanes.h"
#include "shell/letter.h"
#include "shell/node_queue.h"
#include "shell/orders.h"
#include "shell/records.h"
#include "shell/retry.h"
#include "shell/rewrite.h"
#include "shell/rpc.h"
#include "shell/state.h"
#include "shell/watch.h"
#include "shell/writes.h"

#define LOAD_MS   2000 /* then the queues are opened, and the rest of the records is read meanwhile */
#define RESIGN_MS 3000 /* a standby asks for the lock about every second */

static int open_lead(struct og_scheduler *s, struct og_error *err);

/* --- the epoch --- */

struct claim {
	struct og_scheduler *s;
	uint64_t term;
};

static void begin_loading(struct og_scheduler *s)
{
	og_orders_load(s); /* answered before the records are: nothing is placed in a paused tier */
	og_node_queues_load(s);
	if (!s->term->loading)
		og_loader_begin(s);
}

static void on_claimed(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct claim c = *(struct claim *)ctx;
	struct og_scheduler *s = c.s;

	free(ctx);
	if (!s->term || s->term->serial != c.term)
		return;
	if (!reply || reply->n != 3) {
		og_warn("the epoch could not be claimed in Redis", "why=\"%s\"", err ? err->message : "");
		og_leader_open_queues(s);
		return;
	}
	if (reply->items[0]->integer > s->term->epoch)
		s->term->epoch = reply->items[0]->integer;
	if (!reply->items[1]->integer)
		og_error_log("the lease key is not the cluster's: give every scheduler the same secrets/lease.key, or "
			     "results of other schedulers' jobs are dropped",
			NULL);
	og_rewrite_begin(s, reply->items[2]->integer);
	begin_loading(s);
}

static void claim(struct og_scheduler *s, bool again)
{
	struct claim *c = og_new(struct claim);

	*c = (struct claim){.s = s, .term = s->term->serial};
	if (og_redis_is_up(s->redis) && og_records_claim(s, s->term->epoch, again, on_claimed, c) == 0)
		return;
	free(c);
	og_leader_open_queues(s);
}

void og_leader_redis_up(struct og_scheduler *s)
{
	if (s->term)
		claim(s, true);
}

void og_leader_saw_epoch(struct og_scheduler *s, int64_t epoch)
{
	if (epoch > s->epoch_seen)
		s->epoch_seen = epoch;
	if (epoch <= s->term->epoch)
		return;
	og_warn("a later epoch than ours was seen in a message: ours goes above it", "epoch=%" PRId64 " seen=%" PRId64,
		s->term->epoch, epoch);
	s->term->epoch = epoch + 1;
	claim(s, true);
}

/* --- the queues --- */

static void on_intake_lost(struct og_scheduler *s, struct og_connection *c)
{
	og_intake_lost(s, c);
	og_state_drop(s);
	og_retry_lost(s);
	og_dying_lost(s);
}

static int open_intake(struct og_scheduler *s, struct og_error *err)
{
	struct og_amqp *c;

	if (og_connection_open(s, &s->term->intake, "og-scheduler intake", on_intake_lost, err) != 0)
		return -1;
	c = s->term->intake.amqp;
	c->ops->recipe_consume(c, OG_Q_STATE, OG_STATE_PREFETCH, 0, og_state_take, s);
	c->ops->recipe_consume(c, OG_Q_STATE_LATER, OG_LATER_PREFETCH, 0, og_state_take_later, s);
	c->ops->recipe_consume(c, OG_Q_RETRY, OG_RETRY_PREFETCH, 0, og_retry_take, s);
	c->ops->recipe_consume(c, OG_Q_HOLD, OG_HOLD_PREFETCH, 0, og_hold_take, s);
	c->ops->recipe_consume(c, OG_Q_DEAD_INTAKE, OG_DYING_PREFETCH, 0, og_dying_take, s);
	c->ops->recipe_consume(c, OG_Q_RPC, OG_RPC_PREFETCH, 0, og_rpc_take, s);
	c->ops->recipe_consume(c, OG_Q_INTAKE, OG_INTAKE_PREFETCH, 0, og_intake_take, s);
	return 0;
}

void og_leader_open_queues(struct og_scheduler *s)
{
	struct og_error err;

	if (s->term->opened)
		return;
	s->term->opened = true;
	if (og_lanes_open(s, &err) != 0 || open_intake(s, &err) != 0) {
		og_error_log(err.message, NULL);
		og_leader_resign(s, "the queues cannot be read");
		return;
	}
	og_info("leading", "epoch=%" PRId64 " waiting=%zu placed=%zu", s->term->epoch, s->plan.index->waiting,
		s->plan.index->placed);
	og_scheduler_arm_due(s);
	og_scheduler_tell(s);
}

/* --- the term --- */

static void begin_term(struct og_scheduler *s)
{
	int64_t now = og_clock_mono_ms(), wall = og_clock_wall_ms();
	struct og_term *t = og_new(struct og_term);

	t->serial = ++s->terms;
	t->since = now;
	t->since_wall = wall;
	t->epoch = wall > s->epoch_seen ? wall : s->epoch_seen + 1;
	s->term = t;
	s->waits_for_lock = false;
	s->members_told = s->plan.nodes.changes - 1;
	og_plan_lead(&s->plan, now, wall);
	claim(s, false);
	og_scheduler_tell(s);
}

/* The index goes as a whole; what the shell hung on its entries goes first. */
static void release(struct og_entry *e)
{
	og_held_free(e->held);
	e->held = NULL;
	og_watch_free(e);
}

static void end_term(struct og_scheduler *s, const char *why)
{
	struct og_term *t = s->term;

	og_log(s->stopping ? OG_LOG_INFO : OG_LOG_WARN, "no longer leading", "epoch=%" PRId64 " why=\"%s\"", t->epoch,
		why);
	if (t->epoch > s->epoch_seen)
		s->epoch_seen = t->epoch;
	og_writes_send(s);
	og_letters_drop(s);
	og_intake_drop(s);
	og_state_drop(s);
	og_orders_drop(s);
	og_retry_drop(s);
	og_dying_drop(s);
	og_dead_drop(s);
	og_node_queues_drop(s);
	og_connection_close(&t->intake);
	og_lanes_close(s);
	og_plan_resign(&s->plan, release);
	s->term = NULL;
	free(t);
	og_writes_drop(s);
	uv_timer_stop(&s->due);
	s->due_at = INT64_MAX;
}

static void close_lead(struct og_scheduler *s, const char *why)
{
	if (s->term)
		end_term(s, why);
	/* Not kept: what it had not sent yet belongs to the term that is over. */
	og_amqp_close(OG_TAKE(s->lead), NULL, NULL);
}

void og_leader_resign(struct og_scheduler *s, const char *why)
{
	close_lead(s, why);
	s->reopen_at = og_clock_mono_ms() + RESIGN_MS;
	og_scheduler_tell(s);
}

void og_leader_close(struct og_scheduler *s)
{
	close_lead(s, "stopping");
}

/* --- the lock --- */

static void on_up(void *ctx, uint64_t epoch)
{
	struct og_scheduler *s = ctx;

	(void)epoch;
	s->lead_complained = false;
	begin_term(s);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct og_scheduler *s = ctx;
	struct og_error err;

	s->waits_for_lock = why->kind == OG_BUSY;
	if (s->term) {
		close_lead(s, why->message);
		if (!s->stopping && open_lead(s, &err) != 0)
			og_error_log(err.message, NULL);
	} else if (why->kind == OG_FATAL && !s->terms && s->on_refused) {
		s->on_refused(s->ctx, why);
		return;
	} else if (!s->waits_for_lock) {
		og_connection_complain(&s->lead_complained, "lead", why);
	}
	og_scheduler_tell(s);
}

static void on_blocked(void *ctx, bool blocked, const char *reason)
{
	struct og_scheduler *s = ctx;

	s->lead_blocked = blocked;
	if (blocked)
		og_warn("the broker takes no messages: it has raised an alarm", "reason=\"%s\"", reason);
	else
		og_info("the broker takes messages again", NULL);
}

static void on_writable(void *ctx)
{
	og_scheduler_kick(ctx);
}

static int open_lead(struct og_scheduler *s, struct og_error *err)
{
	const struct og_amqp_events events = {.on_up = on_up, .on_down = on_down, .on_blocked = on_blocked, .ctx = s};
	struct og_queue lock;

	if (s->dialer.amqp(s->dialer.ctx, "og-scheduler", &events, &s->lead, err) != 0)
		return -1;
	og_topology_leader_queue(&lock);
	s->lead->ops->recipe_queue(s->lead, &lock);
	s->lead->ops->on_writable(s->lead, on_writable, s);
	return 0;
}

int og_leader_open(struct og_scheduler *s, struct og_error *err)
{
	return open_lead(s, err);
}

void og_leader_tick(struct og_scheduler *s, int64_t now)
{
	struct og_error err;

	if (!s->lead && now >= s->reopen_at && open_lead(s, &err) != 0) {
		og_error_log(err.message, NULL);
		s->reopen_at = now + RESIGN_MS;
	}
	if (s->term && !s->term->opened && now - s->term->since >= LOAD_MS)
		og_leader_open_queues(s);
}
