#include "jobs_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "done.h"

#define AGAIN_MS    1000 /* between two tries to publish what the broker refused */
#define RATE_WEIGHT 0.2  /* of the newest run in the moving average */

static void fill_slots(struct og_jobs *j);
static void publish_end(struct og_run *r);

bool og_jobs_past(int64_t deadline_ms)
{
	return deadline_ms && og_clock_wall_ms() >= deadline_ms;
}

void og_jobs_changed(struct og_jobs *j)
{
	if (j->on_change)
		j->on_change(j->ctx);
}

/* ---- the end of a run ---- */

static void count(struct og_jobs *j, const struct og_run *r)
{
	double rate = og_done_tokens_per_s(r);

	if (rate > 0)
		j->tokens_per_s += (rate - j->tokens_per_s) * (j->tokens_per_s > 0 ? RATE_WEIGHT : 1);
	switch (og_fault_state(r->fault)) {
	case OG_STATE_DONE:
		j->counts.done++;
		break;
	case OG_STATE_CANCELLED:
		j->counts.cancelled++;
		break;
	case OG_STATE_EXPIRED:
		j->counts.expired++;
		break;
	default:
		j->counts.failed++;
	}
}

static void write_done(struct og_jobs *j, struct og_run *r, const char *words)
{
	if (!r->fault) {
		r->done = og_done_answer(r, j->who);
		if (r->done)
			return;
		r->fault = OG_FAULT_TOO_LARGE;
		words = OG_ANSWER_TOO_LARGE;
	}
	r->done = og_done_error(r, j->who, words);
}

void og_jobs_settle(struct og_jobs *j, struct og_run *r, enum og_fault fault, const char *words)
{
	r->ended_us = og_clock_mono_us();
	r->fault = fault;
	r->prompt_tokens = og_answer_usage(&r->answer, "prompt_tokens");
	r->completion_tokens = og_answer_usage(&r->answer, "completion_tokens");
	write_done(j, r, words);
	og_request_done(&r->request);
	og_answer_done(&r->answer);
	og_runs_settle(&j->runs, r);
	count(j, r);
	if (og_fault_doubts_engine(r->fault))
		og_warn("the engine failed a run", "id=%s error=%s", r->id, og_fault_name(r->fault));
	if (r->started_ms && j->on_ran)
		j->on_ran(j->ctx, r->fault);
	publish_end(r);
	og_jobs_changed(j);
}

static void ack_and_forget(struct og_jobs *j, struct og_run *r)
{
	og_amqp_ack(j->in, r->delivery_epoch, r->delivery_tag);
	og_recent_add(&j->recent, r->id, OG_RECENT_ENDED, r->attempt, og_clock_mono_ms());
	og_runs_remove(&j->runs, r);
	og_run_free(r);
	og_jobs_changed(j);
}

static void on_again(uv_timer_t *timer)
{
	struct og_jobs *j = timer->data;
	struct og_run *r, *next;

	HASH_ITER(hh, j->runs.settling, r, next)
	{
		if (r->again)
			publish_end(r);
	}
}

static void on_settled(void *ctx, enum og_settled how)
{
	struct og_run *r = ctx;
	struct og_jobs *j = r->owner;

	switch (how) {
	case OG_CONFIRMED:
		if (r->dead && *r->reply) {
			free(OG_TAKE(r->dead));
			publish_end(r);
		} else {
			ack_and_forget(j, r);
		}
		break;
	case OG_NACKED:
	case OG_RETURNED: /* the answer is kept, and its delivery unacked, until the broker is mended */
		if (!r->refused)
			og_error_log(how == OG_NACKED ? "the broker refused a result, which is sent again"
						      : "a result reached no queue, and is sent again: "
							"og-broker-config apply mends the topology",
				"id=%s", r->id);
		r->refused = r->again = true;
		if (!uv_is_active((uv_handle_t *)&j->again))
			uv_timer_start(&j->again, on_again, AGAIN_MS, 0);
		break;
	case OG_LOST: /* we are closing: the broker has the delivery back */
		break;
	}
}

/* What nobody can read goes to og.dead first, then its submitter is told. */
static void publish_end(struct og_run *r)
{
	struct og_jobs *j = r->owner;

	r->again = false;
	if (r->dead)
		og_publish_dead(j->out, r->dead, on_settled, r);
	else
		og_publish_done(j->out, r, on_settled, r);
}

/* ---- the run ---- */

static enum og_fault on_event(void *ctx, json_t *chunk, const char *text, size_t len)
{
	struct og_run *r = ctx;
	struct og_jobs *j = r->owner;
	bool token = false;
	enum og_fault fault = og_answer_add(&r->answer, chunk, &token);
	og_autofree char *written = NULL;

	if (fault)
		return fault;
	if (token && !r->first_token_us)
		r->first_token_us = og_clock_mono_us();
	if (!r->stream)
		return OG_FAULT_NONE;
	if (!text) {
		text = written = json_dumps(chunk, JSON_COMPACT);
		len = text ? strlen(text) : 0;
	}
	og_publish_chunk(j->out, r, text, len);
	return OG_FAULT_NONE;
}

static void on_end(void *ctx, enum og_fault fault, const char *words)
{
	struct og_run *r = ctx;
	struct og_jobs *j = r->owner;

	r->engine = NULL;
	if (fault == OG_FAULT_ENGINE_STALLED && og_jobs_past(r->deadline_ms))
		og_jobs_settle(j, r, OG_FAULT_EXPIRED, "the deadline passed while it ran");
	else if (!fault && !og_answer_any(&r->answer))
		og_jobs_settle(j, r, OG_FAULT_ENGINE_GARBAGE, "the engine's answer holds no choice");
	else
		og_jobs_settle(j, r, fault, words);
	fill_slots(j);
}

void og_jobs_start(struct og_jobs *j, struct og_run *r)
{
	const struct og_engine_sink sink = {.event = on_event, .end = on_end, .ctx = r};
	struct og_error err;
	int64_t now = og_clock_wall_ms();

	if (og_jobs_past(r->deadline_ms)) {
		og_jobs_settle(j, r, OG_FAULT_EXPIRED, "the deadline passed before it was run");
		return;
	}
	og_runs_start(&j->runs, r);
	r->started_ms = now;
	r->started_us = og_clock_mono_us();
	og_answer_init(&r->answer, r->request.chat);
	r->engine = j->engine->ops->start(
		j->engine, &r->request, j->who->engine_model, r->deadline_ms ? r->deadline_ms - now : 0, &sink, &err);
	if (!r->engine)
		og_jobs_settle(j, r, OG_FAULT_ENGINE_UNAVAILABLE, err.message);
	else if (r->progress)
		og_publish_started(j->out, r, now);
}

static void fill_slots(struct og_jobs *j)
{
	while (j->runs.line && j->runs.n_running < j->slots)
		og_jobs_start(j, j->runs.line);
}

void og_jobs_cancel(struct og_jobs *j, const char *id)
{
	struct og_run *r = og_runs_find(&j->runs, id);

	if (!r) {
		og_recent_add(&j->recent, id, OG_RECENT_CANCELLED, 0, og_clock_mono_ms());
		return;
	}
	if (r->phase == OG_RUN_SETTLING)
		return;
	if (r->engine) {
		j->engine->ops->cancel(j->engine, r->engine);
		r->engine = NULL;
	}
	og_jobs_settle(
		j, r, OG_FAULT_CANCELLED, r->started_ms ? "cancelled while it ran" : "cancelled before it was run");
	fill_slots(j);
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

void og_jobs_init(struct og_jobs *j, uv_loop_t *loop)
{
	uv_timer_init(loop, &j->again);
	j->again.data = j;
}

void og_jobs_abort(struct og_jobs *j)
{
	struct og_run *r, *next;

	HASH_ITER(hh, j->runs.held, r, next)
	{
		if (r->engine)
			j->engine->ops->cancel(j->engine, r->engine);
		r->engine = NULL;
	}
	uv_close((uv_handle_t *)&j->again, NULL);
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
