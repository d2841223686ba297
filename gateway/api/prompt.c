#include "api/prompt.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/bill.h"
#include "api/sent.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "model/names.h"

#define REFUSE_MS 250   /* so long a refusal is a status */
#define WAIT_MS   15000 /* so often a stream that has nothing says so: proxies cut those that are silent */
#define OUT_MAX   (16u * 1024 * 1024)

struct og_prompt {
	struct og_api *api;
	struct og_web_call *c; /* NULL: its client has gone, and may come back */
	struct og_job *job;    /* NULL: it has ended */
	const struct og_form *form;
	void *of_form;
	void (*form_done)(void *of_form);
	uv_timer_t timer;
	struct og_question *position;
	char id[OG_ID_LEN + 1];
	bool stream, streaming, resumable, attach, detached, at_once;
	struct og_bill bill;
	struct og_message *held; /* the request, while the store is asked whether it may go; NULL otherwise */
	struct og_sent sent;
	uint64_t events; /* that went out */
	int64_t since_us, heard_ms;
};

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

static void prompt_free(struct og_prompt *p)
{
	og_question_forget(OG_TAKE(p->position));
	if (p->form_done)
		p->form_done(p->of_form);
	og_sent_done(&p->sent);
	free(p->held);
	uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}

/* Its job is cancelled where nobody else waits for it; what its client took is charged. */
static void leave(struct og_prompt *p)
{
	if (p->job)
		og_job_leave(OG_TAKE(p->job), 0);
	og_bill_settle_left(&p->bill, (int64_t)p->events);
}

/* ── what goes out ── */

/* Writes what a form has put into `out`. -1: its reader is too slow and was cut off, or it broke a bound; the prompt goes. */
static int send_out(struct og_prompt *p, struct og_buf *out)
{
	int rc = out->len ? og_web_write(p->c, out->data, out->len) : 0;

	og_buf_done(out);
	if (rc < 0) {
		og_web_note(p->c, "error", "slow_reader");
		leave(p);
		prompt_free(p);
	}
	return rc;
}

static void on_timer(uv_timer_t *timer);

static void begin_stream(struct og_prompt *p, struct og_buf *out)
{
	if (p->streaming)
		return;
	p->streaming = true;
	p->api->metrics.streams++;
	og_web_set_header(p->c, "cache-control", "no-cache");
	og_web_set_header(p->c, "x-accel-buffering", "no");
	og_web_stream(p->c, 200, p->form->stream_type);
	if (p->form->head)
		p->form->head(p, out);
	uv_timer_start(&p->timer, on_timer, WAIT_MS, WAIT_MS);
}

static void refuse(struct og_prompt *p, const struct og_refusal *why)
{
	struct og_buf out;

	if (!p->streaming) {
		og_refuse(p->c, why);
		return;
	}
	og_buf_init(&out, OUT_MAX);
	p->form->broken(p, why, &out);
	og_web_note(p->c, "error", why->code ? why->code : why->type);
	if (og_web_write(p->c, og_buf_str(&out), out.len) == 0)
		og_web_end(p->c);
	og_buf_done(&out);
}

static void note_end(struct og_prompt *p, const struct og_job_end *end)
{
	const struct og_envelope *e = end->e;
	struct og_metrics *m = &p->api->metrics;

	og_histogram_add(&m->total, (double)(og_clock_mono_us() - p->since_us) / 1e6);
	og_web_note(p->c, "state", og_state_name(end->state));
	if (!e)
		return;
	m->prompt_tokens += (uint64_t)e->prompt_tokens;
	m->completion_tokens += (uint64_t)e->completion_tokens;
	og_histogram_add(&m->queue, (double)e->queue_ms / 1e3);
	og_web_note(p->c, "node", e->node_name);
	og_web_note_number(p->c, "queue_ms", e->queue_ms);
	og_web_note_number(p->c, "first_token_ms", e->first_token_ms);
	og_web_note_number(p->c, "prompt_tokens", e->prompt_tokens);
	og_web_note_number(p->c, "completion_tokens", e->completion_tokens);
}

/* The chunks that never came, made of the whole answer. -1: that cannot be done. */
static int fill_gap(struct og_prompt *p, const struct og_job_end *end, struct og_buf *out)
{
	const char *text;
	size_t len, i;
	json_t *response, *rest, *chunk;

	if (og_prompt_response(end, &text, &len) < 0)
		return -1;
	response = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	rest = og_sent_rest(&p->sent, response);
	json_array_foreach(rest, i, chunk)
	{
		og_autofree char *line = json_dumps(chunk, JSON_COMPACT);

		p->form->chunk(p, NULL, line, strlen(line), out);
	}
	json_decref(response);
	json_decref(rest);
	return rest ? 0 : -1;
}

static void tell_incomplete(struct og_prompt *p)
{
	struct og_refusal why;

	og_refuse_with(&why, 502, "answer_cut",
		"some of the answer did not come through: GET /api/v1/jobs/%s/result has the whole", p->id);
	refuse(p, &why);
	prompt_free(p);
}

static void finish_stream(struct og_prompt *p, const struct og_job_end *end)
{
	struct og_buf out;

	og_buf_init(&out, OUT_MAX);
	begin_stream(p, &out);
	if (end->gap && !p->form->fills_gaps && fill_gap(p, end, &out) < 0) {
		og_buf_done(&out);
		tell_incomplete(p);
		return;
	}
	p->form->tail(p, end, &out);
	if (send_out(p, &out) < 0)
		return;
	og_web_end(p->c);
	prompt_free(p);
}

static void finish_whole(struct og_prompt *p, const struct og_job_end *end)
{
	struct og_refusal why;
	size_t len;
	char *body;

	if (p->form->whole(p, end, &body, &len) == 0) {
		og_web_reply_owned(p->c, 200, "application/json", body, len);
	} else {
		og_refuse_with(&why, 502, "engine_failed", "the answer is not of the kind that was asked for");
		og_refuse(p->c, &why);
	}
	prompt_free(p);
}

static void on_end(void *ctx, const struct og_job_end *end)
{
	struct og_prompt *p = ctx;
	struct og_refusal why;

	p->job = NULL;
	og_bill_settle(&p->bill, end);
	if (!p->c) {
		prompt_free(p);
		return;
	}
	note_end(p, end);
	if (end->state != OG_STATE_DONE) {
		og_refusal_of_end(end, &why);
		refuse(p, &why);
		prompt_free(p);
	} else if (p->stream) {
		finish_stream(p, end);
	} else {
		finish_whole(p, end);
	}
}

/* Its client has gone, and has the grace to come back, here or at another gateway. The job is followed to its end, for its
 * bill. */
static void linger(struct og_prompt *p)
{
	p->c = NULL;
	uv_timer_start(&p->timer, on_timer, (uint64_t)p->api->settings->gateway_resume_ms, 0);
}

/* Another attempt begins its answer anew, and what has gone out cannot be taken back: the client is told. One that may come
 * back for its answer finds it; for another it is not made. */
static bool on_restart(void *ctx)
{
	struct og_prompt *p = ctx;
	struct og_refusal why;

	if (!p->events || !p->c)
		return true;
	if (p->resumable || p->detached) {
		og_refuse_with(&why, 502, "answer_cut",
			"the answer was cut off and is written anew: GET /api/v1/jobs/%s/result has it when it is "
			"whole",
			p->id);
		refuse(p, &why);
		linger(p);
		return true;
	}
	og_refuse_with(
		&why, 502, "answer_cut", "the answer was cut off before its end, and its job is cancelled: ask again");
	leave(p);
	refuse(p, &why);
	prompt_free(p);
	return false;
}

static void on_chunk(void *ctx, const struct og_chunk_at *at, const char *data, size_t len)
{
	struct og_prompt *p = ctx;
	struct og_buf out;

	if (!p->c)
		return;
	if (!p->events++)
		og_histogram_add(&p->api->metrics.first_token, (double)(og_clock_mono_us() - p->since_us) / 1e6);
	og_sent_add(&p->sent, data, len);
	p->heard_ms = og_clock_mono_ms();
	og_buf_init(&out, OUT_MAX);
	begin_stream(p, &out);
	p->form->chunk(p, at, data, len, &out);
	send_out(p, &out);
}

/* ── while nothing comes ── */

static void on_position(void *ctx, const json_t *answer, const char *type, const struct og_error *err)
{
	struct og_prompt *p = ctx;
	const json_t *ahead = json_object_get(json_object_get(answer, "job"), "ahead");
	struct og_buf out;

	(void)type;
	(void)err;
	p->position = NULL;
	if (!p->c)
		return;
	og_buf_init(&out, OUT_MAX);
	p->form->wait(p, json_is_integer(ahead) ? json_integer_value(ahead) : -1, &out);
	send_out(p, &out);
}

static void say_waiting(struct og_prompt *p)
{
	struct og_error err;

	if (!p->form->wait || og_clock_mono_ms() - p->heard_ms < WAIT_MS / 2 || p->position)
		return;
	p->position =
		og_link_ask(p->api->link, "job", json_pack("{s:s}", "id", p->id), OG_ANSWER_MS, on_position, p, &err);
	if (!p->position)
		on_position(p, NULL, "", &err);
}

static void on_timer(uv_timer_t *timer)
{
	struct og_prompt *p = timer->data;
	struct og_buf out;

	if (!p->c) {
		og_job_yield(p->job);
	} else if (p->streaming) {
		say_waiting(p);
	} else {
		og_buf_init(&out, OUT_MAX);
		begin_stream(p, &out);
		if (p->form->wait)
			p->form->wait(p, -1, &out);
		send_out(p, &out);
	}
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
		linger(p);
	} else {
		leave(p);
		prompt_free(p);
	}
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

static void give_up(struct og_prompt *p, const struct og_refusal *why)
{
	refuse(p, why);
	prompt_free(p);
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
	prompt_free(p);
}

static struct og_job *send_job(
	struct og_prompt *p, const struct og_envelope *said, const char *body, size_t len, struct og_error *err)
{
	const struct og_job_sink sink = {.chunk = p->stream ? on_chunk : NULL,
		.restarts = on_restart,
		.accepted = on_accepted,
		.end = on_end,
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
		og_buf_init(&out, OUT_MAX);
		begin_stream(p, &out);
		send_out(p, &out);
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
	} else if (p->c) {
		give_up(p, why);
	} else {
		og_bill_refund(&p->bill);
		prompt_free(p);
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
		.at_once = request->at_once,
		.resumable = says_yes(c, "og-resumable"),
		.since_us = og_web_since_us(c)};
	strcpy(p->id, request->e.id);
	og_sent_init(&p->sent);
	uv_timer_init(api->loop, &p->timer);
	p->timer.data = p;
	og_web_on_gone(c, on_gone, p);
	note_start(c, p, &request->e);
	if (p->attach) { /* it was charged when it was made */
		submit(p, &request->e, NULL, 0);
		return;
	}
	if (p->stream)
		uv_timer_start(&p->timer, on_timer, REFUSE_MS, 0);
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
