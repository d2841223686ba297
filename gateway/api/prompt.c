/* A prompt's request, its way to the cluster, and its end. */
#include "api/prompt.h"

#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/prompt_state.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "model/names.h"
#include "webhook/webhooks.h"

#define REFUSE_MS 250 /* so long a refusal is a status */

void *og_prompt_of_form(const struct og_prompt *p)
{
	return p->of_form;
}

const char *og_prompt_id(const struct og_prompt *p)
{
	return p->id;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void og_prompt_free(struct og_prompt *p)
{
	og_question_forget(OG_TAKE(p->position));
	og_key_unwatch(&p->watch);
	if (p->form_done)
		p->form_done(p->of_form);
	og_sent_done(&p->sent);
	free(p->held);
	uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}

void og_prompt_leave(struct og_prompt *p)
{
	og_bill_settle_left(&p->bill, OG_TAKE(p->job), (int64_t)p->events);
}

void og_prompt_linger(struct og_prompt *p)
{
	p->c = NULL;
	uv_timer_start(&p->timer, og_prompt_on_timer, (uint64_t)p->api->settings->gateway_resume_ms, 0);
}

static void on_gone(void *ctx)
{
	struct og_prompt *p = ctx;

	p->api->metrics.cancelled += !p->resumable && !p->detached;
	if (p->held) {
		p->c = NULL; /* on_bill ends it */
		uv_timer_stop(&p->timer);
	} else if (p->detached && p->job && !p->attach) {
		p->c = NULL; /* it goes on without us to its end, which is charged */
		og_job_yield(p->job);
	} else if (p->resumable) {
		og_prompt_linger(p);
	} else {
		og_prompt_leave(p);
		og_prompt_free(p);
	}
}

/* Its key is no longer in force: who listens is told, and the job is cancelled, also one that was to go on without its client.
 * One that another request made goes on for those who still wait for it. */
static void on_key(void *ctx, struct og_key *key, const struct og_error *err)
{
	struct og_prompt *p = ctx;
	struct og_refusal why;

	if (key || p->held) /* the store refuses it, where it has limits; else the next look finds it */
		return;
	og_refuse_with(
		&why, 401, "invalid_api_key", "%s: the answer ends here, and its job is cancelled", err->message);
	if (p->detached && p->job && !p->attach) { /* followed to its end, which is charged */
		if (og_link_ask(
			    p->api->link, "cancel", json_pack("{s:s}", "id", p->id), OG_ANSWER_MS, NULL, NULL, NULL))
			og_key_unwatch(&p->watch); /* each further look would ask again */
		uv_timer_stop(&p->timer);
		og_job_yield(p->job);
		if (p->c)
			og_prompt_refuse(p, &why);
		p->c = NULL;
		return;
	}
	og_prompt_leave(p);
	if (p->c)
		og_prompt_refuse(p, &why);
	og_prompt_free(p);
}

/* ── the request ── */

static bool says_yes(const struct og_web_call *c, const char *header)
{
	const char *value = og_web_header(c, header);
	bool yes = false;

	return value && og_parse_bool(value, &yes, NULL) == 0 && yes;
}

static void note_start(struct og_web_call *c, const struct og_prompt *p, const struct og_envelope *e)
{
	og_web_set_header(c, "og-job", p->id);
	og_web_note(c, "job", p->id);
	og_web_note(c, "model", e->model);
	og_web_note(c, "tier", e->tier);
}

/* It has not begun. */
static void give_up(struct og_prompt *p, const struct og_refusal *why)
{
	if (p->watched)
		og_watch_drop(p->api, p->id);
	if (p->c)
		og_prompt_refuse(p, why);
	og_prompt_free(p);
}

/* The broker has it: that is all that its client waits for. */
static void on_accepted(void *ctx)
{
	struct og_prompt *p = ctx;
	char *body;

	if (!p->at_once || !p->c)
		return;
	body = p->form->accepted(p);
	og_web_reply_owned(OG_TAKE(p->c), 200, "application/json", body, strlen(body));
	og_job_yield(p->job);
}

/* The line is closed, and nobody will say how it ended. */
static void on_dropped(void *ctx)
{
	struct og_prompt *p = ctx;

	p->job = NULL;
	og_bill_leave(&p->bill);
	og_prompt_free(p);
}

static struct og_job *send_job(
	struct og_prompt *p, const struct og_envelope *said, const char *body, size_t len, struct og_error *err)
{
	const struct og_job_sink sink = {.chunk = p->stream ? og_prompt_on_chunk : NULL,
		.restarts = og_prompt_on_restart,
		.accepted = on_accepted,
		.end = og_prompt_on_end,
		.dropped = on_dropped,
		.ctx = p};
	const struct og_chunk_at first = {0};
	struct og_envelope e = *said;

	if (p->attach)
		return og_job_attach(p->api->link, p->id, NULL, p->stream ? &first : NULL, &sink, err);
	e.id = p->id;
	e.stream = p->stream;
	e.detach = p->detached;
	return og_job_submit(p->api->link, &e, body, len, &sink, err);
}

static void submit(struct og_prompt *p, const struct og_envelope *said, const char *body, size_t len)
{
	struct og_refusal why;
	struct og_error err;
	struct og_buf out;

	p->job = send_job(p, said, body, len, &err);
	if (!p->job) {
		og_bill_refund(&p->bill);
		og_refusal_of_error(&err, &why);
		give_up(p, &why);
	} else if (p->attach && p->stream) {
		og_buf_init(&out, OG_PROMPT_OUT_MAX);
		og_prompt_begin_stream(p, &out);
		og_prompt_send(p, &out);
	}
}

static void on_bill(void *ctx, const struct og_refusal *why)
{
	struct og_prompt *p = ctx;
	og_autofree struct og_message *held = OG_TAKE(p->held);
	struct og_envelope e;

	if (p->c && !why) {
		og_envelope_decode(held, &e, NULL);
		submit(p, &e, held->body, held->body_len);
	} else {
		if (!why)
			og_bill_refund(&p->bill);
		give_up(p, why);
	}
}

/* The call may be gone, and its strings with it, when the store has answered. */
static void hold(struct og_prompt *p, const struct og_prompt_request *request)
{
	struct og_message m = {.exchange = OG_X_JOBS, .routing_key = OG_K_INTAKE, .body = request->body};

	m.body_len = request->len;
	og_envelope_encode(&request->e, &m);
	p->held = og_message_copy(&m);
}

void og_prompt_start(struct og_api *api, struct og_web_call *c, const struct og_prompt_request *request)
{
	struct og_prompt *p = og_new(struct og_prompt);
	struct og_refusal why;
	struct og_error err;
	int rc;

	*p = (struct og_prompt){.api = api,
		.c = c,
		.form = request->form,
		.of_form = request->of_form,
		.form_done = request->form_done,
		.stream = request->stream,
		.attach = request->attach,
		.detached = request->detached,
		.watched = request->watched,
		.at_once = request->at_once,
		.resumable = says_yes(c, "og-resumable"),
		.since_us = og_web_since_us(c)};
	strcpy(p->id, request->e.id);
	og_sent_init(&p->sent);
	uv_timer_init(api->loop, &p->timer);
	p->timer.data = p;
	og_web_on_gone(c, on_gone, p);
	og_body_forget(c);
	og_api_watch_key(api, c, &p->watch, on_key, p);
	note_start(c, p, &request->e);
	if (p->attach) { /* it was charged when it was made */
		submit(p, &request->e, NULL, 0);
		return;
	}
	if (p->stream)
		uv_timer_start(&p->timer, og_prompt_on_timer, REFUSE_MS, 0);
	if (og_envelope_check(&request->e, &err) < 0) {
		og_refusal_of_error(&err, &why);
		give_up(p, &why);
		return;
	}
	rc = og_bill_open(&p->bill, api, og_api_caller(c), &request->e, request->len, on_bill, p, &why);
	if (rc > 0)
		submit(p, &request->e, request->body, request->len);
	else if (rc == 0)
		hold(p, request);
	else
		give_up(p, &why);
}
