#include "shell/hold.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "shell/answer.h"
#include "shell/move.h"
#include "shell/records.h"

#define BUSY "request ids cannot be checked just now, try in 5 s"

bool og_hold_is_from(const struct og_message *m)
{
	return m->exchange && !strcmp(m->exchange, OG_X_LATER) && m->user_id &&
	       og_role_of_user(m->user_id) == OG_ROLE_SCHEDULER;
}

/* --- to it --- */

static void busy(struct og_scheduler *s, struct og_parked *p)
{
	struct og_envelope e;

	if (og_envelope_decode(p->m, &e, NULL) == 0)
		og_answer_refuse(s, &e, NULL, OG_STATE_BUSY, "busy", BUSY, &p->source);
}

static void on_settled(void *ctx, enum og_settled how)
{
	struct og_parked *p = ctx;
	struct og_scheduler *s = p->s;

	if (!p->orphaned)
		DL_DELETE(s->term->holding, p);
	if (!p->orphaned && how == OG_CONFIRMED) {
		og_source_ack(&p->source);
	} else if (!p->orphaned && how != OG_LOST) {
		if (how == OG_RETURNED)
			og_error_log("a queue is missing: run og-broker-config apply", "queue=%s", OG_Q_HOLD);
		busy(s, p);
	}
	og_parked_free(p);
}

/* What the scheduler knows of a submit now, and cannot see any more in a message of its own. */
static bool write_down(struct og_scheduler *s, const struct og_message *m, struct og_message *ret)
{
	struct og_envelope e;

	if (og_envelope_decode(m, &e, NULL) != 0)
		return false;
	*ret = *m;
	og_move_strip(&e);
	e.submitter = e.user_id;
	if (og_role_of_user(e.user_id) != OG_ROLE_GATEWAY || !e.tenant)
		e.tenant = og_tenant_of_user(e.user_id);
	if (!e.deadline_ms)
		e.deadline_ms = og_clock_wall_ms() + s->settings->default_deadline_ms;
	ret->exchange = OG_X_LATER;
	ret->routing_key = OG_K_HOLD;
	ret->user_id = NULL;
	ret->persistent = true;
	og_envelope_encode(&e, ret);
	return true;
}

void og_hold_put(struct og_scheduler *s, struct og_parked *p)
{
	struct og_message out;

	if (!write_down(s, p->m, &out)) { /* it was read a moment ago */
		og_parked_free(p);
	} else if (og_amqp_publish(s->lead, &out, OG_PUBLISH_MANDATORY, on_settled, p, NULL) == 0) {
		DL_APPEND(s->term->holding, p);
	} else {
		DL_APPEND(s->term->deferred, p); /* no room: it is judged again in a moment */
	}
}

/* --- from it --- */

void og_hold_take(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_scheduler *s = ctx;
	const struct og_source source = {.from = s->term->intake.amqp, .epoch = epoch, .tag = m->delivery_tag};
	struct og_parked *p;

	if (s->draining)
		return;
	p = og_parked_new(s, m, &source, false);
	DL_APPEND(s->term->held, p);
	og_hold_tick(s);
}

void og_hold_tick(struct og_scheduler *s)
{
	struct og_parked *p, *tmp;

	if (s->draining || s->term->loading)
		return;
	DL_FOREACH_SAFE(s->term->held, p, tmp)
	{
		if (!og_records_healthy(s) || og_moves_blocked(s))
			return;
		DL_DELETE(s->term->held, p);
		og_intake_keep(s, p, og_intake_judge(s, p->m, &p->source, p->checked));
	}
}

void og_hold_drop(struct og_scheduler *s)
{
	struct og_parked *p, *tmp;

	DL_FOREACH_SAFE(s->term->held, p, tmp)
	{
		DL_DELETE(s->term->held, p);
		og_parked_free(p);
	}
	DL_FOREACH_SAFE(s->term->holding, p, tmp)
	{
		DL_DELETE(s->term->holding, p);
		p->orphaned = true;
	}
}
