#include "shell/intake.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "model/operation.h"
#include "shell/answer.h"
#include "shell/hold.h"
#include "shell/move.h"
#include "shell/place.h"
#include "shell/records.h"

#define TOO_LARGE "the request is above 8 MiB"

/* --- what is kept --- */

struct og_parked *og_parked_new(
	struct og_scheduler *s, const struct og_message *m, const struct og_source *source, bool checked)
{
	struct og_parked *p = og_new(struct og_parked);

	*p = (struct og_parked){.s = s, .m = og_message_copy(m), .source = *source, .checked = checked};
	p->id = p->m->message_id ? p->m->message_id : p->m->correlation_id;
	return p;
}

void og_parked_free(struct og_parked *p)
{
	free(p->m);
	free(p);
}

/* It goes without having moved on: so does its entry. */
static void discard(struct og_scheduler *s, struct og_parked *p)
{
	struct og_entry *e = p->checked ? og_index_find(s->plan.index, p->id) : NULL;

	if (e && e->where == OG_WHERE_CHECK)
		og_answer_forget(s, e);
	og_parked_free(p);
}

void og_intake_keep(struct og_scheduler *s, struct og_parked *p, enum og_judged judged)
{
	struct og_term *t = s->term;

	if (judged == OG_JUDGED_TAKEN) {
		og_parked_free(p);
	} else if (judged == OG_JUDGED_NO_ROOM) {
		DL_APPEND(t->parked, p);
	} else if (judged == OG_JUDGED_LATER) {
		DL_APPEND(t->deferred, p);
	} else if (og_hold_is_from(p->m)) {
		DL_APPEND(t->held, p);
	} else {
		og_hold_put(s, p);
	}
}

void og_intake_kick(struct og_scheduler *s)
{
	while (s->term->parked && !s->draining && !og_moves_blocked(s)) {
		struct og_parked *p = s->term->parked;
		enum og_judged judged = og_intake_judge(s, p->m, &p->source, p->checked);

		if (judged == OG_JUDGED_NO_ROOM)
			return;
		DL_DELETE(s->term->parked, p);
		og_intake_keep(s, p, judged);
	}
}

void og_intake_retry(struct og_scheduler *s)
{
	struct og_parked *list = OG_TAKE(s->term->deferred), *p, *tmp;

	DL_FOREACH_SAFE(list, p, tmp)
	{
		DL_DELETE(list, p);
		og_intake_keep(s, p, s->draining ? OG_JUDGED_LATER : og_intake_judge(s, p->m, &p->source, p->checked));
	}
}

static void discard_list(struct og_scheduler *s, struct og_parked **list)
{
	struct og_parked *p, *tmp;

	DL_FOREACH_SAFE(*list, p, tmp)
	{
		DL_DELETE(*list, p);
		discard(s, p);
	}
}

void og_intake_drop(struct og_scheduler *s)
{
	struct og_term *t = s->term;
	struct og_parked *p, *tmp;

	discard_list(s, &t->parked);
	discard_list(s, &t->deferred);
	og_hold_drop(s);
	DL_FOREACH_SAFE(t->checking, p, tmp)
	{
		struct og_entry *e = og_index_find(s->plan.index, p->id);

		DL_DELETE(t->checking, p);
		p->orphaned = true;
		if (e && e->where == OG_WHERE_CHECK)
			og_answer_forget(s, e);
	}
}

static void clear_door(struct og_scheduler *s, unsigned tier)
{
	struct og_tier_index *t = &s->plan.index->tiers[tier];

	for (int c = 0; c < OG_CLASSES; c++)
		while (t->door[c])
			og_answer_forget(s, t->door[c]);
}

void og_intake_lost(struct og_scheduler *s, struct og_connection *c)
{
	(void)c;
	og_intake_drop(s);
	for (unsigned i = 0; i < s->catalogue->n; i++)
		clear_door(s, i);
}

/* --- judging --- */

static bool is_own_reply(const char *reply, const char *user)
{
	return reply && user && og_reply_valid(reply) && og_reply_belongs_to(reply, user);
}

/* 0, or -1: dead-lettered. */
static int read_submit(struct og_scheduler *s, struct og_submit *x)
{
	const struct og_message *m = x->m;
	struct og_error err;
	const char *type = "invalid_request";
	bool held = og_hold_is_from(m);
	const struct og_header *submitter = held ? og_message_header(m, "og-submitter") : NULL;
	bool own = is_own_reply(m->reply_to, submitter ? submitter->text : m->user_id);

	if (og_envelope_decode(m, &x->e, &err) != 0) {
		type = og_envelope_error_type(&err);
	} else if (strcmp(x->e.type, OG_T_REQUEST) != 0) {
		og_fail(&err, OG_INVALID, "a message of type %s is no request", x->e.type);
	} else if (!x->e.user_id) {
		og_fail(&err, OG_INVALID, "user_id is missing");
	} else if (!own) {
		og_fail(&err, OG_INVALID, "reply_to is missing or not the submitter's own");
	} else if (held && x->e.submitter && x->e.tenant) {
		x->e.user_id = x->e.submitter;
		x->tenant = x->e.tenant;
		return 0;
	} else {
		x->tenant = og_tenant_of_user(x->e.user_id);
		if (og_role_of_user(x->e.user_id) != OG_ROLE_GATEWAY)
			x->e.weight = 0;
		else if (x->e.tenant)
			x->tenant = x->e.tenant;
		og_move_strip(&x->e);
		return 0;
	}
	og_answer_dead(s, m, &x->source, type, err.message, own ? m->reply_to : NULL);
	return -1;
}

static enum og_judged refuse(
	struct og_scheduler *s, const struct og_submit *x, enum og_state state, const char *type, const char *words)
{
	struct og_entry *e = x->checked ? og_index_find(s->plan.index, x->e.id) : NULL;

	if (e)
		og_answer_forget(s, e);
	og_answer_refuse(s, &x->e, x->tenant, state, type, words, &x->source);
	return OG_JUDGED_TAKEN;
}

/* The row of its tier into ask->tier; false: it is settled with *ret_judged. */
static bool find_tier(struct og_scheduler *s, const struct og_submit *x, struct og_ask *ask, enum og_judged *ret_judged)
{
	struct og_error err;

	switch (og_plan_resolve(&s->plan, x->e.tier, x->e.model, ask, og_clock_mono_ms(), &ask->tier, &err)) {
	case OG_RESOLVED:
		return true;
	case OG_RESOLVE_LATER:
		*ret_judged = OG_JUDGED_LATER;
		break;
	case OG_RESOLVE_UNKNOWN:
		*ret_judged = refuse(s, x, OG_STATE_FAILED, "unknown_model", err.message);
		break;
	case OG_RESOLVE_NO_CAPACITY:
		*ret_judged = refuse(s, x, OG_STATE_NO_CAPACITY, "no_capacity", err.message);
		break;
	}
	return false;
}

/* Its entry: new, or the one that its lookup left at CHECK, with all filled in. */
static struct og_entry *enter(struct og_scheduler *s, const struct og_submit *x, const struct og_facts *facts)
{
	struct og_entry *e = x->checked ? og_index_find(s->plan.index, x->e.id) : NULL;

	if (!e)
		return og_index_add(s->plan.index, facts, OG_WHERE_CHECK);
	og_index_fill(s->plan.index, e, facts);
	return e;
}

static void wait_at_the_door(struct og_scheduler *s, struct og_entry *e, const struct og_submit *x)
{
	e->held = og_held_new(&x->source, x->m);
	e->placed_at = og_clock_mono_ms();
	og_index_move(s->plan.index, e, OG_WHERE_DOOR);
	og_answer_progress(s, e, OG_STATE_QUEUED);
}

static enum og_judged move_on(
	struct og_scheduler *s, const struct og_submit *x, const struct og_facts *facts, enum og_verdict verdict)
{
	struct og_entry *e = enter(s, x, facts);
	struct og_envelope request = og_move_envelope(s, &x->e, e);
	enum og_placing how;
	int rc = 0;

	if (e->cancelling) {
		og_answer_turn_away(s, e, OG_STATE_CANCELLED, "cancelled", "cancelled", &x->source);
		return OG_JUDGED_TAKEN;
	}
	how = verdict == OG_VERDICT_PLACE ? og_place(s, e, x->m, &request, &x->source, NULL) : OG_PLACING_LATER;
	if (how == OG_PLACING_NOBODY) {
		og_answer_turn_away(s, e, OG_STATE_NO_CAPACITY, "no_capacity", OG_PLACE_NOBODY, &x->source);
		return OG_JUDGED_TAKEN;
	}
	if (how == OG_PLACING_NO_ROOM)
		rc = -1;
	else if (how == OG_PLACING_LATER && verdict != OG_VERDICT_WAIT && s->plan.index->at_door < OG_DOOR_MAX)
		wait_at_the_door(s, e, x);
	else if (how == OG_PLACING_LATER)
		rc = og_move_to_lane(s, e, x->m, &request, &x->source, NULL);
	if (rc == 0) {
		og_plan_admitted(&s->plan, e, og_clock_mono_ms());
		s->counts.accepted++;
		og_scheduler_arm_due(s);
		return OG_JUDGED_TAKEN;
	}
	if (!x->checked)
		og_answer_forget(s, e);
	return OG_JUDGED_NO_ROOM;
}

/* What may not even wait; true: it is settled. */
static bool turn_away(
	struct og_scheduler *s, const struct og_submit *x, enum og_verdict verdict, const struct og_error *err)
{
	switch (verdict) {
	case OG_VERDICT_BUSY:
		refuse(s, x, OG_STATE_BUSY, "busy", err->message);
		return true;
	case OG_VERDICT_LIMITED:
		refuse(s, x, OG_STATE_BUSY, "limited", err->message);
		return true;
	case OG_VERDICT_TOO_LONG:
		refuse(s, x, OG_STATE_FAILED, "too_large", err->message);
		return true;
	case OG_VERDICT_NO_CAPACITY:
		refuse(s, x, OG_STATE_NO_CAPACITY, "no_capacity", err->message);
		return true;
	case OG_VERDICT_PLACE:
	case OG_VERDICT_DOOR:
	case OG_VERDICT_WAIT:
		break;
	}
	return false;
}

static enum og_judged judge(struct og_scheduler *s, const struct og_submit *x)
{
	int64_t wall = og_stamp_accepted(&s->stamps, og_clock_wall_ms());
	int64_t deadline = x->e.deadline_ms ? x->e.deadline_ms : wall + s->settings->default_deadline_ms;
	const struct og_wish wish = {.avoid = x->e.avoid, .region = x->e.region};
	struct og_ask ask = {.class = OG_CLASS_NORMAL,
		.tenant = x->tenant,
		.bytes = x->m->body_len,
		.max_tokens = x->e.max_tokens,
		.any_length = !og_operation_is(x->e.operation, OG_OPERATION_GENERATE),
		.left_ms = deadline - wall,
		.wish = &wish};
	enum og_verdict verdict;
	enum og_judged judged = OG_JUDGED_TAKEN;
	struct og_error err;

	if (x->m->body_len > OG_BODY_MAX)
		return refuse(s, x, OG_STATE_FAILED, "too_large", TOO_LARGE);
	if (og_message_headers_size(x->m) > OG_HEADERS_BYTES_MAX)
		return refuse(s, x, OG_STATE_FAILED, "too_large", "the headers of the request are above 32 KiB");
	if (x->e.class_name)
		og_class_parse(x->e.class_name, &ask.class, NULL);
	if (!find_tier(s, x, &ask, &judged))
		return judged;
	if (deadline <= wall)
		return refuse(s, x, OG_STATE_EXPIRED, "expired", "its deadline had passed when it came");
	if (x->e.explicit_id && !x->checked)
		return og_intake_check(s, x);
	verdict = og_plan_admit(&s->plan, &ask, og_clock_mono_ms(), &err);
	if (turn_away(s, x, verdict, &err))
		return OG_JUDGED_TAKEN;
	return move_on(s, x,
		&(struct og_facts){.id = x->e.id,
			.tenant = x->tenant,
			.reply = x->e.reply_to,
			.tier = ask.tier,
			.class = ask.class,
			.since = og_clock_mono_ms(),
			.max_tokens = x->e.max_tokens,
			.weight = x->e.weight,
			.accepted_ms = wall,
			.deadline_ms = deadline,
			.bytes = (uint32_t)x->m->body_len,
			.attempt = 1,
			.explicit_id = x->e.explicit_id,
			.progress = x->e.progress,
			.detach = x->e.detach},
		verdict);
}

enum og_judged og_intake_judge(
	struct og_scheduler *s, const struct og_message *m, const struct og_source *source, bool checked)
{
	struct og_submit x = {.m = m, .source = *source, .checked = checked};
	struct og_entry *e;

	if (read_submit(s, &x) != 0)
		return OG_JUDGED_TAKEN;
	e = og_index_find(s->plan.index, x.e.id);
	if (checked)
		return judge(s, &x);
	if (e || og_recent_find(s->plan.recent, x.e.id, NULL))
		return og_intake_again(s, &x, e);
	return judge(s, &x);
}

void og_intake_take(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_scheduler *s = ctx;
	const struct og_source source = {.from = s->term->intake.amqp, .epoch = epoch, .tag = m->delivery_tag};
	enum og_judged judged = OG_JUDGED_NO_ROOM;

	if (s->draining)
		return;
	if (!s->term->parked && !og_moves_blocked(s))
		judged = og_intake_judge(s, m, &source, false);
	if (judged != OG_JUDGED_TAKEN)
		og_intake_keep(s, og_parked_new(s, m, &source, false), judged);
}

void og_intake_oversized(struct og_scheduler *s, const struct og_message *m, uint64_t epoch)
{
	struct og_message bare = *m;
	struct og_submit x = {
		.m = &bare, .source = {.from = s->term->intake.amqp, .epoch = epoch, .tag = m->delivery_tag}};

	bare.body_len = 0;
	if (!s->draining && read_submit(s, &x) == 0)
		refuse(s, &x, OG_STATE_FAILED, "too_large", TOO_LARGE);
}
