#include "shell/move.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "shell/dead.h"
#include "shell/lanes.h"
#include "shell/letter.h"
#include "shell/node_queue.h"
#include "shell/records.h"
#include "shell/retry.h"

#define BLOCKED_MS 1000

struct og_move {
	struct og_scheduler *s;
	uint64_t term;
	struct og_entry *entry; /* NULL: gone meanwhile */
	struct og_source source;
	struct og_held *held; /* its body, where it was held: in case that it has to go back to where it waited */
	bool told;            /* that it waits: it came from the door */
	bool again;           /* from og.retry */
	bool dead;            /* from og.dead: the walk stays until it has settled */
};

static struct og_move *move_new(
	struct og_scheduler *s, struct og_entry *e, const struct og_source *source, struct og_held *held)
{
	struct og_move *move = og_new(struct og_move);

	*move = (struct og_move){.s = s,
		.term = s->term->serial,
		.entry = e,
		.source = *source,
		.held = held,
		.again = held && !strcmp(held->m->exchange, OG_X_RETRY),
		.dead = og_dead_is_source(s, source)};
	s->term->n_dead_moves += move->dead;
	return move;
}

static void move_free(struct og_move *move)
{
	if (move->dead && move->s->term && move->s->term->serial == move->term)
		move->s->term->n_dead_moves--;
	og_held_free(move->held);
	free(move);
}

void og_move_strip(struct og_envelope *said)
{
	said->tried = NULL;
	said->deaths = said->suspect = 0;
}

struct og_envelope og_move_envelope(
	const struct og_scheduler *s, const struct og_envelope *said, const struct og_entry *e)
{
	return (struct og_envelope){
		.type = OG_T_REQUEST,
		.id = said->id,
		.reply_to = said->reply_to,
		.content_type = said->content_type,
		.timestamp_s = said->timestamp_s,
		.tier = s->catalogue->tiers[e->tier].id,
		.model = said->model,
		.region = said->region,
		.session = said->session,
		.avoid = said->avoid,
		.tried = said->tried,
		.deaths = said->deaths,
		.suspect = said->suspect,
		.tenant = e->tenant->text,
		.submitter = e->submitter->text,
		.class_name = og_class_name((enum og_class)e->class),
		.deadline_ms = e->deadline_ms,
		.accepted_ms = e->accepted_ms,
		.attempt = e->attempt,
		.stream = said->stream,
		.bundle = said->bundle,
		.progress = said->progress,
		.explicit_id = said->explicit_id,
		.detach = said->detach,
		.max_tokens = said->max_tokens,
		.operation = said->operation,
		.traceparent = said->traceparent,
		.tracestate = said->tracestate,
	};
}

bool og_move_redelivered(struct og_move *move, const struct og_source *source, bool again)
{
	if (move->again != again || move->source.from != source->from || move->source.epoch >= source->epoch)
		return false;
	move->source = *source;
	if (move->held)
		move->held->source = *source;
	return true;
}

void og_move_detach(struct og_move *move)
{
	move->entry = NULL;
}

bool og_moves_blocked(const struct og_scheduler *s)
{
	return og_clock_mono_ms() < s->term->blocked_until;
}

/* A queue is missing, or the broker has a fault of its own: what moves stays where it was. */
static void block(struct og_scheduler *s, enum og_settled how, const char *what)
{
	if (!og_moves_blocked(s))
		og_error_log(how == OG_RETURNED ? "a queue is missing: run og-broker-config apply"
						: "the broker refused a message: trying again",
			"queue=%s", what);
	s->term->blocked_until = og_clock_mono_ms() + BLOCKED_MS;
}

/* Common to both. A term that is over is not our business, and a connection that was lost is about to end this one; a
 * job that has ended meanwhile is only acked. True: it is settled. */
static bool settled_without_entry(struct og_move *move, enum og_settled how)
{
	struct og_scheduler *s = move->s;
	bool ours = s->term && s->term->serial == move->term;

	if (ours && move->entry)
		move->entry->move = NULL;
	if (ours && move->entry && how != OG_LOST)
		return false;
	if (ours && how != OG_LOST)
		og_source_ack(&move->source);
	move_free(move);
	return true;
}

/* What we write carries a lease wherever it goes: so it is known again as ours in what the broker dead-letters too. */
static void lend(struct og_scheduler *s, const struct og_entry *e, char lease[static OG_LEASE_HEX + 1],
	struct og_envelope *request)
{
	og_lease_make(s->lease, e->id, e->attempt, s->term->epoch, lease);
	request->attempt = e->attempt;
	request->lease = lease;
	request->epoch = s->term->epoch;
}

/* Takes the move; -1: there is no room now, and `held` is still the caller's. */
static int publish(struct og_message *out, const struct og_envelope *headers, og_settled_cb *cb, struct og_move *move)
{
	out->user_id = NULL;
	out->persistent = true;
	og_envelope_encode(headers, out);
	if (og_amqp_publish(move->s->lead, out, OG_PUBLISH_MANDATORY, cb, move, NULL) != 0) {
		move->held = NULL;
		move_free(move);
		return -1;
	}
	move->entry->move = move;
	return 0;
}

/* --- to its tier --- */

static void placed(struct og_scheduler *s, struct og_entry *e)
{
	s->counts.placed++;
	og_index_move(s->plan.index, e, e->worker ? OG_WHERE_RUN : OG_WHERE_TIER);
	og_records_moved(s, e, OG_STATE_PLACED);
	og_answer_progress(s, e, OG_STATE_PLACED);
	if (e->cancelling)
		og_answer_cancel(s, e->id, e->worker, e->tier);
}

/* Where it came from it still is. */
static void leave_there(struct og_scheduler *s, struct og_entry *e, const struct og_move *move)
{
	if (move->dead)
		og_requeue_stays(s, e->id);
	else
		og_amqp_reject(move->source.from, move->source.epoch, move->source.tag, true);
	og_answer_forget(s, e);
}

static void put_back(struct og_scheduler *s, struct og_entry *e, struct og_move *move)
{
	struct og_held *held = OG_TAKE(move->held);

	if (move->again) {
		og_retry_put_back(s, e, held);
		return;
	}
	if (!held || held->source.from == s->term->intake.amqp) { /* the intake delivers it again */
		og_held_free(held);
		leave_there(s, e, move);
		return;
	}
	og_index_put_back(s->plan.index, e);
	if (og_index_hold(s->plan.index, e, held) != 0) { /* its lane was read anew meanwhile */
		og_amqp_reject(held->source.from, held->source.epoch, held->source.tag, true);
		og_held_free(held);
	}
}

static void on_tier_settled(void *ctx, enum og_settled how)
{
	struct og_move *move = ctx;
	struct og_scheduler *s = move->s;
	struct og_entry *e = move->entry;

	if (settled_without_entry(move, how))
		return;
	if (how == OG_CONFIRMED) {
		og_source_ack(&move->source);
		placed(s, e);
	} else {
		if (how == OG_RETURNED && e->meant)
			og_node_queue_missing(s, e->meant);
		else
			block(s, how, s->catalogue->tiers[e->tier].key);
		put_back(s, e, move);
	}
	move_free(move);
}

int og_move_to_work(struct og_scheduler *s, struct og_entry *e, const struct og_message *m,
	const struct og_envelope *request, const struct og_source *source, struct og_held *held, struct og_worker *w)
{
	char lease[OG_LEASE_HEX + 1], node[OG_KEY_MAX];
	struct og_envelope work = *request;
	struct og_message out = *m;

	lend(s, e, lease, &work);
	out.exchange = OG_X_WORK;
	if (w)
		og_key_node(w->node->user, w->key, node);
	out.routing_key = w ? node : s->catalogue->tiers[e->tier].key;
	if (publish(&out, &work, on_tier_settled, move_new(s, e, source, held)) != 0)
		return -1;
	og_index_set_meant(s->plan.index, e, w);
	og_index_move(s->plan.index, e, OG_WHERE_TO_TIER);
	e->placed_at = og_clock_mono_ms();
	return 0;
}

/* --- to its lane --- */

static void refused_by_lane(struct og_scheduler *s, struct og_entry *e, const struct og_source *source)
{
	char words[128];

	if (e->where == OG_WHERE_ENDED) { /* answered already, and there is no body that would come up */
		og_source_ack(source);
		og_answer_forget(s, e);
		return;
	}
	snprintf(words, sizeof(words), "%zu waiting, try in %u s", s->plan.index->waiting - 1,
		og_plan_retry_s(&s->plan, e->tier, og_clock_mono_ms()));
	og_answer_turn_away(s, e, OG_STATE_BUSY, "busy", words, source);
}

static void on_lane_settled(void *ctx, enum og_settled how)
{
	struct og_move *move = ctx;
	struct og_scheduler *s = move->s;
	struct og_entry *e = move->entry;

	if (settled_without_entry(move, how))
		return;
	if (how == OG_CONFIRMED) {
		og_source_ack(&move->source);
		if (e->where == OG_WHERE_TO_LANE) {
			s->counts.queued++;
			og_index_move(s->plan.index, e, OG_WHERE_LANE);
			og_records_moved(s, e, OG_STATE_QUEUED);
			if (!move->told)
				og_answer_progress(s, e, OG_STATE_QUEUED);
			og_lanes_pump(s, e->tier);
		}
	} else if (move->again &&
		   e->where == OG_WHERE_TO_LANE) { /* it was accepted: it is not refused for a full lane */
		og_retry_put_back(s, e, OG_TAKE(move->held));
	} else if (how == OG_RETURNED || move->dead) { /* a dead letter stays one */
		if (how == OG_RETURNED)
			block(s, how, s->catalogue->tiers[e->tier].key);
		leave_there(s, e, move);
	} else {
		refused_by_lane(s, e, &move->source);
	}
	move_free(move);
}

int og_move_to_lane(struct og_scheduler *s, struct og_entry *e, const struct og_message *m,
	const struct og_envelope *request, const struct og_source *source, struct og_held *held)
{
	char key[OG_KEY_MAX], lease[OG_LEASE_HEX + 1];
	struct og_envelope waiting = *request;
	struct og_message out = *m;
	struct og_move *move = move_new(s, e, source, held);

	move->told = e->where == OG_WHERE_DOOR;
	lend(s, e, lease, &waiting);
	og_index_choose_lane(e);
	og_key_lane(s->catalogue->tiers[e->tier].key, (enum og_class)e->class, e->lane, key);
	out.exchange = OG_X_WAIT;
	out.routing_key = key;
	if (publish(&out, &waiting, on_lane_settled, move) != 0)
		return -1;
	og_index_move(s->plan.index, e, OG_WHERE_TO_LANE);
	return 0;
}
