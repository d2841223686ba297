#include "shell/dead.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "shell/connection.h"
#include "shell/records.h"

static void visit(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_walk *w = ctx;
	struct og_scheduler *s = w->q->s;
	struct og_amqp *c = w->connection.amqp;
	struct og_envelope e;

	w->last = og_clock_mono_ms();
	if (!m->user_id || og_role_of_user(m->user_id) != OG_ROLE_SCHEDULER) {
		og_records_forged(s, "a dead letter that no scheduler wrote was dropped",
			m->message_id ? m->message_id : "", m->user_id ? m->user_id : "");
		og_amqp_ack(c, epoch, m->delivery_tag);
		return;
	}
	if (og_envelope_decode(m, &e, NULL) != 0) /* kept to be looked at, and what can be told of it is told */
		e = (struct og_envelope){.id = m->message_id};
	if (!og_dead_fits(w, m, &e))
		return;
	w->total++;
	switch (w->verb) {
	case OG_DEAD_LIST:
	case OG_DEAD_SHOW:
		if ((int64_t)json_array_size(w->letters) < w->limit)
			json_array_append_new(w->letters, og_dead_object(s, m, &e, w->verb == OG_DEAD_SHOW));
		break;
	case OG_DEAD_DROP:
		og_amqp_ack(c, epoch, m->delivery_tag);
		if (json_array_size(w->ids) < OG_WALK_IDS_MAX)
			json_array_append_new(w->ids, json_string(e.id ? e.id : ""));
		break;
	case OG_DEAD_REQUEUE:
		og_requeue(w, m, epoch);
		break;
	}
}

/* --- life --- */

static void walk_free(struct og_walk *w)
{
	og_requeue_drop(w);
	if (w->open)
		og_connection_close(&w->connection);
	json_decref(w->args);
	json_decref(w->letters);
	json_decref(w->ids);
	free(w);
}

/* Takes it off the list. */
static void end(struct og_scheduler *s, struct og_walk *w)
{
	DL_DELETE(s->term->walks, w);
	s->term->n_walks--;
	walk_free(w);
}

static void fail(struct og_scheduler *s, struct og_walk *w, const char *words)
{
	og_rpc_fail(w->q, "busy", words);
	end(s, w);
}

static void on_lost(struct og_scheduler *s, struct og_connection *c)
{
	(void)c;
	s->term->walk_lost = true; /* the walk ends from the tick: it must not close its connection from here */
}

static void begin(struct og_scheduler *s, struct og_walk *w, int64_t now)
{
	struct og_error err;

	if (og_connection_open(s, &w->connection, "og-scheduler dead letters", on_lost, &err) != 0) {
		fail(s, w, err.message);
		return;
	}
	w->open = true;
	w->began = w->last = now;
	s->term->walk_lost = false;
	w->connection.amqp->ops->recipe_consume(w->connection.amqp, OG_Q_DEAD, 0, 0, visit, w);
}

void og_dead_ask(struct og_question *q, enum og_dead_verb verb, const json_t *args, int64_t limit)
{
	struct og_term *t = q->s->term;
	struct og_walk *w;

	if (t->n_walks >= OG_WALKS_MAX) {
		og_rpc_fail(q, "busy", "too many look into the dead letters just now, try in 5 s");
		return;
	}
	w = og_new(struct og_walk);
	*w = (struct og_walk){.q = q,
		.verb = verb,
		.args = json_deep_copy(args),
		.limit = limit,
		.letters = json_array(),
		.ids = json_array()};
	DL_APPEND(t->walks, w);
	t->n_walks++;
	if (t->walks == w)
		begin(q->s, w, og_clock_mono_ms());
}

bool og_dead_is_source(const struct og_scheduler *s, const struct og_source *source)
{
	const struct og_walk *w = s->term->walks;

	return w && w->open && source->from == w->connection.amqp;
}

void og_dead_tick(struct og_scheduler *s, int64_t now)
{
	struct og_walk *w = s->term->walks;

	if (!w)
		return;
	if (!w->open) {
		begin(s, w, now);
		return;
	}
	if (s->term->walk_lost)
		og_requeue_drop(w);
	og_requeue_go_on(w);
	if (!w->connection.up && !s->term->walk_lost)
		w->last = now;
	if (s->term->n_dead_moves || w->waiting)
		return; /* what is taken out is acked by this connection */
	if (s->term->walk_lost) {
		fail(s, w, "the broker's connection was lost while the dead letters were looked through: ask again");
	} else if (!w->connection.up && now - w->began > OG_WALK_MAX_MS) {
		fail(s, w, "the dead letters cannot be read just now");
	} else if (now - w->last >= OG_WALK_IDLE_MS || now - w->began > OG_WALK_MAX_MS) {
		og_dead_answer(w);
		end(s, w);
	}
}

void og_dead_drop(struct og_scheduler *s)
{
	struct og_walk *w, *tmp;

	DL_FOREACH_SAFE(s->term->walks, w, tmp)
	{
		og_question_free(w->q);
		end(s, w);
	}
}
