#include "jobs_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/json_text.h"

#define AGAIN_MS 1000  /* between two tries to publish what the broker refused */
#define LOOK_MS  60000 /* at most, to the next look for a deadline: the wall clock may be set meanwhile */

#define NEVER_RUN "the deadline passed before it was run"
#define WHILE_RUN "the deadline passed while it ran"

bool og_jobs_past(int64_t deadline_ms)
{
	return deadline_ms && og_clock_wall_ms() >= deadline_ms;
}

void og_jobs_changed(struct og_jobs *j)
{
	if (j->on_change)
		j->on_change(j->ctx);
}

void og_jobs_let_go(struct og_jobs *j, struct og_run *r)
{
	if (r->engine)
		j->engine->ops->cancel(j->engine, r->engine);
	r->engine = NULL;
	og_jobs_send_bundle(j, r);
}

/* ---- deadlines ---- */

static void on_due(uv_timer_t *timer);

static void look_at(struct og_jobs *j, int64_t due_ms)
{
	int64_t now = og_clock_wall_ms(), in = due_ms > now ? due_ms - now : 0;

	j->due_ms = due_ms;
	if (due_ms)
		uv_timer_start(&j->due, on_due, (uint64_t)(in < LOOK_MS ? in : LOOK_MS), 0);
}

static void on_due(uv_timer_t *timer)
{
	struct og_jobs *j = timer->data;
	struct og_run *r, *next;

	HASH_ITER(hh, j->runs.held, r, next)
	{
		if (!og_jobs_past(r->deadline_ms))
			continue;
		og_jobs_let_go(j, r);
		og_jobs_settle(j, r, OG_FAULT_EXPIRED, r->started_ms ? WHILE_RUN : NEVER_RUN);
	}
	look_at(j, og_runs_due(&j->runs));
	og_jobs_fill(j);
}

void og_jobs_wait(struct og_jobs *j, struct og_run *r)
{
	og_runs_wait(&j->runs, r);
	if (r->deadline_ms && (!j->due_ms || r->deadline_ms < j->due_ms))
		look_at(j, r->deadline_ms);
}

/* ---- the run ---- */

static enum og_fault on_event(void *ctx, json_t *chunk, const char *text, size_t len)
{
	struct og_run *r = ctx;
	bool token = false;
	enum og_fault fault = og_answer_add(&r->answer, chunk, &token);
	og_autofree char *written = NULL;

	if (fault)
		return fault;
	if (token && !r->first_token_us)
		r->first_token_us = og_clock_mono_us();
	if (!text) {
		text = written = og_json_line(chunk, 0);
		len = strlen(text);
	}
	og_jobs_chunk(r->owner, r, text, len);
	return OG_FAULT_NONE;
}

static void on_whole(void *ctx, json_t *response)
{
	struct og_run *r = ctx;

	og_answer_whole(&r->answer, response);
}

static void on_end(void *ctx, enum og_fault fault, const char *words)
{
	struct og_run *r = ctx;
	struct og_jobs *j = r->owner;

	r->engine = NULL;
	if (!fault && !og_answer_any(&r->answer))
		og_jobs_settle(j, r, OG_FAULT_ENGINE_GARBAGE, "the engine's answer holds no choice");
	else
		og_jobs_settle(j, r, fault, words);
	og_jobs_fill(j);
}

static void start(struct og_jobs *j, struct og_run *r)
{
	const struct og_engine_sink sink = {.event = on_event, .whole = on_whole, .end = on_end, .ctx = r};
	struct og_error err;
	int64_t now = og_clock_wall_ms();

	if (og_jobs_past(r->deadline_ms)) {
		og_jobs_settle(j, r, OG_FAULT_EXPIRED, NEVER_RUN);
		return;
	}
	og_runs_start(&j->runs, r);
	r->started_ms = now;
	r->started_us = og_clock_mono_us();
	og_answer_init(&r->answer, r->request.chat);
	r->engine = j->engine->ops->start(j->engine, &r->request, j->who->engine_model, &sink, &err);
	if (!r->engine)
		og_jobs_settle(j, r, OG_FAULT_ENGINE_UNAVAILABLE, err.message);
	else if (r->progress)
		og_publish_started(j->out, r, now);
}

/* ---- suspects ---- */

static void announce(struct og_jobs *j);

/* Whom it was for may be gone by now: nobody else was announced meanwhile, so who is, is the one. */
static void on_announced(void *ctx, enum og_settled how)
{
	struct og_jobs *j = ctx;
	struct og_run *r = j->runs.alone;

	if (how == OG_LOST)
		return;
	j->announcing = false;
	if (r && r->phase == OG_RUN_ANNOUNCED && how == OG_CONFIRMED) {
		start(j, r);
	} else if (r && r->phase == OG_RUN_ANNOUNCED) {
		if (!r->refused)
			og_error_log("the broker does not take that a suspect begins to run: it is told again", "id=%s",
				r->id);
		r->refused = true;
		og_jobs_try_again(j);
		return;
	}
	og_jobs_fill(j);
}

static void announce(struct og_jobs *j)
{
	j->announcing = true;
	og_publish_alone(j->out, j->runs.alone, on_announced, j);
}

static void on_again(uv_timer_t *timer)
{
	struct og_jobs *j = timer->data;

	og_jobs_settle_again(j);
	if (!j->announcing && j->runs.alone && j->runs.alone->phase == OG_RUN_ANNOUNCED)
		announce(j);
	else
		og_jobs_fill(j);
}

void og_jobs_try_again(struct og_jobs *j)
{
	if (!uv_is_active((uv_handle_t *)&j->again))
		uv_timer_start(&j->again, on_again, AGAIN_MS, 0);
}

/* A suspect without a lease was placed by nobody who would want to know. */
void og_jobs_fill(struct og_jobs *j)
{
	struct og_run *r;

	while (!j->announcing && (r = og_runs_next(&j->runs, j->slots))) {
		if (r->suspect && *r->lease) {
			og_runs_announce(&j->runs, r);
			announce(j);
		} else {
			start(j, r);
		}
	}
}

/* ---- what others say ---- */

void og_jobs_cancel(struct og_jobs *j, const char *id)
{
	struct og_run *r = og_runs_find(&j->runs, id);

	if (!r) {
		og_recent_add(&j->recent, id, OG_RECENT_CANCELLED, 0, og_clock_mono_ms());
		return;
	}
	if (r->phase == OG_RUN_SETTLING)
		return;
	og_jobs_let_go(j, r);
	og_jobs_settle(
		j, r, OG_FAULT_CANCELLED, r->started_ms ? "cancelled while it ran" : "cancelled before it was run");
	og_jobs_fill(j);
}

static void give_back(struct og_jobs *j, bool running)
{
	struct og_run *r, *next;

	HASH_ITER(hh, j->runs.held, r, next)
	{
		if (r->phase == OG_RUN_RUNNING && !running)
			continue;
		og_jobs_let_go(j, r);
		og_jobs_settle(j, r, OG_FAULT_DRAINING,
			r->started_ms ? "its worker stopped while it ran" : "its worker stopped before it was run");
	}
}

void og_jobs_give_back_waiting(struct og_jobs *j)
{
	give_back(j, false);
}

void og_jobs_give_back_all(struct og_jobs *j)
{
	give_back(j, true);
}

/* ---- looks ---- */

size_t og_jobs_count(const struct og_jobs *j)
{
	return og_runs_count(&j->runs);
}

struct og_presence_run *og_jobs_list(const struct og_jobs *j, size_t *ret_n)
{
	size_t n = HASH_COUNT(j->runs.held), i = 0;
	struct og_presence_run *list = og_alloc(n * sizeof(*list));

	for (const struct og_run *r = j->runs.held; r && i < OG_SLOTS_MAX; r = r->hh.next, i++) {
		snprintf(list[i].id, sizeof(list[i].id), "%s", r->id);
		list[i].attempt = r->attempt;
		list[i].run = r->run;
		list[i].epoch = r->epoch;
		snprintf(list[i].lease, sizeof(list[i].lease), "%.*s", OG_PRESENCE_LEASE, r->lease);
		list[i].started_ms = r->started_ms ? r->started_ms : r->received_ms;
	}
	*ret_n = i;
	return list;
}

/* ---- life ---- */

void og_jobs_init(struct og_jobs *j, uv_loop_t *loop)
{
	uv_timer_init(loop, &j->again);
	uv_timer_init(loop, &j->due);
	uv_idle_init(loop, &j->turn);
	j->again.data = j->due.data = j->turn.data = j;
}

void og_jobs_abort(struct og_jobs *j)
{
	struct og_run *r, *next;

	HASH_ITER(hh, j->runs.held, r, next)
	{
		og_jobs_let_go(j, r);
	}
	uv_close((uv_handle_t *)&j->again, NULL);
	uv_close((uv_handle_t *)&j->due, NULL);
	uv_close((uv_handle_t *)&j->turn, NULL);
}

static void free_all(struct og_run **table)
{
	struct og_run *r, *next;

	HASH_ITER(hh, *table, r, next)
	{
		HASH_DELETE(hh, *table, r);
		og_run_free(r);
	}
}

void og_jobs_done(struct og_jobs *j)
{
	free_all(&j->runs.held);
	free_all(&j->runs.settling);
	og_recent_done(&j->recent);
}
