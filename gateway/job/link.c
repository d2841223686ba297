#include "job/link.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "job/link_state.h"
#include "model/json.h"

#define ROLE    "gateway"
#define TICK_MS 100

/* ── questions ── */

static void question_free(struct og_question *q)
{
	HASH_DEL(q->l->questions, q);
	free(q);
}

static void answer(struct og_question *q, const json_t *said, const char *type, const struct og_error *err)
{
	og_answer_cb *cb = q->cb;
	void *ctx = q->ctx;

	question_free(q);
	if (cb)
		cb(ctx, said, type, err);
}

void og_question_forget(struct og_question *q)
{
	if (q)
		q->cb = NULL;
}

struct og_question *og_link_ask(struct og_link *l, const char *verb, json_t *body, int64_t within_ms, og_answer_cb *cb,
	void *ctx, struct og_error *err)
{
	struct og_question *q;

	if (!l->up) {
		json_decref(body);
		og_fail(err, OG_RETRY, "the broker cannot be reached just now");
		return NULL;
	}
	q = og_new(struct og_question);
	*q = (struct og_question){.l = l, .cb = cb, .ctx = ctx, .due_ms = og_clock_mono_ms() + within_ms};
	if (og_session_ask(l->session, verb, body, q->id, err) < 0) {
		free(q);
		return NULL;
	}
	HASH_ADD_STR(l->questions, id, q);
	return q;
}

static void on_rpc_reply(struct og_link *l, const struct og_message *m)
{
	struct og_question *q = NULL;
	const json_t *error;
	struct og_error err;
	json_t *said;

	if (m->correlation_id)
		HASH_FIND_STR(l->questions, m->correlation_id, q);
	if (!q)
		return;
	if (og_json_parse(m->body, m->body_len, &said, &err) < 0) {
		answer(q, NULL, "", &err);
		return;
	}
	error = json_object_get(said, "error");
	if (json_is_object(error)) {
		const char *words = json_string_value(json_object_get(error, "message"));
		const char *type = json_string_value(json_object_get(error, "type"));

		og_fail(&err, OG_INVALID, "%s", words ? words : "");
		answer(q, NULL, type ? type : "", &err);
	} else {
		answer(q, said, "", NULL);
	}
	json_decref(said);
}

static void fail_questions(struct og_link *l, int64_t due_ms, const char *why)
{
	struct og_question *q, *next;
	struct og_error err;

	og_fail(&err, OG_RETRY, "%s", why);
	HASH_ITER(hh, l->questions, q, next)
	{
		if (q->due_ms <= due_ms)
			answer(q, NULL, "", &err);
	}
}

/* ── the line ── */

static struct og_topic *topic_of(struct og_link *l, const char *id)
{
	struct og_topic *t = NULL;

	if (id)
		HASH_FIND_STR(l->topics, id, t);
	return t;
}

/* A sink may end its own job; what begins meanwhile stands behind. Others' jobs it leaves alone. */
static void on_message(void *ctx, const struct og_envelope *e, const struct og_message *m)
{
	struct og_link *l = ctx;
	struct og_topic *t;
	struct og_job *j, *next;

	if (!strcmp(e->type, OG_T_RPC_REPLY)) {
		on_rpc_reply(l, m);
		return;
	}
	t = topic_of(l, e->id);
	for (j = t ? t->jobs : NULL; j; j = next) {
		next = j->next; /* the topic goes with its last job */
		og_job_message(j, e, m);
	}
}

static void each_job(struct og_link *l, void (*visit)(struct og_job *j, int64_t now), int64_t now)
{
	struct og_topic *t, *next_topic;

	HASH_ITER(hh, l->topics, t, next_topic)
	{
		struct og_job *j, *next;

		for (j = t->jobs; j; j = next) {
			next = j->next;
			visit(j, now);
		}
	}
}

static void visit_up(struct og_job *j, int64_t now)
{
	(void)now;
	og_job_up(j);
}

static void on_up(void *ctx)
{
	struct og_link *l = ctx;

	l->up = true;
	each_job(l, visit_up, 0);
	if (l->config.on_state)
		l->config.on_state(l->config.ctx, true, NULL);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct og_link *l = ctx;

	l->up = false;
	l->down_since_ms = og_clock_mono_ms();
	fail_questions(l, INT64_MAX, "the connection to the broker was lost");
	if (l->config.on_state)
		l->config.on_state(l->config.ctx, false, why);
}

static void on_over(void *ctx, enum og_exit exit, const struct og_error *why)
{
	struct og_link *l = ctx;

	(void)exit;
	if (l->config.on_refused)
		l->config.on_refused(l->config.ctx, why);
}

static void on_tick(uv_timer_t *timer)
{
	struct og_link *l = timer->data;
	int64_t now = og_clock_mono_ms();

	fail_questions(l, now, "no scheduler answers");
	each_job(l, og_job_tick, now);
}

struct og_link *og_link_open(uv_loop_t *loop, const struct og_link_config *config, struct og_error *err)
{
	struct og_link *l = og_new(struct og_link);
	const struct og_session_handler handler = {
		.on_up = on_up, .on_down = on_down, .on_message = on_message, .on_over = on_over, .ctx = l};

	l->config = *config;
	l->config.session.role = ROLE;
	l->config.session.name = "og-gateway";
	l->config.session.connect_ms = l->config.session.lost_ms = 0;
	l->down_since_ms = og_clock_mono_ms();
	l->session = og_session_open(loop, &l->config.session, &handler, err);
	if (!l->session) {
		free(l);
		return NULL;
	}
	uv_timer_init(loop, &l->tick);
	l->tick.data = l;
	uv_timer_start(&l->tick, on_tick, TICK_MS, TICK_MS);
	l->open = 2;
	return l;
}

bool og_link_is_up(const struct og_link *l)
{
	return l->up;
}

size_t og_link_jobs(const struct og_link *l)
{
	return l->n_jobs;
}

static void part_closed(struct og_link *l)
{
	if (--l->open > 0)
		return;
	if (l->on_closed)
		l->on_closed(l->closed_ctx);
	free(l);
}

static void on_session_closed(void *ctx)
{
	part_closed(ctx);
}

static void on_tick_closed(uv_handle_t *handle)
{
	part_closed(handle->data);
}

static void visit_drop(struct og_job *j, int64_t now)
{
	struct og_job_sink sink = j->sink;

	(void)now;
	og_job_forget(j);
	if (sink.dropped)
		sink.dropped(sink.ctx);
}

void og_link_close(struct og_link *l, void (*cb)(void *ctx), void *ctx)
{
	l->closing = true;
	l->up = false;
	l->on_closed = cb;
	l->closed_ctx = ctx;
	og_session_close(l->session, on_session_closed, l); /* it tells no publisher any more how it went */
	each_job(l, visit_drop, 0);
	fail_questions(l, INT64_MAX, "this gateway is being stopped");
	uv_close((uv_handle_t *)&l->tick, on_tick_closed);
}
