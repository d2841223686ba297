/* A run is told its end as soon as the engine says that nothing follows. Its call is left to end by itself, so that the
 * connection can be used again; an engine that keeps it open holds nobody up. */
#include "engine/http_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "model/json_text.h"

#define ERROR_CAP      (16u * 1024)
#define TIMER_SLACK_MS 20 /* a time-out may fire so much before our clock says that it is due */

static void run_free(struct og_engine_run *r)
{
	DL_DELETE(r->engine->runs, r);
	og_engine_stream_done(&r->stream);
	og_buf_done(&r->refusal);
	og_http_talk_free(r->talk);
	free(r->trace[0]);
	free(r->trace[1]);
	free(r);
}

static void tell(struct og_engine_run *r)
{
	if (r->told)
		return;
	r->told = true;
	if (r->talk && r->talk->response && !r->stream.fault)
		r->sink.whole(r->sink.ctx, r->talk->response);
	r->sink.end(r->sink.ctx, r->stream.fault, r->stream.words);
}

static void on_status(void *ctx, int status, const char *content_type)
{
	struct og_engine_run *r = ctx;
	const char *wanted = r->talk ? "application/json" : r->stream.dialect->streams;

	r->status = status;
	if (status == 200 && *content_type && !(r->talk && r->talk->may_lack) &&
		strncasecmp(content_type, wanted, strlen(wanted)) != 0)
		og_engine_stream_fault(&r->stream, OG_FAULT_ENGINE_GARBAGE,
			"the engine answered with %.64s where %s was asked for", content_type, wanted);
}

static int on_body(void *ctx, const char *data, size_t len)
{
	struct og_engine_run *r = ctx;

	r->last_byte_ms = og_clock_mono_ms();
	if (r->told)
		return 0;
	if (r->status != 200) {
		/* What is beyond the cap is of no interest: the words stand at the beginning. */
		size_t room = r->refusal.cap - r->refusal.len;

		return og_buf_add(&r->refusal, data, len < room ? len : room);
	}
	if (r->talk) {
		if (og_buf_add(&r->talk->answer, data, len) < 0)
			og_engine_stream_fault(&r->stream, OG_FAULT_TOO_LARGE, "%s", OG_ANSWER_TOO_LARGE);
		return r->stream.fault ? -1 : 0;
	}
	og_engine_stream_push(&r->stream, data, len);
	if (r->stream.fault)
		return -1;
	if (r->stream.ended)
		tell(r);
	return 0;
}

static bool timed_out(const struct og_engine_run *r)
{
	const struct og_http_limits *l = &r->limits;
	int64_t now = og_clock_mono_ms() + TIMER_SLACK_MS;

	return (l->total_ms && now - r->started_ms >= l->total_ms) ||
	       (l->first_byte_ms && !r->last_byte_ms && now - r->asked_ms >= l->first_byte_ms) ||
	       (l->idle_ms && r->last_byte_ms && now - r->last_byte_ms >= l->idle_ms);
}

/* The call failed: what does that say of the engine? */
static void judge_failure(struct og_engine_run *r, const struct og_error *err)
{
	enum og_fault fault;

	if (err->kind == OG_INVALID)
		fault = OG_FAULT_ENGINE_GARBAGE;
	else if (timed_out(r))
		fault = OG_FAULT_ENGINE_STALLED;
	else
		fault = r->status ? OG_FAULT_ENGINE_CUT : OG_FAULT_ENGINE_UNAVAILABLE;
	og_engine_stream_fault(&r->stream, fault, "the engine: %s", err->message);
}

/* 501: it will never do that, whoever asks how often. */
static bool blames_prompt(const struct og_engine_run *r, const char *words)
{
	const char *const *blame = r->engine->dialect->blame_words;
	int status = r->status;

	for (; status == 500 && blame && *blame; blame++)
		if (strstr(words, *blame))
			return true;
	return (status >= 400 && status < 500 && status != 408 && status != 429) || status == 501;
}

static void judge_refusal(struct og_engine_run *r)
{
	int status = r->status;
	char words[OG_ENGINE_WORDS_MAX - 64];
	enum og_fault fault = OG_FAULT_ENGINE_GARBAGE;

	og_http_refusal_words(&r->refusal, words, sizeof(words));
	if (blames_prompt(r, words))
		fault = OG_FAULT_ENGINE_ERROR;
	else if (status >= 400)
		fault = OG_FAULT_ENGINE_UNAVAILABLE;
	og_engine_stream_fault(&r->stream, fault, "the engine answered %d: %s", status, words);
}

static void on_end(void *ctx, int status, const struct og_error *err)
{
	struct og_engine_run *r = ctx;

	(void)status;
	r->call = NULL;
	if (err)
		judge_failure(r, err);
	else if (r->stream.fault || (r->status != 200 && !(r->talk && og_http_talk_is_lacking(r))))
		judge_refusal(r);
	else if (!r->talk)
		og_engine_stream_close(&r->stream);
	else if (og_http_talk_next(r))
		return;
	tell(r);
	run_free(r);
}

int og_http_run_post(struct og_engine_run *r, const char *url, const char *body, struct og_error *err)
{
	const struct og_http_handler handler = {.on_status = on_status, .on_body = on_body, .on_end = on_end, .ctx = r};
	const char *const trace[] = {r->trace[0], r->trace[1], NULL};
	struct og_http_limits limits = r->limits;

	r->asked_ms = og_clock_mono_ms();
	r->last_byte_ms = 0;
	r->status = 0;
	og_buf_clear(&r->refusal);
	if (limits.total_ms)
		limits.total_ms -= r->asked_ms - r->started_ms;
	if (limits.total_ms < 0)
		limits.total_ms = 1;
	r->call = og_http_engine_ask(r->engine, "POST", url, body, trace, &limits, &handler, err);
	return r->call ? 0 : -1;
}

/* The one question of a run that streams. */
static int ask_for_stream(struct og_engine_run *r, const struct og_request *q, struct og_error *err)
{
	og_autofree char *body = NULL, *url = NULL;
	const char *path = NULL;
	json_t *json = r->engine->dialect->request(q, r->stream.run.model, &path);

	body = og_json_line(json, 0);
	json_decref(json);
	url = og_printf("%s%s", r->engine->api, path);
	return og_http_run_post(r, url, body, err);
}

struct og_engine_run *og_http_engine_start(struct og_engine *engine, const struct og_request *q, const char *model,
	const struct og_engine_sink *sink, struct og_error *err)
{
	struct og_http_engine *e = (struct og_http_engine *)engine;
	struct og_dialect_run run = {.chat = q->chat, .created_s = og_clock_wall_ms() / 1000};
	struct og_engine_run *r = og_new(struct og_engine_run);

	snprintf(run.id, sizeof(run.id), "%s", q->id);
	snprintf(run.model, sizeof(run.model), "%s", model);
	r->engine = e;
	r->sink = *sink;
	r->limits = e->limits;
	r->started_ms = og_clock_mono_ms();
	if (*q->traceparent)
		r->trace[0] = og_printf("traceparent: %s", q->traceparent);
	if (*q->tracestate)
		r->trace[1] = og_printf("tracestate: %s", q->tracestate);
	og_buf_init(&r->refusal, ERROR_CAP);
	og_engine_stream_init(&r->stream, e->dialect, &run, sink->event, sink->ctx);
	DL_APPEND(e->runs, r);
	if (q->operation != OG_OPERATION_GENERATE)
		r->talk = og_http_talk_new(q);
	if ((r->talk ? og_http_talk_begin(r, err) : ask_for_stream(r, q, err)) < 0) {
		run_free(r);
		return NULL;
	}
	return r;
}

void og_http_engine_cancel(struct og_engine *engine, struct og_engine_run *run)
{
	og_http_cancel(((struct og_http_engine *)engine)->http, run->call);
	run_free(run);
}
