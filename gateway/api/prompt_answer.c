/* What comes back for a prompt, in its form's words, to its client. */
#include <string.h>

#include "api/prompt_state.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "model/json_text.h"
#include "webhook/webhooks.h"

int og_prompt_send(struct og_prompt *p, struct og_buf *out)
{
	int rc = out->len ? og_web_write(p->c, out->data, out->len) : 0;

	og_buf_done(out);
	if (rc < 0) {
		og_web_note(p->c, "error", "slow_reader");
		og_prompt_leave(p);
		og_prompt_free(p);
	}
	return rc;
}

void og_prompt_begin_stream(struct og_prompt *p, struct og_buf *out)
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
	uv_timer_start(&p->timer, og_prompt_on_timer, OG_PROMPT_WAIT_MS, OG_PROMPT_WAIT_MS);
}

void og_prompt_refuse(struct og_prompt *p, const struct og_refusal *why)
{
	struct og_buf out;

	if (!p->streaming) {
		og_refuse(p->c, why);
		return;
	}
	og_buf_init(&out, OG_PROMPT_OUT_MAX);
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
	response = og_json_load(text, len, JSON_ALLOW_NUL, NULL);
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
	og_prompt_refuse(p, &why);
	og_prompt_free(p);
}

static void finish_stream(struct og_prompt *p, const struct og_job_end *end)
{
	struct og_buf out;

	og_buf_init(&out, OG_PROMPT_OUT_MAX);
	og_prompt_begin_stream(p, &out);
	if (end->gap && !p->form->fills_gaps && fill_gap(p, end, &out) < 0) {
		og_buf_done(&out);
		tell_incomplete(p);
		return;
	}
	p->form->tail(p, end, &out);
	if (og_prompt_send(p, &out) < 0)
		return;
	og_web_end(p->c);
	og_prompt_free(p);
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
	og_prompt_free(p);
}

/* Who is refused with a status need not be told again. */
static void tell_watch(const struct og_prompt *p, const struct og_job_end *end)
{
	if (p->c && !p->streaming && end->state != OG_STATE_DONE)
		og_watch_drop(p->api, p->id);
	else
		og_watch_look(p->api, p->id);
}

void og_prompt_on_end(void *ctx, const struct og_job_end *end)
{
	struct og_prompt *p = ctx;
	struct og_refusal why;

	p->job = NULL;
	og_bill_settle(&p->bill, end);
	if (p->watched)
		tell_watch(p, end);
	if (!p->c) {
		og_prompt_free(p);
		return;
	}
	note_end(p, end);
	if (end->state != OG_STATE_DONE) {
		og_refusal_of_end(end, &why);
		og_prompt_refuse(p, &why);
		og_prompt_free(p);
	} else if (p->stream) {
		finish_stream(p, end);
	} else {
		finish_whole(p, end);
	}
}

/* Another attempt begins its answer anew, and what has gone out cannot be taken back: the client is told. One that may come
 * back for its answer finds it; for another it is not made. */
bool og_prompt_on_restart(void *ctx)
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
		og_prompt_refuse(p, &why);
		og_prompt_linger(p);
		return true;
	}
	og_refuse_with(
		&why, 502, "answer_cut", "the answer was cut off before its end, and its job is cancelled: ask again");
	og_prompt_leave(p);
	og_prompt_refuse(p, &why);
	og_prompt_free(p);
	return false;
}

void og_prompt_on_chunk(void *ctx, const struct og_chunk_at *at, const char *data, size_t len)
{
	struct og_prompt *p = ctx;
	struct og_buf out;

	if (!p->c)
		return;
	if (!p->events++)
		og_histogram_add(&p->api->metrics.first_token, (double)(og_clock_mono_us() - p->since_us) / 1e6);
	og_sent_add(&p->sent, data, len);
	p->heard_ms = og_clock_mono_ms();
	og_buf_init(&out, OG_PROMPT_OUT_MAX);
	og_prompt_begin_stream(p, &out);
	p->form->chunk(p, at, data, len, &out);
	og_prompt_send(p, &out);
}
