/* GET /api/v1/jobs/{id}/events: a job as server-sent events, from any gateway, and going on after Last-Event-ID.
 *
 *   event: state     where it stands: first of all, and when that changes; no part of the numbering
 *   (data alone)     one event of the engine's, as it came; id <attempt>.<run>.<seq>
 *   event: restart   the answer begins anew: what was shown of it no longer counts
 *   event: end       its end, with the result; id "end": who comes back after it is told that there is nothing (204)
 *   event: error     the stream ends before the job: the key that reads it is no longer in force
 *
 * State changes are asked for, every 2 s while no chunk comes: nobody pushes them to one who has attached. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/ours/ours.h"
#include "api/prompt.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "model/json.h"

#define AT_THE_END -1
#define LOOK_MS    2000
#define WAIT_MS    15000 /* so often a stream that has nothing says so */
#define OUT_MAX    (16u * 1024 * 1024)

struct events {
	struct og_api *api;
	struct og_web_call *c;
	struct og_job *job;
	struct og_question *question;
	struct og_key_watch watch;
	uv_timer_t timer;
	char *state; /* as it was told last */
	bool heard;  /* a chunk, since the last look */
	int64_t wrote_ms;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void events_free(struct events *v)
{
	og_question_forget(OG_TAKE(v->question));
	og_key_unwatch(&v->watch);
	free(v->state);
	uv_close((uv_handle_t *)&v->timer, on_closed);
}

static void leave(struct events *v)
{
	if (v->job)
		og_job_leave(OG_TAKE(v->job), v->api->settings->gateway_resume_ms);
	events_free(v);
}

/* ── what goes out ── */

/* -1: its reader is too slow and was cut off; the events are gone. */
static int send_out(struct events *v, struct og_buf *out)
{
	int rc = og_web_write(v->c, og_buf_str(out), out->len);

	og_buf_done(out);
	v->wrote_ms = og_clock_mono_ms();
	if (rc < 0) {
		og_web_note(v->c, "error", "slow_reader");
		leave(v);
	}
	return rc;
}

static void on_chunk(void *ctx, const struct og_chunk_at *at, const char *data, size_t len)
{
	struct events *v = ctx;
	struct og_buf out;

	og_buf_init(&out, OUT_MAX);
	v->heard = true;
	og_sse_data(&out, at, data, len);
	send_out(v, &out);
}

static bool on_restart(void *ctx)
{
	struct og_buf out;

	og_buf_init(&out, OUT_MAX);
	og_sse_event(&out, "restart", "{}", 2);
	return send_out(ctx, &out) == 0;
}

static void on_end(void *ctx, const struct og_job_end *end)
{
	struct events *v = ctx;
	og_autofree char *error = NULL, *text = NULL;
	const char *result = end->body;
	size_t len = end->len;
	struct og_buf out;

	v->job = NULL;
	if (!result) { /* how it ended nobody could say, or it is no longer kept */
		result = error = og_json_dump(json_pack("{s:{s:s, s:o}}", "error", "type", end->error_type, "message",
						      og_json_text(end->message)),
			0);
		len = strlen(error);
	}
	text = og_ours_ended(og_web_part(v->c, 0), og_state_name(end->state), result, len, &len);
	og_buf_init(&out, OUT_MAX);
	og_buf_adds(&out, "id: end\n");
	og_sse_event(&out, "end", text, len);
	if (send_out(v, &out) < 0)
		return;
	og_web_note(v->c, "state", og_state_name(end->state));
	og_web_end(v->c);
	events_free(v);
}

static void on_key(void *ctx, struct og_key *key, const struct og_error *err)
{
	struct events *v = ctx;
	og_autofree char *text = NULL;
	struct og_refusal why;
	struct og_buf out;

	if (key)
		return;
	og_refuse_with(&why, 401, "invalid_api_key", "%s", err->message);
	text = og_json_dump(og_refusal_json(OG_OURS, &why, og_web_request_id(v->c)), 0);
	og_buf_init(&out, OUT_MAX);
	og_sse_event(&out, "error", text, strlen(text));
	if (send_out(v, &out) < 0)
		return;
	og_web_note(v->c, "error", why.code);
	og_web_end(v->c);
	leave(v);
}

/* ── where it stands ── */

static void add_state(struct events *v, const json_t *job, struct og_buf *out)
{
	static const char *const told[] = {"id", "state", "attempt", "ahead", "tier", "node_name", "worker"};
	json_t *state = json_object();
	char *text;

	for (size_t i = 0; i < OG_COUNT(told); i++)
		if (json_object_get(job, told[i]))
			json_object_set(state, told[i], json_object_get(job, told[i]));
	text = og_json_dump(state, 0);
	if (!v->state || strcmp(text, v->state) != 0)
		og_sse_event(out, "state", text, strlen(text));
	free(v->state);
	v->state = text;
}

static void on_state(void *ctx, const json_t *answer, const char *type, const struct og_error *err)
{
	struct events *v = ctx;
	const json_t *job = json_object_get(answer, "job");
	struct og_buf out;

	(void)type;
	v->question = NULL;
	og_buf_init(&out, OUT_MAX);
	if (!err)
		add_state(v, job, &out);
	if (!out.len && og_clock_mono_ms() - v->wrote_ms >= WAIT_MS)
		og_sse_waiting(&out, -1);
	if (out.len)
		send_out(v, &out);
}

static json_t *who(const struct events *v)
{
	json_t *args = json_pack("{s:s}", "id", og_web_part(v->c, 0));

	og_json_set_text(args, "as", og_ours_tenant(v->c));
	return args;
}

static void on_look(uv_timer_t *timer)
{
	struct events *v = timer->data;
	struct og_error err;

	if (!v->heard && !v->question) {
		v->question = og_link_ask(v->api->link, "job", who(v), OG_ANSWER_MS, on_state, v, &err);
		if (!v->question)
			on_state(v, NULL, "", &err);
		return;
	}
	v->heard = false;
}

/* ── the beginning ── */

/* "2.0.17" into the chunk that follows, "" into the first, "end" into one that never comes. */
static int parse_event_id(const char *id, struct og_chunk_at *ret)
{
	long long attempt, run, seq;
	int n = 0;

	*ret = (struct og_chunk_at){.seq = !strcmp(id, "end") ? AT_THE_END : 0};
	if (!*id || ret->seq)
		return 0;
	if (strlen(id) > 40 || sscanf(id, "%lld.%lld.%lld%n", &attempt, &run, &seq, &n) != 3 || id[n] || attempt < 1 ||
		run < 0 || seq < 0)
		return -1;
	*ret = (struct og_chunk_at){attempt, run, seq + 1};
	return 0;
}

/* The header, which a browser sends by itself, before the query. */
static int read_from(struct og_web_call *c, struct og_chunk_at *ret)
{
	const char *const ids[] = {og_web_query(c, "last_event_id"), og_web_header(c, "last-event-id")};
	struct og_refusal why;

	*ret = (struct og_chunk_at){0};
	for (size_t i = 0; i < OG_COUNT(ids); i++) {
		if (!ids[i] || parse_event_id(ids[i], ret) == 0)
			continue;
		og_refuse_with(&why, 400, "invalid_request",
			"last-event-id: '%.60s' is none of ours: those are <attempt>.<run>.<number>", ids[i]);
		og_refuse(c, &why);
		return -1;
	}
	if (ret->seq != AT_THE_END)
		return 0;
	og_web_reply(c, 204, "text/event-stream", "", 0);
	return -1;
}

static json_t *begin(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	struct events *v = og_new(struct events);
	const struct og_job_sink sink = {.chunk = on_chunk, .restarts = on_restart, .end = on_end, .ctx = v};
	struct og_chunk_at from;
	struct og_refusal why;
	struct og_error err;
	struct og_buf out;

	*v = (struct events){.api = api, .c = c, .heard = true};
	if (read_from(c, &from) == 0) {
		v->job = og_job_attach(api->link, og_web_part(c, 0), og_ours_tenant(c), &from, &sink, &err);
		if (!v->job) {
			og_refusal_of_error(&err, &why);
			og_refuse(c, &why);
		}
	}
	if (!v->job) {
		free(v);
		return NULL;
	}
	api->metrics.streams++;
	uv_timer_init(api->loop, &v->timer);
	v->timer.data = v;
	uv_timer_start(&v->timer, on_look, LOOK_MS, LOOK_MS);
	og_web_on_gone(c, (void (*)(void *))leave, v);
	og_api_watch_key(api, c, &v->watch, on_key, v);
	og_web_set_header(c, "cache-control", "no-cache");
	og_web_set_header(c, "x-accel-buffering", "no");
	og_web_stream(c, 200, "text/event-stream");
	og_buf_init(&out, OUT_MAX);
	add_state(v, json_object_get(answer, "job"), &out);
	send_out(v, &out);
	return NULL;
}

void og_jobs_events(struct og_api *api, struct og_web_call *c)
{
	const char *id = og_ours_job(c);

	if (!id)
		return;
	og_web_note(c, "job", id);
	og_ours_ask(api, c, "job", json_pack("{s:s}", "id", id), begin);
}
