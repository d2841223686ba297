/* The end of a run: what is said of it, and when its delivery is acked. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "done.h"
#include "hand_back.h"
#include "jobs_state.h"

#define RATE_WEIGHT 0.2 /* of the newest run in the moving average */

static void count(struct og_jobs *j, const struct og_run *r)
{
	double rate = og_done_tokens_per_s(r);

	if (rate > 0)
		j->tokens_per_s += (rate - j->tokens_per_s) * (j->tokens_per_s > 0 ? RATE_WEIGHT : 1);
	if (r->back) {
		j->counts.handed_back++;
		return;
	}
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

static void write_end(struct og_jobs *j, struct og_run *r, const char *words)
{
	if (!r->fault) {
		r->done = og_done_answer(r, j->who);
		if (r->done)
			return;
		r->fault = OG_FAULT_TOO_LARGE;
		words = OG_ANSWER_TOO_LARGE;
	}
	if (og_fault_retryable(r->fault) && r->placed)
		r->back = og_hand_back(r, j->who, words);
	if (!r->back)
		r->done = og_done_error(r, j->who, words);
}

void og_jobs_settle(struct og_jobs *j, struct og_run *r, enum og_fault fault, const char *words)
{
	if (og_fault_retryable(fault) && og_jobs_past(r->deadline_ms)) {
		fault = OG_FAULT_EXPIRED;
		words = r->started_ms ? "the deadline passed while it ran" : "the deadline passed before it was run";
	}
	r->ended_us = og_clock_mono_us();
	r->fault = fault;
	r->prompt_tokens = og_answer_usage(&r->answer, "prompt_tokens");
	r->completion_tokens = og_answer_usage(&r->answer, "completion_tokens");
	og_jobs_send_bundle(j, r);
	write_end(j, r, words);
	og_request_done(&r->request);
	og_answer_done(&r->answer);
	free(OG_TAKE(r->placed));
	og_runs_settle(&j->runs, r);
	count(j, r);
	if (og_fault_doubts_engine(r->fault))
		og_warn("the engine failed a run", "id=%s error=%s", r->id, og_fault_name(r->fault));
	if (r->started_ms && j->on_ran)
		j->on_ran(j->ctx, r->fault);
	if (r->bundles == OG_BUNDLES_MESSAGES && !r->dead && !r->back)
		og_jobs_end_with_turn(j, r);
	else
		og_jobs_publish_end(r);
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

static void refused(struct og_jobs *j, struct og_run *r, enum og_settled how)
{
	if (!r->refused)
		og_error_log(how == OG_NACKED ? "the broker refused a result, which is sent again"
					      : "a result reached no queue, and is sent again: "
						"og-broker-config apply mends the topology",
			"id=%s", r->id);
	r->refused = r->again = true;
	og_jobs_try_again(j);
}

static void on_settled(void *ctx, enum og_settled how)
{
	struct og_run *r = ctx;
	struct og_jobs *j = r->owner;

	switch (how) {
	case OG_CONFIRMED:
		if (r->dead && *r->reply) {
			free(OG_TAKE(r->dead));
			og_jobs_publish_end(r);
		} else {
			ack_and_forget(j, r);
		}
		break;
	case OG_NACKED:
	case OG_RETURNED: /* the answer is kept, and its delivery unacked, until the broker is mended */
		refused(j, r, how);
		break;
	case OG_LOST: /* we are closing: the broker has the delivery back */
		break;
	}
}

/* What nobody can read goes to og.dead first, then its submitter is told. Of what is handed back the scheduler tells. */
void og_jobs_publish_end(struct og_run *r)
{
	struct og_jobs *j = r->owner;

	r->again = false;
	if (r->dead || r->back)
		og_publish_whole(j->out, r->dead ? r->dead : r->back, on_settled, r);
	else
		og_publish_done(j->out, r, on_settled, r);
}

void og_jobs_settle_again(struct og_jobs *j)
{
	struct og_run *r, *next;

	HASH_ITER(hh, j->runs.settling, r, next)
	{
		if (r->again)
			og_jobs_publish_end(r);
	}
}
