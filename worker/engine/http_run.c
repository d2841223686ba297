/* A run is told its end as soon as the engine says that nothing follows. Its call is left to end by itself, so that the
 * connection can be used again; an engine that keeps it open holds nobody up. */
#include "engine/http_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"

#define ERROR_CAP      (16u * 1024)
#define TIMER_SLACK_MS 20 /* a time-out may fire so much before our clock says that it is due */

static void run_free(struct og_engine_run *r)
{
	DL_DELETE(r->engine->runs, r);
	og_engine_stream_done(&r->stream);
	og_buf_done(&r->refusal);
	free(r);
}

static void tell(struct og_engine_run *r)
{
	if (r->told)
		return;
	r->told = true;
	r->sink.end(r->sink.ctx, r->stream.fault, r->stream.words);
}

static void on_status(void *ctx, int status, const char *content_type)
{
	struct og_engine_run *r = ctx;
	const char *wanted = r->stream.dialect->streams;

	r->status = status;
	if (status == 200 && *content_type && strncasecmp(content_type, wanted, strlen(wanted)) != 0)
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
	       (l->first_byte_ms && !r->last_byte_ms && now - r->started_ms >= l->first_byte_ms) ||
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

static void judge_refusal(struct og_engine_run *r)
{
	int status = r->status;
	bool prompt_to_blame = status >= 400 && status < 500 && status != 408 && status != 429;
	char words[OG_ENGINE_WORDS_MAX - 64];
	enum og_fault fault = OG_FAULT_ENGINE_GARBAGE;

	if (prompt_to_blame)
		fault = OG_FAULT_ENGINE_ERROR;
	else if (status >= 400)
		fault = OG_FAULT_ENGINE_UNAVAILABLE;
	og_http_refusal_words(&r->refusal, words, sizeof(words));
	og_engine_stream_fault(&r->stream, fault, "the engine answered %d: %s", status, words);
}

static void on_end(void *ctx, int status, const struct og_error *err)
{
	struct og_engine_run *r = ctx;

	(void)status;
	if (err)
		judge_failure(r, err);
	else if (r->status != 200)
		judge_refusal(r);
	else
		og_engine_stream_close(&r->stream);
	tell(r);
	run_free(r);
}

struct og_engine_run *og_http_engine_start(struct og_engine *engine, const struct og_request *q, const char *model,
	const struct og_engine_sink *sink, struct og_error *err)
{
	struct og_http_engine *e = (struct og_http_engine *)engine;
	struct og_http_handler handler = {.on_status = on_status, .on_body = on_body, .on_end = on_end};
	struct og_dialect_run run = {.chat = q->chat, .created_s = og_clock_wall_ms() / 1000};
	struct og_engine_run *r = og_new(struct og_engine_run);
	og_autofree char *body = NULL, *url = NULL;
	const char *path = NULL;
	json_t *json = e->dialect->request(q, model, &path);

	body = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	url = og_printf("%s%s", e->api, path);
	snprintf(run.id, sizeof(run.id), "%s", q->id);
	snprintf(run.model, sizeof(run.model), "%s", model);
	r->engine = e;
	r->sink = *sink;
	r->limits = e->limits;
	r->started_ms = og_clock_mono_ms();
	og_buf_init(&r->refusal, ERROR_CAP);
	og_engine_stream_init(&r->stream, e->dialect, &run, sink->event, sink->ctx);
	DL_APPEND(e->runs, r);
	handler.ctx = r;
	r->call = og_http_engine_ask(e, "POST", url, body, &r->limits, &handler, err);
	if (!r->call) {
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
