#include "job/job.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "job/link_state.h"
#include "model/names.h"

#define ASK_MS     10000 /* between two questions about a job of which nothing is heard */
#define AGAIN_MS   300   /* after an answer that nobody knows it: it may be on its way */
#define GIVE_UP_MS 60000 /* no scheduler has answered for so long */
#define DOWN_MS    30000 /* the broker has been away for so long */
#define LEAVE_MS   10000 /* for a leave; the job runs to its end after that */

/* ── life ── */

static struct og_job *job_new(struct og_link *l, const char *id, const struct og_job_sink *sink)
{
	struct og_job *j = og_new(struct og_job);
	struct og_topic *t = NULL;

	HASH_FIND_STR(l->topics, id, t);
	if (!t) {
		t = og_new(struct og_topic);
		snprintf(t->id, sizeof(t->id), "%s", id);
		HASH_ADD_STR(l->topics, id, t);
	}
	*j = (struct og_job){.l = l, .topic = t, .sink = *sink};
	j->heard_ms = j->asked_ms = j->answered_ms = og_clock_mono_ms();
	DL_APPEND(t->jobs, j);
	l->n_jobs++;
	return j;
}

/* One whose publish is not settled stays until it is. */
static void job_free(struct og_job *j)
{
	struct og_topic *t = OG_TAKE(j->topic);
	og_job_left_cb *left = OG_TAKE(j->left);

	if (t) {
		DL_DELETE(t->jobs, j);
		j->l->n_jobs -= !j->yielded;
		if (!t->jobs) {
			HASH_DEL(j->l->topics, t);
			free(t);
		}
	}
	og_question_forget(OG_TAKE(j->question));
	if (left)
		left(j->left_ctx, j->never_ran);
	j->ended = true;
	if (j->publishing && !j->l->closing)
		return;
	free(j->request);
	free(j);
}

const char *og_job_id(const struct og_job *j)
{
	return j->topic->id;
}

void og_job_end(struct og_job *j, const struct og_job_end *end)
{
	struct og_job_sink sink = j->sink;

	/* A scheduler's word is of no attempt: it ended what nobody ran. */
	j->never_ran = j->never_ran || (end->state != OG_STATE_DONE && end->e && !end->e->attempt);
	job_free(j);
	if (sink.end)
		sink.end(sink.ctx, end);
}

void og_job_fail(struct og_job *j, const char *type, const char *fmt, ...)
{
	char words[512];
	const struct og_job_end end = {.state = OG_STATE_FAILED, .error_type = type, .message = words};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	og_job_end(j, &end);
}

/* ── questions ── */

static void on_answer(void *ctx, const json_t *said, const char *type, const struct og_error *err)
{
	struct og_job *j = ctx;

	j->question = NULL;
	if (err && err->kind == OG_RETRY) {
		j->unsure = j->unsure || j->phase == OG_JOB_LEAVES;
		return; /* the tick asks again */
	}
	og_job_answered(j, err ? type : NULL, said);
}

static void ask(struct og_job *j, const char *verb, json_t *body, int64_t within_ms)
{
	og_question_forget(j->question);
	j->asked_ms = og_clock_mono_ms();
	j->question = og_link_ask(j->l, verb, body, within_ms, on_answer, j, NULL);
}

static json_t *id_of(const struct og_job *j)
{
	return *j->tenant ? json_pack("{s:s, s:s}", "id", og_job_id(j), "as", j->tenant)
	                  : json_pack("{s:s}", "id", og_job_id(j));
}

void og_job_wait(struct og_job *j)
{
	j->waits = true;
	ask(j, "wait", id_of(j), ASK_MS);
}

void og_job_ask(struct og_job *j)
{
	json_t *body = id_of(j);

	j->waits = false;
	if (j->phase == OG_JOB_LEAVES) {
		ask(j, "leave", body, OG_ANSWER_MS);
	} else if (j->asks && j->wants_chunks && !j->yielded) {
		json_object_set_new(body, "from", json_integer(j->next_seq));
		ask(j, "attach", body, OG_ANSWER_MS);
	} else {
		ask(j, "result", body, OG_ANSWER_MS);
	}
}

/* ── the request ── */

/* The scheduler knows this gateway, not those who wait at it: the last of them leaves for all. */
static bool others_listen(const struct og_job *j)
{
	const struct og_job *other;

	DL_FOREACH(j->topic->jobs, other)
	{
		if (other != j && other->phase != OG_JOB_LEAVES && !other->yielded)
			return true;
	}
	return false;
}

void og_job_left(struct og_job *j)
{
	if (j->yielded)
		j->phase = OG_JOB_FOLLOWS;
	else
		job_free(j);
}

static void leave_now(struct og_job *j)
{
	j->leave_at_ms = og_clock_mono_ms();
	if (others_listen(j)) {
		og_job_left(j);
		return;
	}
	j->phase = OG_JOB_LEAVES;
	og_job_ask(j);
}

static void on_settled(void *ctx, enum og_settled how)
{
	struct og_job *j = ctx;

	j->publishing = false;
	if (j->ended) {
		job_free(j);
		return;
	}
	if (how == OG_LOST)
		return; /* og_job_up sends it again */
	j->never_ran = how == OG_NACKED || how == OG_RETURNED;
	if (how == OG_NACKED) {
		og_job_fail(j, "busy", "the cluster takes no more prompts now, try in 5 s");
		return;
	}
	if (how == OG_RETURNED) {
		og_job_fail(
			j, "unavailable", "the cluster has no queue for prompts: `og-broker-config apply` makes it");
		return;
	}
	free(OG_TAKE(j->request));
	j->phase = OG_JOB_FOLLOWS;
	j->heard_ms = j->answered_ms = og_clock_mono_ms();
	if (j->leave_at_ms && j->leave_at_ms <= j->heard_ms)
		leave_now(j);
	else if (j->sink.accepted)
		j->sink.accepted(j->sink.ctx);
}

static int publish(struct og_job *j, struct og_error *err)
{
	struct og_envelope e;
	struct og_message m = *j->request;

	og_envelope_decode(j->request, &e, NULL);
	e.reply_to = og_session_reply(j->l->session);
	og_envelope_encode(&e, &m);
	if (og_session_publish(j->l->session, &m, on_settled, j, err) < 0)
		return -1;
	j->publishing = true;
	return 0;
}

struct og_job *og_job_submit(struct og_link *l, const struct og_envelope *e, const void *body, size_t len,
	const struct og_job_sink *sink, struct og_error *err)
{
	struct og_message m = {
		.exchange = OG_X_JOBS, .routing_key = OG_K_INTAKE, .persistent = true, .body = body, .body_len = len};
	struct og_envelope own = *e;
	struct og_job *j;

	if (!l->up) {
		og_fail(err, OG_RETRY, "the broker cannot be reached just now");
		return NULL;
	}
	own.reply_to = og_session_reply(l->session);
	own.bundle = OG_BUNDLES_MESSAGES;
	if (og_envelope_check(&own, err) < 0)
		return NULL;
	og_envelope_encode(&own, &m);
	j = job_new(l, e->id, sink);
	j->ours = j->may_hear = true;
	j->streams = j->wants_chunks = e->stream;
	j->request = og_message_copy(&m);
	if (publish(j, err) < 0) {
		j->sink = (struct og_job_sink){0};
		job_free(j);
		return NULL;
	}
	return j;
}

struct og_job *og_job_attach(struct og_link *l, const char *id, const char *tenant, const struct og_chunk_at *from,
	const struct og_job_sink *sink, struct og_error *err)
{
	struct og_job *j;

	if (!l->up) {
		og_fail(err, OG_RETRY, "the broker cannot be reached just now");
		return NULL;
	}
	j = job_new(l, id, sink);
	j->phase = OG_JOB_FOLLOWS;
	j->asks = true;
	snprintf(j->tenant, sizeof(j->tenant), "%s", tenant ? tenant : "");
	if (from) {
		j->streams = j->wants_chunks = true;
		j->attempt = from->attempt;
		j->run = from->run;
		j->next_seq = from->seq;
	}
	og_job_ask(j);
	return j;
}

void og_job_yield(struct og_job *j)
{
	if (j->yielded || j->l->closing)
		return;
	j->yielded = true;
	j->l->n_jobs--;
	if (j->phase == OG_JOB_FOLLOWS)
		leave_now(j);
	else
		j->leave_at_ms = og_clock_mono_ms();
}

void og_job_forget(struct og_job *j)
{
	j->sink = (struct og_job_sink){0};
	job_free(j);
}

void og_job_leave(struct og_job *j, int64_t grace_ms)
{
	if (j->l->closing) {
		og_job_forget(j);
		return;
	}
	j->sink = (struct og_job_sink){0};
	j->leave_at_ms = og_clock_mono_ms() + grace_ms;
	if (!grace_ms && j->phase == OG_JOB_FOLLOWS)
		leave_now(j);
}

void og_job_leave_told(struct og_job *j, og_job_left_cb *told, void *ctx)
{
	j->left = told;
	j->left_ctx = ctx;
	og_job_leave(j, 0);
}

/* ── the connection, time ── */

void og_job_up(struct og_job *j)
{
	j->heard_ms = j->answered_ms = og_clock_mono_ms();
	j->asks = true;
	if (j->phase != OG_JOB_SENDS)
		og_job_ask(j);
	else if (!j->publishing && publish(j, NULL) < 0)
		og_job_fail(j, "busy", "the cluster takes no more prompts now, try in 5 s");
}

static void tick_up(struct og_job *j, int64_t now)
{
	bool again = j->unknown && now - j->asked_ms >= AGAIN_MS;
	/* A new leader does not know who is attached. */
	bool quiet = !j->ours || now - j->heard_ms >= ASK_MS;

	if (j->phase == OG_JOB_SENDS)
		return;
	if (j->leave_at_ms && !j->yielded && j->phase == OG_JOB_FOLLOWS && now >= j->leave_at_ms)
		leave_now(j);
	else if (j->phase == OG_JOB_LEAVES && now - j->leave_at_ms > LEAVE_MS)
		og_job_left(j);
	else if (now - j->answered_ms > GIVE_UP_MS)
		og_job_fail(j, "unavailable", "no scheduler answers");
	else if (!j->question && (again || (now - j->asked_ms >= ASK_MS && quiet)))
		og_job_ask(j);
}

void og_job_tick(struct og_job *j, int64_t now)
{
	if (j->l->up)
		tick_up(j, now);
	else if (now - j->l->down_since_ms > DOWN_MS)
		og_job_fail(j, "unavailable", "the broker has been away for %d s", DOWN_MS / 1000);
}
