#include "shell/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "shell/answer.h"
#include "shell/connection.h"
#include "shell/leader.h"
#include "shell/move.h"
#include "shell/place.h"
#include "shell/records.h"

#define QUIET_MS 2000

/* --- placing --- */

/* Its headers, from its body in hand; false: it is not what it was, and has been dead-lettered. */
static bool read_held(struct og_scheduler *s, struct og_entry *e, struct og_envelope *ret)
{
	struct og_held *held = e->held;
	struct og_envelope said;
	struct og_error err;

	if (og_envelope_decode(held->m, &said, &err) != 0) {
		og_answer_dead(s, held->m, &held->source, "invalid_request", err.message, NULL);
		og_answer_forget(s, e);
		return false;
	}
	if (e->where == OG_WHERE_DOOR)
		og_move_strip(&said);
	e->progress = said.progress;
	*ret = og_move_envelope(s, &said, e);
	return true;
}

/* False: there is no room to publish. */
static bool place(struct og_scheduler *s, struct og_entry *e)
{
	bool at_door = e->where == OG_WHERE_DOOR;
	struct og_envelope request;
	struct og_held *held;
	enum og_placing how;

	if (!read_held(s, e, &request))
		return true;
	held = og_index_unhold(s->plan.index, e);
	how = og_place(s, e, held->m, &request, &held->source, held);
	if (how == OG_PLACING_GOES)
		return true;
	if (at_door)
		e->held = held;
	else
		og_index_hold(s->plan.index, e, held);
	if (how == OG_PLACING_NOBODY)
		og_answer_end(s, e, OG_STATE_NO_CAPACITY, "no_capacity", OG_PLACE_NOBODY);
	return how != OG_PLACING_NO_ROOM;
}

static bool send_to_lane(struct og_scheduler *s, struct og_entry *e)
{
	struct og_envelope request;

	if (!read_held(s, e, &request))
		return true;
	if (og_move_to_lane(s, e, e->held->m, &request, &e->held->source, NULL) != 0)
		return false;
	og_held_free(og_index_unhold(s->plan.index, e)); /* it is in the intake until it is in its lane */
	return true;
}

void og_lanes_clear_doors(struct og_scheduler *s, int64_t now)
{
	struct og_entry *e;

	if (s->draining || og_moves_blocked(s))
		return;
	for (unsigned i = 0; i < s->catalogue->n; i++)
		while ((e = og_plan_tired(&s->plan, i, now)))
			if (!send_to_lane(s, e))
				return;
}

void og_lanes_pump(struct og_scheduler *s, unsigned tier)
{
	int64_t wall = og_clock_wall_ms(), now = og_clock_mono_ms();
	struct og_entry *e;

	if (s->draining || og_moves_blocked(s))
		return;
	while ((e = og_plan_next(&s->plan, tier, now))) {
		if (e->deadline_ms && e->deadline_ms <= wall)
			og_answer_end(s, e, OG_STATE_EXPIRED, "expired", "its deadline passed while it waited");
		else if (!place(s, e))
			return;
	}
}

void og_lanes_pump_all(struct og_scheduler *s)
{
	for (unsigned i = 0; i < s->catalogue->n && s->term; i++)
		og_lanes_pump(s, i);
}

/* --- heads --- */

struct look { /* what waits for Redis's word about a head that the index did not know */
	struct og_scheduler *s;
	uint64_t term;
	char id[OG_ID_LEN + 1];
};

/* Its record says how far it had come under an earlier leader: to its end, or to its tier (then this body is a
 * left-over). */
static void on_look(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct look *look = ctx;
	struct og_scheduler *s = look->s;
	struct og_entry *e = s->term && s->term->serial == look->term ? og_index_find(s->plan.index, look->id) : NULL;
	enum og_state state = OG_STATE_QUEUED;
	const char *name = reply ? og_record_text(reply, OG_RECORD_STATE) : NULL;

	(void)err; /* then nobody knows better than the lane */
	if (look->s->term && look->s->term->serial == look->term && !name)
		look->s->term->rebuilding = true;
	free(look);
	if (!e || !e->unsure)
		return;
	e->unsure = false;
	if (name && og_state_parse(name, &state, NULL) == 0) {
		e->recorded = true;
		if (og_state_terminal(state)) {
			og_answer_seen(s, e);
			return;
		}
		if (state == OG_STATE_PLACED || state == OG_STATE_RUNNING) {
			struct og_held *held = og_index_unhold(s->plan.index, e);

			if (held)
				og_source_ack(&held->source);
			og_held_free(held);
			e->placed_at = og_clock_mono_ms();
			og_index_move(s->plan.index, e, OG_WHERE_TIER);
			return;
		}
	}
	og_lanes_pump(s, e->tier);
}

static void ask_redis(struct og_scheduler *s, struct og_entry *e)
{
	struct look *look;

	if (!og_records_healthy(s)) {
		s->term->rebuilding = true;
		return;
	}
	look = og_new(struct look);
	look->s = s;
	look->term = s->term->serial;
	strcpy(look->id, e->id);
	if (og_records_look(s, e->id, on_look, look) == 0)
		e->unsure = true;
	else
		free(look);
}

/* By our monotonic clock. */
static int64_t since_of(int64_t accepted_ms)
{
	int64_t age = og_clock_wall_ms() - accepted_ms, now = og_clock_mono_ms();

	return age > 0 && age < now ? now - age : now;
}

/* A head that an earlier leader put there, and that neither Redis nor a heartbeat has told us of. */
static struct og_entry *adopt(struct og_lane_reader *r, const struct og_envelope *request, const struct og_message *m)
{
	struct og_facts facts = {.id = request->id,
		.tenant = request->tenant,
		.reply = request->reply_to,
		.tier = r->tier,
		.class = r->class,
		.lane = r->lane + 1,
		.since = since_of(request->accepted_ms),
		.max_tokens = request->max_tokens,
		.weight = request->weight,
		.accepted_ms = request->accepted_ms,
		.deadline_ms = request->deadline_ms,
		.bytes = (uint32_t)m->body_len,
		.attempt = request->attempt ? (uint32_t)request->attempt : 1,
		.explicit_id = request->explicit_id,
		.progress = request->progress,
		.detach = request->detach};
	struct og_entry *e = og_index_add(r->s->plan.index, &facts, OG_WHERE_LANE);

	og_leader_saw_epoch(r->s, request->epoch);
	ask_redis(r->s, e);
	og_scheduler_arm_due(r->s);
	return e;
}

static bool was_another(const struct og_lane_reader *r, const struct og_entry *e)
{
	return e->tier != r->tier || e->class != r->class || e->lane != r->lane;
}

static void on_head(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_lane_reader *r = ctx;
	struct og_scheduler *s = r->s;
	const struct og_source source = {.from = r->from, .epoch = epoch, .tag = m->delivery_tag};
	struct og_envelope request;
	struct og_error err;
	struct og_entry *e;

	if (s->draining)
		return;
	if (og_envelope_decode(m, &request, &err) != 0 || !request.tenant || !request.reply_to) {
		og_answer_dead(s, m, &source, "invalid_request", "a lane held what no scheduler wrote", NULL);
		return;
	}
	r->came_at = og_clock_mono_ms();
	e = og_index_find(s->plan.index, request.id);
	if (!e && og_recent_find(s->plan.recent, request.id, NULL)) {
		og_source_ack(&source);
		return;
	}
	/* Its id is being looked up for a repeated submit: here is the job itself, which Redis's answer then finds. */
	if (e && e->where == OG_WHERE_CHECK) {
		og_answer_forget(s, e);
		e = NULL;
	}
	if (!e)
		e = adopt(r, &request, m);
	if (e->where == OG_WHERE_ENDED) {
		og_answer_body_came(s, e, og_held_new(&source, NULL));
	} else if (e->move && og_move_redelivered(e->move, &source, false)) {
		return; /* its lane was read anew while it was on its way */
	} else if (!og_entry_waits(e) || was_another(r, e) || e->held) {
		og_source_ack(&source); /* it has gone on already: this is what was left behind */
	} else {
		e->progress = request.progress;
		og_index_hold(s->plan.index, e, og_held_new(&source, m));
		og_lanes_pump(s, r->tier);
	}
}

/* Its end has been seen when the broker could push more of it and has not for a while. */
static void look_at(struct og_scheduler *s, struct og_lane_reader *r, int64_t now)
{
	int64_t since = r->came_at > s->term->lanes_since ? r->came_at : s->term->lanes_since;
	const struct og_lane *l = og_index_lane(s->plan.index, r->tier, r->class, r->lane);

	if (l->n_heads < og_plan_lane_prefetch(&s->plan, r->tier) && now - since >= QUIET_MS)
		r->seen_end = true;
}

void og_lanes_look(struct og_scheduler *s, bool reading, int64_t now)
{
	struct og_term *t = s->term;
	bool all = true;

	if (!reading || s->lead_blocked)
		t->lanes_since = now;
	for (size_t i = 0; t->rebuilding && i < t->n_readers; i++) {
		if (!t->readers[i].seen_end)
			look_at(s, &t->readers[i], now);
		all = all && t->readers[i].seen_end;
	}
	t->rebuilding = t->rebuilding && !all;
}

/* --- connections --- */

/* What one connection held is requeued: its heads come up again. */
static void on_lost(struct og_scheduler *s, struct og_connection *c)
{
	for (size_t i = 0; i < s->term->n_readers; i++) {
		struct og_lane_reader *r = &s->term->readers[i];
		struct og_lane *l = og_index_lane(s->plan.index, r->tier, r->class, r->lane);

		while (r->from == c->amqp && l->n_heads)
			og_held_free(og_index_unhold(s->plan.index, l->heads[0]));
	}
}

static void read_lane(struct og_lane_reader *r)
{
	char queue[OG_KEY_MAX];

	og_queue_lane(r->s->catalogue->tiers[r->tier].key, r->class, r->lane, queue);
	r->from->ops->recipe_consume(r->from, queue, og_plan_lane_prefetch(&r->s->plan, r->tier), 0, on_head, r);
}

int og_lanes_open(struct og_scheduler *s, struct og_error *err)
{
	struct og_term *t = s->term;
	size_t n = s->catalogue->n * OG_CLASSES * OG_LANES;

	t->n_readers = n;
	t->readers = og_alloc(n * sizeof(*t->readers));
	t->n_lanes = (n + OG_LANES_A_CONNECTION - 1) / OG_LANES_A_CONNECTION;
	t->lanes = og_alloc(t->n_lanes * sizeof(*t->lanes));
	for (size_t i = 0; i < t->n_lanes; i++)
		if (og_connection_open(s, &t->lanes[i], "og-scheduler lanes", on_lost, err) != 0)
			return -1;
	for (size_t i = 0; i < n; i++) {
		t->readers[i] = (struct og_lane_reader){.s = s,
			.from = t->lanes[i / OG_LANES_A_CONNECTION].amqp,
			.tier = (unsigned)(i / (OG_CLASSES * OG_LANES)),
			.class = (enum og_class)(i / OG_LANES % OG_CLASSES),
			.lane = (unsigned)(i % OG_LANES)};
		read_lane(&t->readers[i]);
	}
	return 0;
}

void og_lanes_close(struct og_scheduler *s)
{
	struct og_term *t = s->term;

	for (size_t i = 0; i < t->n_lanes; i++)
		og_connection_close(&t->lanes[i]);
	free(t->lanes);
	free(t->readers);
	t->lanes = NULL;
	t->readers = NULL;
	t->n_lanes = t->n_readers = 0;
}
