#include "shell/retry.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "plan/retry.h"

#define AGAIN_MS   1000 /* after a publish that the broker refused */
#define NO_ROOM_MS 50

/* --- life --- */

static struct og_retry *retry_new(struct og_scheduler *s, struct og_held *held)
{
	const char *id = held->m->message_id ? held->m->message_id : held->m->correlation_id;
	const struct og_header *attempt = og_message_header(held->m, "og-attempt");
	struct og_retry *x = og_new(struct og_retry);

	*x = (struct og_retry){.s = s, .term = s->term->serial, .held = held, .bytes = held->m->body_len};
	snprintf(x->id, sizeof(x->id), "%s", id ? id : "");
	x->attempt = attempt ? attempt->number : 0;
	DL_APPEND(s->term->retries, x);
	s->term->n_retries++;
	s->term->retry_bytes += x->bytes;
	return x;
}

static void unlink_it(struct og_retry *x)
{
	struct og_term *t = x->s->term;

	DL_DELETE(t->retries, x);
	t->n_retries--;
	t->retry_bytes -= x->bytes;
}

void og_retry_free(struct og_retry *x)
{
	if (!x->orphaned)
		unlink_it(x);
	og_held_free(x->held);
	free(x);
}

void og_retry_ack(struct og_retry *x)
{
	og_source_ack(&x->held->source);
	og_retry_free(x);
}

struct og_retry *og_retry_other(const struct og_retry *x)
{
	struct og_retry *o;

	DL_FOREACH(x->s->term->retries, o)
	{
		if (o != x && o->attempt == x->attempt && !strcmp(o->id, x->id))
			return o;
	}
	return NULL;
}

void og_retry_rewrite(struct og_retry *x, const struct og_envelope *e)
{
	struct og_message m = *x->held->m;
	struct og_message *old = x->held->m;

	og_envelope_encode(e, &m);
	x->held->m = og_message_copy(&m);
	free(old);
}

void og_retry_take(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_scheduler *s = ctx;
	const struct og_source source = {.from = s->term->intake.amqp, .epoch = epoch, .tag = m->delivery_tag};

	if (!s->draining)
		og_retry_judge(retry_new(s, og_held_new(&source, m)));
}

/* As if a worker had handed it back: one that stopped before it began, or one that died while it ran it. */
void og_retry_reclaim(struct og_scheduler *s, const struct og_message *m, uint64_t epoch)
{
	const struct og_source source = {.from = s->term->intake.amqp, .epoch = epoch, .tag = m->delivery_tag};
	struct og_message back = *m;
	struct og_envelope said;

	if (s->draining)
		return;
	back.exchange = OG_X_RETRY;
	if (og_envelope_decode(m, &said, NULL) == 0) {
		said.error_type = said.delivery_count ? "worker_lost" : "draining";
		said.reason = "its worker is gone";
		og_envelope_encode(&said, &back);
	}
	og_retry_judge(retry_new(s, og_held_new(&source, &back)));
}

void og_retry_put_back(struct og_scheduler *s, struct og_entry *e, struct og_held *held)
{
	struct og_retry *x = retry_new(s, held);

	e->attempt = (uint32_t)x->attempt;
	if (e->where == OG_WHERE_TO_TIER)
		og_flow_refund(s->plan.index, e); /* it is charged when it is placed */
	og_index_move(s->plan.index, e, OG_WHERE_RETRY);
	x->stage = OG_STAGE_PLACE;
	x->due = og_clock_mono_ms() + AGAIN_MS;
}

void og_retry_tick(struct og_scheduler *s, int64_t now)
{
	struct og_retry *x, *tmp;

	if (s->draining)
		return;
	DL_FOREACH_SAFE(s->term->retries, x, tmp)
	{
		if (x->due <= now && !x->asked && !x->publishing)
			og_retry_judge(x);
		if (!s->term)
			return;
	}
}

/* One whose publish is under way stays, so that its redelivery is known for a copy. */
void og_retry_lost(struct og_scheduler *s)
{
	struct og_retry *x, *tmp;

	DL_FOREACH_SAFE(s->term->retries, x, tmp)
	{
		if (!x->publishing)
			og_retry_free(x);
	}
}

void og_retry_drop(struct og_scheduler *s)
{
	struct og_retry *x, *tmp;

	og_retry_lost(s);
	DL_FOREACH_SAFE(s->term->retries, x, tmp)
	{
		unlink_it(x);
		x->orphaned = true;
	}
}

/* --- publishes --- */

/* It is safe elsewhere; or it came back from there already, and went on: then this confirm says nothing new. */
static void arrived(struct og_retry *x)
{
	struct og_entry *e = og_index_find(x->s->plan.index, x->id);
	bool dies = x->stage == OG_STAGE_DIE;

	if (e && e->where == OG_WHERE_RETRY && e->attempt == x->attempt) {
		e->dying = e->dying || dies;
		e->delayed = !e->dying && (e->delayed || !og_retry_other(x));
	} else if (e && e->where == OG_WHERE_ENDED && dies) {
		og_answer_body_came(x->s, e, OG_TAKE(x->held)); /* ended otherwise meanwhile */
		og_retry_free(x);
		return;
	}
	og_retry_ack(x);
}

static void on_settled(void *ctx, enum og_settled how)
{
	struct og_retry *x = ctx;

	x->publishing = false;
	if (x->orphaned || how == OG_LOST) { /* lost: the term is about to end */
		og_retry_free(x);
	} else if (how == OG_CONFIRMED) {
		arrived(x);
	} else {
		og_error_log(how == OG_RETURNED ? "a queue is missing: run og-broker-config apply"
						: "the broker refused a message: trying again",
			"id=%s exchange=%s", x->id, x->stage == OG_STAGE_DIE ? OG_X_DEAD : OG_X_LATER);
		x->due = og_clock_mono_ms() + AGAIN_MS;
	}
}

static void publish(struct og_retry *x, const char *exchange, const char *key)
{
	struct og_message m = *x->held->m;

	m.exchange = exchange;
	m.routing_key = key;
	m.user_id = NULL;
	m.persistent = true;
	x->publishing = og_amqp_publish(x->s->lead, &m, OG_PUBLISH_MANDATORY, on_settled, x, NULL) == 0;
	if (!x->publishing)
		x->due = og_clock_mono_ms() + NO_ROOM_MS;
}

void og_retry_postpone(struct og_retry *x, int64_t ms)
{
	const struct og_delay *delay = &og_delays[og_retry_delay(ms)];
	const struct og_term *t = x->s->term;
	char key[OG_KEY_MAX];

	if (ms <= og_delays[0].ms && t->n_retries <= OG_RETRY_HELD && t->retry_bytes <= OG_RETRY_BYTES) {
		x->due = og_clock_mono_ms() + ms;
		return;
	}
	snprintf(key, sizeof(key), "delay.%s", delay->name);
	publish(x, OG_X_LATER, key);
}

void og_retry_die(struct og_retry *x)
{
	publish(x, OG_X_DEAD, OG_K_DEAD);
}
