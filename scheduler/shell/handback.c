/* What a hand-back means: whose it is, whether it still counts, and what becomes of the job. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "plan/retry.h"
#include "shell/lanes.h"
#include "shell/leader.h"
#include "shell/move.h"
#include "shell/place.h"
#include "shell/records.h"
#include "shell/retry.h"

/* A submit's, and what we and its workers have added: below what a message can hold, so that it can be sent on. */
#define HEADERS_MAX (OG_HEADERS_BYTES_MAX + 8u * 1024)
#define LIST_MAX    1024 /* bytes of og-tried and of og-reason, NUL included */

/* --- whose it is --- */

static bool has_lease(struct og_scheduler *s, const struct og_envelope *said)
{
	return said->lease && og_lease_fits(s->lease, said->id, said->attempt, said->epoch, said->lease);
}

/* A scheduler's own, back from a delay. */
static bool is_ours(const struct og_envelope *said)
{
	return said->not_before_ms && said->user_id && og_role_of_user(said->user_id) == OG_ROLE_SCHEDULER;
}

/* And with all decided. A worker that was lost is looked at anew each time. */
static bool is_decided(const struct og_envelope *said)
{
	return is_ours(said) && said->error_type && strcmp(said->error_type, "worker_lost") != 0;
}

/* False: it does not say enough. */
static bool read_facts(const struct og_retry *x, const struct og_envelope *said, struct og_facts *ret)
{
	const struct og_tier *t = said->tier ? og_catalogue_find(x->s->catalogue, said->tier) : NULL;
	enum og_class class = OG_CLASS_NORMAL;

	if (!t || !said->tenant || !said->reply_to)
		return false;
	if (said->class_name)
		og_class_parse(said->class_name, &class, NULL);
	*ret = (struct og_facts){.id = said->id,
		.tenant = said->tenant,
		.reply = said->reply_to,
		.tier = (unsigned)(t - x->s->catalogue->tiers),
		.class = class,
		.since = og_clock_mono_ms(),
		.max_tokens = said->max_tokens,
		.weight = said->weight,
		.accepted_ms = said->accepted_ms,
		.deadline_ms = said->deadline_ms,
		.bytes = (uint32_t)x->held->m->body_len,
		.attempt = (uint32_t)said->attempt,
		.explicit_id = said->explicit_id,
		.progress = said->progress,
		.detach = said->detach};
	return true;
}

static void on_look(void *ctx, const struct og_redis_reply *reply, const struct og_error *err);

struct look {
	struct og_scheduler *s;
	uint64_t term;
	char id[OG_ID_LEN + 1];
	int64_t attempt;
};

static bool ask_redis(struct og_retry *x)
{
	struct look *look;

	if (x->looked || !og_records_healthy(x->s))
		return false;
	x->looked = true;
	look = og_new(struct look);
	*look = (struct look){.s = x->s, .term = x->term, .attempt = x->attempt};
	strcpy(look->id, x->id);
	x->asked = og_records_look(x->s, x->id, on_look, look) == 0;
	if (!x->asked)
		free(look);
	return x->asked;
}

/* Under an earlier leader it may have ended: then nobody needs this. */
static void on_look(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct look look = *(struct look *)ctx;
	const char *name = reply ? og_record_text(reply, OG_RECORD_STATE) : NULL;
	const struct og_retry as_asked = {.s = look.s, .attempt = look.attempt};
	struct og_retry key = as_asked, *x;
	enum og_state state;

	(void)err;
	free(ctx);
	if (!look.s->term || look.s->term->serial != look.term)
		return;
	strcpy(key.id, look.id);
	x = og_retry_other(&key);
	if (!x || !x->asked)
		return;
	x->asked = false;
	if (name && og_state_parse(name, &state, NULL) == 0 && og_state_terminal(state)) {
		og_recent_add(look.s->plan.recent, look.id, og_clock_mono_ms());
		og_retry_ack(x);
	} else {
		og_retry_judge(x);
	}
}

/* The live entry that the message is about, brought up to what it says; NULL: x is settled, or waits for Redis. */
static struct og_entry *find_entry(struct og_retry *x, const struct og_envelope *said)
{
	struct og_scheduler *s = x->s;
	struct og_entry *e = og_index_find(s->plan.index, said->id);
	struct og_facts facts;

	if (!e && og_recent_find(s->plan.recent, said->id, NULL)) {
		og_retry_ack(x);
		return NULL;
	}
	if (!e && ask_redis(x))
		return NULL;
	/* Its id is being looked up for a repeated submit: here is the job itself. */
	if (e && e->where == OG_WHERE_CHECK) {
		og_answer_forget(s, e);
		e = NULL;
	}
	if (e && e->tenant)
		return e;
	if (!read_facts(x, said, &facts)) {
		og_answer_dead(s, x->held->m, &x->held->source, "invalid_request",
			"what was handed back is not what was placed", NULL);
		og_retry_free(x);
		if (e) { /* seen to run, and of whom we know nothing more: its slot is free */
			unsigned tier = e->tier;

			og_answer_forget(s, e);
			og_lanes_pump(s, tier);
		}
		return NULL;
	}
	if (e) {
		facts.tier = e->tier; /* where it was seen to run */
		og_index_fill(s->plan.index, e, &facts);
	} else {
		e = og_index_add(s->plan.index, &facts, OG_WHERE_RETRY);
	}
	og_scheduler_arm_due(s);
	return e;
}

/* It may be what another one went to a delay as, back before the confirm of that: then it is the job. Where it is that
 * one's own source once more, the job is in the delay too: whichever comes second is an attempt too late, and acked. */
static bool may_have_arrived(const struct og_retry *other, const struct og_envelope *said)
{
	return other->publishing && other->stage != OG_STAGE_DIE && is_ours(said);
}

/* The same message again, after its connection was lost, while its move is under way, or is to be tried again: the one
 * that is here acks it. */
static bool is_redelivered(const struct og_retry *x, struct og_entry *e, const struct og_envelope *said)
{
	struct og_retry *other = og_retry_other(x);

	if (e->move && og_move_redelivered(e->move, &x->held->source, true))
		return true;
	if (!other || other->held->source.epoch >= x->held->source.epoch || may_have_arrived(other, said))
		return false;
	other->held->source = x->held->source;
	return true;
}

/* The job is not lost without this message: another attempt has begun, or another message says the same. */
static bool is_surplus(const struct og_retry *x, const struct og_entry *e, const struct og_envelope *said)
{
	const struct og_retry *other = og_retry_other(x);

	if (x->attempt != e->attempt)
		return x->attempt < e->attempt;
	if (e->dying || (other && !may_have_arrived(other, said)))
		return true;
	if (e->where == OG_WHERE_RETRY)
		return e->delayed && x->stage == OG_STAGE_JUDGE && !is_ours(said);
	return e->where == OG_WHERE_LANE && e->held && !e->unsure;
}

/* --- what becomes of it --- */

static const char *reason_of(const struct og_envelope *said)
{
	return said->reason ? said->reason : said->error_type;
}

/* `list` and one more id, without the oldest where it would be too long. */
static void append_id(char ret[static LIST_MAX], const char *list, const char *id)
{
	while (list && strlen(list) + 1 + strlen(id) >= LIST_MAX)
		list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL;
	snprintf(ret, LIST_MAX, "%s%s%s", list ? list : "", list ? "," : "", id);
}

/* Its slot is free. */
static void take_out(struct og_scheduler *s, struct og_entry *e, int64_t attempt)
{
	bool placed = og_entry_placed(e);

	e->attempt = (uint32_t)attempt;
	if (e->move) {
		og_move_detach(e->move);
		e->move = NULL;
	}
	e->delayed = e->dying = false;
	if (e->where == OG_WHERE_RETRY)
		return;
	if (e->held) { /* a copy of it from before, where it waited */
		og_source_ack(&e->held->source);
		og_held_free(og_index_unhold(s->plan.index, e));
	}
	og_index_move(s->plan.index, e, OG_WHERE_RETRY);
	og_index_set_worker(s->plan.index, e, NULL);
	if (placed)
		og_lanes_pump(s, e->tier);
}

static void end(struct og_retry *x, struct og_entry *e, enum og_state state, const char *type, const char *words)
{
	og_answer_end(x->s, e, state, type, words);
	og_answer_body_came(x->s, e, OG_TAKE(x->held));
	og_retry_free(x);
}

/* What cannot be tried again as it is: kept to be looked at. Its entry goes when the letter is kept (dying.h). */
static void give_up(
	struct og_retry *x, struct og_entry *e, const struct og_envelope *said, const char *type, const char *words)
{
	take_out(x->s, e, said->attempt);
	og_answer_dead(x->s, x->held->m, &x->held->source, "invalid_request", words, NULL);
	og_answer_end(x->s, e, OG_STATE_FAILED, type, words);
	og_retry_free(x);
}

static void bury(struct og_retry *x, struct og_envelope *said, const struct og_retry_verdict *v)
{
	char reason[LIST_MAX];

	snprintf(reason, sizeof(reason), "%s: %s", v->words, reason_of(said));
	said->error_type = v->type;
	said->reason = reason;
	og_retry_rewrite(x, said);
	x->stage = OG_STAGE_DIE;
	og_retry_die(x);
}

static void try_again(
	struct og_retry *x, const struct og_entry *e, struct og_envelope *said, const struct og_retry_verdict *v)
{
	og_answer_again(x->s, e, said);
	said->suspect = v->suspect;
	said->not_before_ms = og_clock_wall_ms() + v->delay_ms;
	og_retry_rewrite(x, said);
	x->stage = OG_STAGE_PLACE;
	og_retry_judge(x);
}

static void place(struct og_retry *x, struct og_entry *e)
{
	struct og_scheduler *s = x->s;
	struct og_held *held = x->held;
	struct og_envelope said, request;
	char reply[OG_KEY_MAX];
	enum og_placing how = OG_PLACING_LATER;
	int rc = -1;

	if (og_envelope_decode(held->m, &said, NULL) != 0)
		return;
	og_entry_reply(e, reply);
	said.reply_to = reply;
	e->attempt = (uint32_t)x->attempt + 1;
	request = og_move_envelope(s, &said, e);
	if (!og_moves_blocked(s) && og_plan_room_of(&s->plan, e->tier, (enum og_class)e->class))
		how = og_place(s, e, held->m, &request, &held->source, held);
	if (how == OG_PLACING_NOBODY) {
		end(x, e, OG_STATE_NO_CAPACITY, "no_capacity", OG_PLACE_NOBODY);
		return;
	}
	if (how == OG_PLACING_LATER && e->hold_until > og_clock_mono_ms() && x->looks++ < OG_RETRY_LOOKS &&
		s->term->n_retries <= OG_RETRY_HELD) {
		e->attempt = (uint32_t)x->attempt;
		x->due = e->hold_until;
		return;
	}
	if (how == OG_PLACING_GOES)
		rc = 0;
	else if (how == OG_PLACING_LATER && !og_moves_blocked(s))
		rc = og_move_to_lane(s, e, held->m, &request, &held->source, held);
	if (rc != 0) {
		e->attempt = (uint32_t)x->attempt;
		x->due = og_clock_mono_ms() + 50;
		return;
	}
	free(OG_TAKE(e->alone));
	x->held = NULL;
	og_retry_free(x);
}

/* A worker says that it runs it, and was heard so lately that it is to be believed. One of the same name as the one that
 * handed it back is that one, or the one before it. What another leader placed may run where we have not heard of yet. */
static bool still_runs(const struct og_scheduler *s, const struct og_entry *e, const struct og_envelope *said)
{
	const struct og_worker *w = e->where == OG_WHERE_RUN && e->attempt == said->attempt ? e->worker : NULL;
	int64_t heard = w ? w->seen : 0, since = s->presence_since + OG_PRESENCE_PERIOD_MS;

	if (said->epoch < s->term->epoch &&
		og_clock_mono_ms() - s->term->since < OG_GRACE_PERIODS * OG_PRESENCE_PERIOD_MS)
		return true;
	if (!w || (said->worker && !strcmp(said->worker, w->said.worker)))
		return false;
	return og_clock_mono_ms() - (heard > since ? heard : since) <= OG_UNHEARD_MS;
}

/* A worker whose engine fails, and fast, is to be left alone for a while: plan/breaker.h. */
static void blame(struct og_scheduler *s, const struct og_entry *e, const struct og_envelope *said)
{
	const struct og_worker *w = og_nodes_named(&s->plan.nodes, e->tier, said->worker, said->user_id);
	int64_t now = og_clock_mono_ms();
	bool fast = og_entry_placed(e) && now - e->placed_at < OG_FAST_MS;

	if (w && og_retry_is_engines(said->error_type))
		og_plan_worker_failed(&s->plan, w, fast, now);
}

static void decide(struct og_retry *x, struct og_entry *e, struct og_envelope *said)
{
	struct og_scheduler *s = x->s;
	struct og_retry_facts facts = {.error = said->error_type ? said->error_type : "",
		.attempt = said->attempt,
		.failed = og_retry_count(said->tried),
		.deaths = said->deaths,
		.suspect = said->suspect,
		.alone = e->alone && e->attempt == said->attempt,
		.runs = still_runs(s, e, said),
		.max_attempts = s->settings->max_attempts,
		.deadline_ms = e->deadline_ms,
		.now = og_clock_wall_ms(),
		.random = x->s->plan.random()};
	struct og_retry_verdict v;
	char tried[LIST_MAX];
	const char *node = facts.alone && !strcmp(facts.error, "worker_lost") ? e->alone : said->node;

	if (!og_retry_decide(&facts, &v)) {
		give_up(x, e, said, "unknown", "handed back without a reason that we know");
		return;
	}
	if (v.next == OG_NEXT_WAIT) {
		said->not_before_ms = facts.now + v.delay_ms;
		og_retry_rewrite(x, said);
		og_retry_postpone(x, v.delay_ms);
		return;
	}
	og_debug("handed back", "id=%s attempt=%" PRId64 " error=%s next=%d delay_ms=%" PRId64, said->id, said->attempt,
		facts.error, (int)v.next, v.delay_ms);
	og_records_history(
		s, e->id, "handed_back", said->attempt, said->node_name, said->worker, said->error_type, said->reason);
	blame(s, e, said);
	take_out(s, e, said->attempt);
	if (e->cancelling) {
		end(x, e, OG_STATE_CANCELLED, "cancelled", "cancelled before it was tried again");
		return;
	}
	if (v.failed) {
		append_id(tried, said->tried, node ? node : "unknown");
		said->tried = tried;
	}
	said->deaths = v.deaths;
	if (v.next == OG_NEXT_EXPIRED)
		end(x, e, OG_STATE_EXPIRED, v.type, v.words);
	else if (v.next == OG_NEXT_DEAD)
		bury(x, said, &v);
	else
		try_again(x, e, said, &v);
}

/* --- alone --- */

static void note_alone(struct og_retry *x, const struct og_envelope *said)
{
	struct og_entry *e = og_index_find(x->s->plan.index, said->id);

	if (!has_lease(x->s, said)) {
		og_records_forged(x->s, "a run alone without a lease that fits was dropped", said->id,
			said->user_id ? said->user_id : "");
	} else if (e && e->attempt == said->attempt && og_entry_placed(e)) {
		free(e->alone);
		e->alone = og_strdup(said->node ? said->node : "unknown");
		og_records_history(x->s, e->id, "alone", said->attempt, said->node_name, said->worker, NULL, NULL);
	}
	og_retry_ack(x);
}

/* --- all of it --- */

static void go_on(struct og_retry *x, struct og_entry *e, struct og_envelope *said)
{
	int64_t left = said->not_before_ms - og_clock_wall_ms();

	if (x->stage == OG_STAGE_JUDGE && is_decided(said)) {
		take_out(x->s, e, said->attempt);
		x->stage = OG_STAGE_PLACE;
	} else if (x->stage == OG_STAGE_JUDGE) {
		decide(x, e, said);
		return;
	}
	if (x->stage == OG_STAGE_DIE)
		og_retry_die(x);
	else if (left > 0)
		og_retry_postpone(x, left);
	else
		place(x, e);
}

void og_retry_judge(struct og_retry *x)
{
	struct og_scheduler *s = x->s;
	const struct og_message *m = x->held->m;
	struct og_envelope said;
	struct og_error err;
	struct og_entry *e;

	if (og_envelope_decode(m, &said, &err) != 0) {
		og_answer_dead(s, m, &x->held->source, og_envelope_error_type(&err), err.message, NULL);
		og_retry_free(x);
		return;
	}
	if (!strcmp(said.type, OG_T_ALONE)) {
		note_alone(x, &said);
		return;
	}
	if (strcmp(said.type, OG_T_REQUEST) != 0 || !has_lease(s, &said)) {
		og_records_forged(s, "what was handed back without a lease that fits was dropped",
			said.id ? said.id : "", said.user_id ? said.user_id : "");
		og_retry_ack(x);
		return;
	}
	og_leader_saw_epoch(s, said.epoch);
	e = find_entry(x, &said);
	if (!e)
		return;
	if (e->where == OG_WHERE_ENDED) {
		og_answer_body_came(s, e, OG_TAKE(x->held));
		og_retry_free(x);
	} else if (is_redelivered(x, e, &said)) {
		og_retry_free(x);
	} else if (is_surplus(x, e, &said)) {
		og_retry_ack(x);
	} else if (og_message_headers_size(m) > HEADERS_MAX) {
		give_up(x, e, &said, "too_large", "the headers of what was handed back are too large to be sent on");
	} else {
		go_on(x, e, &said);
	}
}
