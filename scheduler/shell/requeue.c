/* A dead letter becomes a job again: with attempts that are all higher than those before (og_retry_anew), what is left of
 * its death taken off, and the default deadline. Its source is the walk's delivery: acked when its move is confirmed, and
 * back in og.dead when that fails. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "model/operation.h"
#include "plan/retry.h"
#include "shell/dead.h"
#include "shell/move.h"
#include "shell/place.h"
#include "shell/records.h"

#define LETTER_BYTES 4096 /* beside the body, about */

struct og_held_letter {
	struct og_held_letter *prev, *next;
	struct og_held *held;
	char id[OG_ID_LEN + 1];
	bool asked;   /* Redis, whose record of this id it is */
	bool foreign; /* another tenant's */
};

static void say_why_not(struct og_walk *w, const char *type, const char *words)
{
	w->refused++;
	snprintf(w->why_type, sizeof(w->why_type), "%s", type);
	snprintf(w->why, sizeof(w->why), "%.255s", words);
}

/* As the intake would have it. */
static bool is_run_of_its_own(const struct og_envelope *said)
{
	return said->tenant && said->submitter && said->reply_to && og_reply_valid(said->reply_to) &&
	       og_reply_belongs_to(said->reply_to, said->submitter);
}

/* It never was a job: who wrote it has been told, and it would be told so again. */
static bool was_refused(const struct og_envelope *said)
{
	return said->error_type &&
	       (!strcmp(said->error_type, "invalid_request") || !strcmp(said->error_type, "unknown_version"));
}

/* What it asks for, as a submit that comes now; false: it cannot be one. */
static bool read_letter(struct og_walk *w, const struct og_message *m, struct og_envelope *said, struct og_facts *ret)
{
	const struct og_scheduler *s = w->q->s;
	const struct og_tier *t;
	enum og_class class = OG_CLASS_NORMAL;

	if (og_envelope_decode(m, said, NULL) != 0 || strcmp(said->type, OG_T_REQUEST) != 0 || was_refused(said) ||
		!is_run_of_its_own(said)) {
		say_why_not(w, "invalid_request", "it is no request that could be run: look at it, then drop it");
		return false;
	}
	t = said->tier ? og_catalogue_find(s->catalogue, said->tier) : NULL;
	if (!t) {
		say_why_not(w, "unknown_model", "its tier is not in the catalogue");
		return false;
	}
	if (said->class_name)
		og_class_parse(said->class_name, &class, NULL);
	og_move_strip(said);
	said->detach = 1; /* who submitted it has had its answer */
	*ret = (struct og_facts){.id = said->id,
		.tenant = said->tenant,
		.reply = said->reply_to,
		.tier = (unsigned)(t - s->catalogue->tiers),
		.class = class,
		.since = og_clock_mono_ms(),
		.max_tokens = said->max_tokens,
		.accepted_ms = og_clock_wall_ms(),
		.deadline_ms = og_clock_wall_ms() + s->settings->default_deadline_ms,
		.bytes = (uint32_t)m->body_len,
		.attempt = (uint32_t)og_retry_anew(said->attempt),
		.explicit_id = said->explicit_id,
		.progress = said->progress,
		.detach = true};
	return true;
}

static bool may_enter(struct og_walk *w, const struct og_envelope *said, const struct og_facts *f, bool *ret_place)
{
	const struct og_wish wish = {.avoid = said->avoid, .region = said->region};
	const struct og_ask ask = {.tier = f->tier,
		.class = f->class,
		.tenant = f->tenant,
		.bytes = f->bytes,
		.max_tokens = f->max_tokens,
		.any_length = !og_operation_is(said->operation, OG_OPERATION_GENERATE),
		.left_ms = w->q->s->settings->default_deadline_ms,
		.wish = &wish};
	struct og_error err = {0};
	enum og_verdict verdict = og_plan_admit(&w->q->s->plan, &ask, og_clock_mono_ms(), &err);

	*ret_place = verdict == OG_VERDICT_PLACE;
	if (verdict == OG_VERDICT_PLACE || verdict == OG_VERDICT_DOOR || verdict == OG_VERDICT_WAIT)
		return true;
	say_why_not(w,
		verdict == OG_VERDICT_NO_CAPACITY ? "no_capacity"
		: verdict == OG_VERDICT_TOO_LONG  ? "too_large"
						  : "busy",
		err.message);
	return false;
}

/* -1: there is no room to publish. */
static int move(struct og_walk *w, struct og_entry *e, const struct og_message *m, const struct og_envelope *said,
	const struct og_source *source, bool place)
{
	struct og_scheduler *s = w->q->s;
	struct og_envelope request = og_move_envelope(s, said, e);
	enum og_placing how = place ? og_place(s, e, m, &request, source, NULL) : OG_PLACING_LATER;

	if (how == OG_PLACING_GOES)
		return 0;
	if (how == OG_PLACING_NO_ROOM)
		return -1;
	return og_move_to_lane(s, e, m, &request, source, NULL);
}

/* False: there is no room to publish. */
static bool begin(struct og_walk *w, const struct og_held_letter *l)
{
	const struct og_message *m = l->held->m;
	const struct og_source *source = &l->held->source;
	struct og_scheduler *s = w->q->s;
	struct og_envelope said;
	struct og_facts facts;
	struct og_entry *e;
	bool place;

	if (og_moves_blocked(s))
		return false;
	if (!read_letter(w, m, &said, &facts))
		return true;
	if (l->foreign || og_index_find(s->plan.index, said.id)) {
		w->conflicts++;
		return true;
	}
	if (json_array_size(w->ids) >= OG_WALK_IDS_MAX) {
		say_why_not(w, "busy", "so many are requeued at once: ask again for the rest");
		return true;
	}
	if (!may_enter(w, &said, &facts, &place))
		return true;
	e = og_index_add(s->plan.index, &facts, OG_WHERE_CHECK);
	if (move(w, e, m, &said, source, place) != 0) {
		og_answer_forget(s, e);
		return false;
	}
	e->requeued = true;
	og_plan_admitted(&s->plan, e, og_clock_mono_ms());
	s->counts.accepted++;
	og_scheduler_arm_due(s);
	json_array_append_new(w->ids, json_string(said.id));
	return true;
}

void og_requeue_stays(struct og_scheduler *s, const char *id)
{
	struct og_walk *w = s->term->walks;
	const json_t *one;
	size_t i;

	json_array_foreach(w->ids, i, one)
	{
		if (!strcmp(json_string_value(one), id)) {
			json_array_remove(w->ids, i);
			break;
		}
	}
	say_why_not(w, "busy", "the broker has no room for it where it would wait: ask again");
}

/* --- whose record it is --- */

struct look {
	struct og_scheduler *s;
	uint64_t term, epoch, tag;
	char id[OG_ID_LEN + 1];
};

/* The letter that waits for this answer; NULL: its walk is over. */
static struct og_held_letter *find_letter(const struct look *look)
{
	const struct og_term *t = look->s->term;
	struct og_held_letter *l;

	if (!t || t->serial != look->term || !t->walks)
		return NULL;
	DL_FOREACH(t->walks->waiting, l)
	{
		if (l->asked && l->held->source.epoch == look->epoch && l->held->source.tag == look->tag &&
			!strcmp(l->id, look->id))
			return l;
	}
	return NULL;
}

static void on_look(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	og_autofree struct look *look = ctx;
	const char *owner = reply ? og_record_text(reply, OG_RECORD_TENANT) : NULL;
	struct og_held_letter *l = find_letter(look);
	struct og_envelope said;

	(void)err;
	if (!l)
		return;
	l->asked = false;
	l->foreign = owner && og_envelope_decode(l->held->m, &said, NULL) == 0 && said.tenant &&
	             strcmp(owner, said.tenant) != 0;
	og_requeue_go_on(look->s->term->walks);
}

/* Without Redis there is no record that it could change. */
static void look_up(struct og_walk *w, struct og_held_letter *l)
{
	struct og_scheduler *s = w->q->s;
	struct look *look;

	if (!*l->id || !og_records_healthy(s))
		return;
	look = og_new(struct look);
	*look = (struct look){
		.s = s, .term = s->term->serial, .epoch = l->held->source.epoch, .tag = l->held->source.tag};
	strcpy(look->id, l->id);
	l->asked = og_records_look(s, l->id, on_look, look) == 0;
	if (!l->asked)
		free(look);
}

/* --- all of it --- */

static size_t cost_of(const struct og_message *m)
{
	return m->body_len + LETTER_BYTES;
}

void og_requeue(struct og_walk *w, const struct og_message *m, uint64_t epoch)
{
	const struct og_source source = {.from = w->connection.amqp, .epoch = epoch, .tag = m->delivery_tag};
	struct og_held_letter *l;

	if (w->held + cost_of(m) > OG_WALK_HELD_MAX) {
		say_why_not(w, "busy", "so much is requeued at once: ask again for the rest");
		return;
	}
	l = og_new(struct og_held_letter);
	w->held += cost_of(m);
	l->held = og_held_new(&source, m);
	if (m->message_id && og_uuid_valid(m->message_id))
		strcpy(l->id, m->message_id);
	DL_APPEND(w->waiting, l);
	look_up(w, l);
	og_requeue_go_on(w);
}

static void letter_free(struct og_walk *w, struct og_held_letter *l)
{
	DL_DELETE(w->waiting, l);
	w->held -= cost_of(l->held->m);
	og_held_free(l->held);
	free(l);
}

void og_requeue_go_on(struct og_walk *w)
{
	struct og_held_letter *l, *tmp;

	DL_FOREACH_SAFE(w->waiting, l, tmp)
	{
		if (l->asked || !begin(w, l))
			return;
		letter_free(w, l);
	}
}

void og_requeue_drop(struct og_walk *w)
{
	struct og_held_letter *l, *tmp;

	DL_FOREACH_SAFE(w->waiting, l, tmp)
	letter_free(w, l);
}
