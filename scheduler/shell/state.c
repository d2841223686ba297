#include "shell/state.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "shell/answer.h"
#include "shell/intake.h"
#include "shell/lanes.h"
#include "shell/leader.h"
#include "shell/letter.h"
#include "shell/records.h"
#include "shell/watch.h"

/* A result that Redis could not take yet, from og.state.later. */
struct og_later {
	struct og_later *prev, *next;
	struct og_held *held;
	bool asked; /* Redis's answer is still to come */
};

#define GARBAGE "{\"error\":{\"type\":\"engine_garbage\",\"message\":\"the worker's answer is no JSON object\"}}"

/* One `done`, while it is settled. */
struct done {
	const struct og_message *m;
	struct og_message garbage; /* what m is then */
	struct og_envelope e;
	struct og_source source;
	bool own;
	char user[OG_NAME_MAX]; /* whose reply key it went to */
};

/* --- storing --- */

struct stored { /* what waits for Redis's answer */
	struct og_scheduler *s;
	uint64_t term;
	struct og_source source;
	bool later;
};

static struct og_later *find_later(struct og_scheduler *s, const struct og_source *source)
{
	struct og_later *l;

	DL_FOREACH(s->term->later, l)
	{
		if (l->held->source.epoch == source->epoch && l->held->source.tag == source->tag)
			return l;
	}
	return NULL;
}

static void later_free(struct og_scheduler *s, struct og_later *l)
{
	DL_DELETE(s->term->later, l);
	og_held_free(l->held);
	free(l);
}

/* Redis failed: the broker delivers it again, and it goes aside then; what came from aside waits here. */
static void not_stored(struct og_scheduler *s, const struct stored *x)
{
	struct og_later *l = x->later ? find_later(s, &x->source) : NULL;

	og_records_sick(s);
	if (l)
		l->asked = false;
	else if (!x->later)
		og_amqp_reject(x->source.from, x->source.epoch, x->source.tag, true);
}

static void on_stored(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct stored x = *(struct stored *)ctx;
	struct og_scheduler *s = x.s;
	struct og_later *l;

	free(ctx);
	if (!s->term || s->term->serial != x.term || (reply && og_records_fenced(s, reply)))
		return;
	if (err && err->kind != OG_INVALID) {
		not_stored(s, &x);
		return;
	}
	if (err) {
		s->counts.unstored++;
		og_error_log(err->message, NULL);
	} else if (reply->type == OG_REPLY_INT && !reply->integer) {
		s->counts.duplicates++;
	}
	l = x.later ? find_later(s, &x.source) : NULL;
	if (l)
		later_free(s, l);
	og_source_ack(&x.source);
}

/* False: Redis takes nothing now. */
static bool store(struct og_scheduler *s, const struct done *d, bool later)
{
	struct stored *x;

	if (!og_records_healthy(s))
		return false;
	x = og_new(struct stored);
	*x = (struct stored){.s = s, .term = s->term->serial, .source = d->source, .later = later};
	if (og_records_finish(s, &d->e, d->m, d->own, on_stored, x) == 0)
		return true;
	free(x);
	return false;
}

static void on_aside(struct og_scheduler *s, void *ctx, bool returned)
{
	struct og_source *source = ctx;

	(void)s;
	if (returned)
		og_error_log("a result cannot be put aside: run og-broker-config apply", NULL);
	og_source_ack(source);
	free(source);
}

/* Its lease was checked here; og.state.later is written by schedulers alone. */
static void put_aside(struct og_scheduler *s, const struct done *d)
{
	struct og_message aside = *d->m;

	og_envelope_encode(&d->e, &aside);
	aside.exchange = OG_X_LATER;
	aside.routing_key = OG_K_LATER;
	aside.user_id = NULL;
	aside.persistent = true;
	og_letter_send(s, &aside, OG_PUBLISH_MANDATORY, on_aside, og_memdup(&d->source, sizeof(d->source)));
}

/* --- seeing --- */

/* Its worker works, and has the cache of its session. */
static void see_worker(struct og_scheduler *s, const struct og_entry *e, const struct done *d)
{
	const struct og_worker *w = og_nodes_named(&s->plan.nodes, e->tier, d->e.worker, d->e.user_id);

	if (!w || strcmp(d->e.state, og_state_name(OG_STATE_DONE)) != 0)
		return;
	og_plan_worker_ran(&s->plan, w);
	if (e->session && e->tenant)
		og_plan_remember_session(&s->plan, e->tenant->text, e->session, w);
}

static void end_entry(struct og_scheduler *s, struct og_entry *e, const struct done *d)
{
	unsigned tier = e->tier;

	if (og_entry_placed(e) && !e->recorded)
		og_records_moved(s, e, OG_STATE_PLACED); /* its confirm is still on its way, but it was there */
	og_watch_tell(s, e, d->e.state, d->e.error_type, d->m->body, d->m->body_len);
	s->counts.ended++;
	if (!d->own) {
		if (s->plan.breakers || e->session)
			see_worker(s, e, d);
		og_plan_ended(
			&s->plan, e, d->e.run_ms, d->e.prompt_tokens + d->e.completion_tokens, og_clock_mono_ms());
	}
	og_answer_seen(s, e);
	og_lanes_pump(s, tier);
}

/* Our own word about a job that was turned away, and that has been submitted again since, is not about the new one. */
static bool is_about(const struct done *d, const struct og_entry *e)
{
	return !d->own || d->e.accepted_ms == e->accepted_ms;
}

static void see(struct og_scheduler *s, struct done *d)
{
	struct og_entry *e = og_index_find(s->plan.index, d->e.id);

	if (!d->own) {
		og_leader_saw_epoch(s, d->e.epoch);
		og_recent_add(s->plan.recent, d->e.id, og_clock_mono_ms());
	}
	if (e && e->tenant)
		d->e.tenant = strcpy(d->user, e->tenant->text); /* the entry may go before it is stored */
	else if (!d->e.tenant && *d->user)
		d->e.tenant = og_tenant_of_user(d->user);
	if (e && e->where != OG_WHERE_CHECK && e->where != OG_WHERE_ENDED && is_about(d, e))
		end_entry(s, e, d);
}

/* Answers are opaque; but one that is no object at all (a worker's fault, or its lie) must not stand as an answer. */
static bool is_object(const struct og_message *m)
{
	const unsigned char *text = m->body;
	size_t from = 0, len = m->body_len;

	while (from < len && strchr(" \t\r\n", text[from]) && text[from])
		from++;
	while (len > from && strchr(" \t\r\n", text[len - 1]) && text[len - 1])
		len--;
	return len - from >= 2 && text[from] == '{' && text[len - 1] == '}';
}

static void refuse_garbage(struct done *d)
{
	if (strcmp(d->e.state, og_state_name(OG_STATE_DONE)) != 0 || is_object(d->m))
		return;
	d->garbage = *d->m;
	d->garbage.body = GARBAGE;
	d->garbage.body_len = strlen(GARBAGE);
	d->m = &d->garbage;
	d->e.state = og_state_name(OG_STATE_FAILED);
	d->e.error_type = "engine_garbage";
}

static bool has_lease(struct og_scheduler *s, const struct og_envelope *e)
{
	return e->lease && og_lease_fits(s->lease, e->id, e->attempt, e->epoch, e->lease);
}

/* 0, or -1: it is no result. */
static int read_done(struct done *d, const struct og_amqp *from, const struct og_message *m, uint64_t epoch)
{
	enum og_state state;
	size_t n = strcspn(m->routing_key ? m->routing_key : "", "~");

	*d = (struct done){.m = m, .source = {.from = (struct og_amqp *)from, .epoch = epoch, .tag = m->delivery_tag}};
	if (og_envelope_decode(m, &d->e, NULL) != 0 || strcmp(d->e.type, OG_T_RESPONSE) != 0 ||
		og_state_parse(d->e.state, &state, NULL) != 0 || !og_state_terminal(state))
		return -1;
	if (m->routing_key && m->routing_key[n] == '~' && n < sizeof(d->user))
		memcpy(d->user, m->routing_key, n);
	return 0;
}

void og_state_take(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_scheduler *s = ctx;
	bool own = m->user_id && og_role_of_user(m->user_id) == OG_ROLE_SCHEDULER;
	struct done d;

	if (s->draining)
		return;
	if (read_done(&d, s->term->intake.amqp, m, epoch) != 0) { /* own: about a submit that was no better */
		s->counts.malformed += !own;
		og_source_ack(&d.source);
		return;
	}
	d.own = own;
	if (!d.own && !has_lease(s, &d.e)) {
		og_records_forged(
			s, "a result without a lease that fits was dropped", d.e.id, d.e.user_id ? d.e.user_id : "");
		og_source_ack(&d.source);
		return;
	}
	if (!d.own) {
		d.e.tenant = NULL; /* not a worker's to say */
		refuse_garbage(&d);
	}
	see(s, &d);
	if (s->term && !store(s, &d, false))
		put_aside(s, &d);
}

static void retry(struct og_scheduler *s, struct og_later *l)
{
	struct done d;

	if (read_done(&d, l->held->source.from, l->held->m, l->held->source.epoch) != 0) {
		og_source_ack(&l->held->source);
		later_free(s, l);
		return;
	}
	d.source = l->held->source;
	d.own = !d.e.lease;
	l->asked = store(s, &d, true);
}

void og_state_take_later(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_scheduler *s = ctx;
	const struct og_source source = {.from = s->term->intake.amqp, .epoch = epoch, .tag = m->delivery_tag};
	struct og_later *l;
	struct done d;

	if (s->draining)
		return;
	l = og_new(struct og_later);
	l->held = og_held_new(&source, m);
	DL_APPEND(s->term->later, l);
	/* It was seen before it was put aside, but by a leader of before perhaps: then our index has the job from its
	 * record. */
	if (read_done(&d, source.from, l->held->m, epoch) == 0) {
		d.own = !d.e.lease;
		see(s, &d);
	}
	retry(s, l);
}

void og_state_retry(struct og_scheduler *s)
{
	struct og_later *l, *tmp;

	DL_FOREACH_SAFE(s->term->later, l, tmp)
	{
		if (!l->asked)
			retry(s, l);
	}
}

void og_state_drop(struct og_scheduler *s)
{
	struct og_later *l, *tmp;

	DL_FOREACH_SAFE(s->term->later, l, tmp)
	later_free(s, l);
}
