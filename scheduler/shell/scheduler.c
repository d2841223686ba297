#include "shell/scheduler.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "shell/answer.h"
#include "shell/connection.h"
#include "shell/dead.h"
#include "shell/dying.h"
#include "shell/hold.h"
#include "shell/intake.h"
#include "shell/lanes.h"
#include "shell/leader.h"
#include "shell/letter.h"
#include "shell/node_queue.h"
#include "shell/orphans.h"
#include "shell/presence.h"
#include "shell/records.h"
#include "shell/retry.h"
#include "shell/rewrite.h"
#include "shell/state.h"
#include "shell/writes.h"

#define TICK_MS      100
#define TICKS_A_SLOW 10    /* what need not be done at every tick */
#define DUE_MAX_MS   60000 /* a wall clock may be set: it is looked at again */
#define ENDS_AT_ONCE 200   /* jobs that end for want of time or of workers, a tick and tier */

void og_source_ack(const struct og_source *source)
{
	if (source->from)
		og_amqp_ack(source->from, source->epoch, source->tag);
}

/* --- time --- */

static void on_due(uv_timer_t *timer)
{
	struct og_scheduler *s = timer->data;
	int64_t wall = og_clock_wall_ms();
	struct og_entry *e;

	s->due_at = INT64_MAX;
	for (int n = 0; n < ENDS_AT_ONCE && (e = og_index_due(s->plan.index, wall)); n++)
		if (og_plan_late(&s->plan, e, wall) == OG_LATE_END)
			og_answer_end(s, e, OG_STATE_EXPIRED, "expired",
				og_entry_comes_back(e) ? "its deadline passed while it waited"
						       : "its deadline passed, and no worker has it");
	og_scheduler_arm_due(s);
}

void og_scheduler_arm_due(struct og_scheduler *s)
{
	int64_t due = og_index_next_due(s->plan.index), delay;

	if (due >= s->due_at || s->term->n_letters > OG_LETTERS_HIGH)
		return;
	s->due_at = due;
	delay = due - og_clock_wall_ms();
	delay = delay < 1 ? 1 : delay > DUE_MAX_MS ? DUE_MAX_MS : delay;
	uv_timer_start(&s->due, on_due, (uint64_t)delay, 0);
}

static bool reads_all(const struct og_term *t)
{
	bool up = t->intake.up;

	for (size_t i = 0; i < t->n_lanes; i++)
		up = up && t->lanes[i].up;
	return up;
}

/* The watch over what is placed, tier by tier: slots that leaked, strangers, jobs without hope. */
static void look_after(struct og_scheduler *s, unsigned tier, int64_t now)
{
	unsigned astray = og_plan_reconcile(&s->plan, tier, now);
	struct og_error why;
	struct og_entry *e;

	if (astray)
		og_warn("placed jobs are nowhere to be seen: their slots are free again", "tier=%s jobs=%u",
			s->catalogue->tiers[tier].key, astray);
	og_plan_silent(&s->plan, tier, reads_all(s->term), now);
	while ((e = og_plan_stranger(&s->plan, tier, now)))
		og_answer_forget(s, e);
	for (int n = 0; n < ENDS_AT_ONCE && s->term->n_letters <= OG_LETTERS_HIGH &&
			(e = og_plan_hopeless(&s->plan, tier, now, &why));
		n++)
		og_answer_end(s, e, OG_STATE_NO_CAPACITY, "no_capacity", why.message);
}

/* A burst leaves the heap full of holes: they are given back to the system when it is over. */
static void give_back_memory(struct og_scheduler *s)
{
	bool calm = (!s->term || !s->lead->ops->in_flight(s->lead)) && !og_redis_in_flight(s->redis);
	uint64_t jobs = s->counts.accepted + s->counts.ended; /* a backlog grows and ends nothing */

	if (!calm || s->trimmed_at == jobs)
		return;
	s->trimmed_at = jobs;
	malloc_trim(0);
}

/* Workers that fail one job after another are paused, and told so. */
static void tell_pauses(struct og_scheduler *s, int64_t now)
{
	struct og_pause pause;

	while (og_plan_pauses(&s->plan, now, &pause)) {
		if (pause.ms)
			og_warn("a worker fails one job after another: it is paused", "worker=%s ms=%lld",
				pause.worker->said.worker, (long long)pause.ms);
		else
			og_info("a worker that was paused works again", "worker=%s", pause.worker->said.worker);
		og_answer_pause(s, pause.worker, pause.ms ? og_clock_wall_ms() + pause.ms : 0);
	}
}

static void slow_tick(struct og_scheduler *s, int64_t now)
{
	og_presence_tick(s, now);
	give_back_memory(s);
	if (!s->term || !s->term->opened || s->draining)
		return;
	og_lanes_look(s, reads_all(s->term), now);
	for (unsigned i = 0; i < s->catalogue->n; i++)
		look_after(s, i, now);
	og_orphans_end(s, now);
	og_rewrite_check(s, now);
	og_node_queues_tick(s, now);
	og_intake_retry(s);
	og_hold_tick(s);
	og_state_retry(s);
	og_scheduler_arm_due(s);
}

static bool is_drained(const struct og_scheduler *s)
{
	return !s->term || (!s->term->n_letters && !s->lead->ops->in_flight(s->lead) && !og_writes_waiting(s));
}

static void on_tick(uv_timer_t *timer)
{
	struct og_scheduler *s = timer->data;
	int64_t now = og_clock_mono_ms();

	if (!s->draining)
		og_leader_tick(s, now);
	if (s->term && s->term->opened) {
		og_dead_tick(s, now);
		og_lanes_clear_doors(s, now);
		og_orphans_ping(s, now);
		og_rewrite_go_on(s);
		tell_pauses(s, now);
	}
	if (++s->ticks % TICKS_A_SLOW == 0)
		slow_tick(s, now);
	og_scheduler_kick(s);
	if (s->draining && is_drained(s) && s->on_drained) {
		void (*on_drained)(void *) = OG_TAKE(s->on_drained);

		on_drained(s->ctx);
	}
}

void og_scheduler_kick(struct og_scheduler *s)
{
	if (!s->term || !s->term->opened)
		return;
	og_letters_kick(s, og_clock_mono_ms());
	og_retry_tick(s, og_clock_mono_ms());
	og_dying_tick(s, og_clock_mono_ms());
	if (!s->term)
		return;
	og_intake_kick(s);
	og_lanes_pump_all(s);
}

/* --- what people see --- */

void og_scheduler_tell(struct og_scheduler *s)
{
	char text[sizeof(s->told)] = "connecting";
	bool ready = false;

	if (s->term && s->term->opened && reads_all(s->term)) {
		ready = true;
		snprintf(text, sizeof(text), "leading, epoch %" PRId64, s->term->epoch);
	} else if (s->term) {
		snprintf(text, sizeof(text), "leading, but not all queues can be read yet");
	} else if (s->waits_for_lock && s->presence_up) {
		ready = true;
		snprintf(text, sizeof(text), "standing by");
	}
	if (!strcmp(text, s->told))
		return;
	strcpy(s->told, text);
	if (s->on_state)
		s->on_state(s->ctx, ready, text);
}

void og_scheduler_status(const struct og_scheduler *s, json_t *status)
{
	const struct og_counts *c = &s->counts;
	const struct og_index *ix = s->plan.index;
	json_t *scheduler = json_pack("{s:s, s:s, s:s, s:s, s:i}", "id", s->id, "state", s->told, "version", OG_VERSION,
		"redis", og_redis_is_up(s->redis) ? "up" : "away", "nodes", (int)HASH_COUNT(s->plan.nodes.nodes));

	if (s->term) {
		json_object_set_new(scheduler, "epoch", json_integer(s->term->epoch));
		json_object_set_new(scheduler, "leading_since_ms", json_integer(s->term->since_wall));
		json_object_set_new(scheduler, "waiting", json_integer((json_int_t)ix->waiting));
		json_object_set_new(scheduler, "waiting_bytes", json_integer((json_int_t)ix->waiting_bytes));
		json_object_set_new(scheduler, "placed", json_integer((json_int_t)ix->placed));
		json_object_set_new(scheduler, "dead_waiting", json_integer(og_dying_waiting(s)));
	}
	json_object_set_new(status, "scheduler", scheduler);
	json_object_set_new(status, "process",
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "accepted", (json_int_t)c->accepted,
			"queued", (json_int_t)c->queued, "placed", (json_int_t)c->placed, "ended", (json_int_t)c->ended,
			"refused", (json_int_t)c->refused, "malformed", (json_int_t)c->malformed, "forged",
			(json_int_t)c->forged, "duplicates", (json_int_t)c->duplicates, "unstored",
			(json_int_t)c->unstored, "orphans", (json_int_t)c->orphans));
}

/* --- Redis --- */

static void on_redis_up(void *ctx)
{
	struct og_scheduler *s = ctx;

	if (s->redis_complained)
		og_info("Redis is back", NULL);
	s->redis_complained = false;
	s->redis_sick_until = 0;
	og_plan_disturbed(&s->plan, og_clock_mono_ms());
	og_leader_redis_up(s);
}

static void on_redis_down(void *ctx, const struct og_error *why)
{
	struct og_scheduler *s = ctx;

	if (s->redis_complained || s->stopping)
		return;
	s->redis_complained = true;
	if (why->kind == OG_FATAL)
		og_error_log(why->message,
			"hint=\"Redis refuses the scheduler's user or password: run og-broker-config apply\"");
	else
		og_warn("Redis is away: jobs go on, records are kept aside", "why=\"%s\"", why->message);
}

/* --- life --- */

/* Tells two lease keys apart without telling either. */
static void mark_key(struct og_scheduler *s)
{
	og_lease_make(s->lease, "mark", 0, 0, s->lease_mark);
}

static int open_all(struct og_scheduler *s, struct og_error *err)
{
	const struct og_redis_events events = {.on_up = on_redis_up, .on_down = on_redis_down, .ctx = s};

	s->redis = s->dialer.redis(s->dialer.ctx, &events, err);
	if (!s->redis)
		return -1;
	if (og_presence_open(s, err) != 0 || og_leader_open(s, err) != 0) {
		og_amqp_close(OG_TAKE(s->presence), NULL, NULL);
		og_redis_close(OG_TAKE(s->redis), NULL, NULL);
		return -1;
	}
	return 0;
}

int og_scheduler_start(
	uv_loop_t *loop, const struct og_scheduler_config *config, struct og_scheduler **ret, struct og_error *err)
{
	struct og_scheduler *s = og_new(struct og_scheduler);

	s->loop = loop;
	s->settings = config->settings;
	s->catalogue = config->catalogue;
	s->dialer = config->dialer;
	s->on_state = config->on_state;
	s->on_drained = config->on_drained;
	s->on_refused = config->on_refused;
	s->ctx = config->ctx;
	s->due_at = INT64_MAX;
	snprintf(s->user, sizeof(s->user), "%s", config->user);
	og_uuid_new(s->id);
	s->lease = og_lease_new(config->lease_key, config->lease_key_len);
	mark_key(s);
	og_plan_init(&s->plan, s->catalogue);
	s->plan.lookahead_percent = s->settings->lookahead_percent;
	s->plan.batch_leaves = s->settings->batch_leaves;
	s->plan.no_capacity_after_ms = s->settings->no_capacity_after_ms;
	s->plan.waiting_max_bytes = s->settings->waiting_max_bytes;
	s->plan.ageing_ms = s->settings->ageing_ms;
	s->plan.affinity_wait_ms = s->settings->affinity_wait_ms;
	s->plan.max_attempts = s->settings->max_attempts;
	s->plan.random = og_random;
	og_plan_set_tenants(&s->plan, config->tenants);
	if (open_all(s, err) != 0) {
		og_scheduler_free(s);
		return -1;
	}
	og_writes_open(s);
	uv_timer_init(loop, &s->due);
	uv_timer_init(loop, &s->tick);
	s->due.data = s->tick.data = s;
	uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
	*ret = s;
	return 0;
}

void og_scheduler_set_tenants(struct og_scheduler *s, const struct og_tenants *tenants)
{
	og_plan_set_tenants(&s->plan, tenants);
}

void og_scheduler_drain(struct og_scheduler *s)
{
	s->draining = true;
	uv_timer_stop(&s->due);
}

void og_scheduler_stop(struct og_scheduler *s)
{
	if (s->stopping)
		return;
	s->stopping = true;
	og_leader_close(s);
	og_amqp_close(OG_TAKE(s->presence), NULL, NULL);
	og_redis_close(OG_TAKE(s->redis), NULL, NULL);
	og_writes_close(s);
	uv_close((uv_handle_t *)&s->tick, NULL);
	uv_close((uv_handle_t *)&s->due, NULL);
}

void og_scheduler_free(struct og_scheduler *s)
{
	if (!s)
		return;
	og_plan_done(&s->plan);
	og_lease_free(s->lease);
	free(s);
}
