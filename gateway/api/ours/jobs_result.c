/* GET /api/v1/jobs/{id}/result: what it ended with; with ?wait= the answer comes when it ends, or when that time is over. */
#include <stdlib.h>
#include <string.h>

#include "api/ours/ours.h"
#include "base/alloc.h"
#include "model/json.h"

#define WAIT_MAX_MS (INT64_C(5) * 60 * 1000)

struct waiting {
	struct og_api *api;
	struct og_web_call *c;
	struct og_job *job;
	struct og_key_watch watch;
	uv_timer_t timer;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void waiting_free(struct waiting *w)
{
	og_key_unwatch(&w->watch);
	uv_close((uv_handle_t *)&w->timer, on_closed);
}

static void answer_state(struct og_web_call *c, const char *state)
{
	const char *id = og_web_part(c, 0);

	og_api_reply_json(c, 202, json_pack("{s:s, s:s, s:o}", "id", id, "state", state, "links", og_ours_links(id)));
}

static void answer_end(struct og_web_call *c, const char *state, const char *result, size_t len)
{
	char *body = og_ours_ended(og_web_part(c, 0), state, result, len, &len);

	og_web_reply_owned(c, 200, "application/json", body, len);
}

/* ── it has not ended, and is waited for ── */

static void on_end(void *ctx, const struct og_job_end *end)
{
	struct waiting *w = ctx;
	struct og_refusal why;

	if (end->body) {
		answer_end(w->c, og_state_name(end->state), end->body, end->len);
	} else {
		og_refusal_of_end(end, &why);
		og_refuse(w->c, &why);
	}
	waiting_free(w);
}

static json_t *still(struct og_api *api, struct og_web_call *c, const json_t *answer);

/* Where it stands now nobody has told us. */
static void on_time(uv_timer_t *timer)
{
	struct waiting *w = timer->data;

	og_job_leave(w->job, w->api->settings->gateway_resume_ms);
	og_ours_ask(w->api, w->c, "result", json_pack("{s:s}", "id", og_web_part(w->c, 0)), still);
	waiting_free(w);
}

static void on_gone(void *ctx)
{
	struct waiting *w = ctx;

	og_job_leave(w->job, w->api->settings->gateway_resume_ms);
	waiting_free(w);
}

static void on_key(void *ctx, struct og_key *key, const struct og_error *err)
{
	struct waiting *w = ctx;
	struct og_refusal why;

	if (key)
		return;
	og_job_leave(w->job, w->api->settings->gateway_resume_ms);
	og_refuse_with(&why, 401, "invalid_api_key", "%s", err->message);
	og_refuse(w->c, &why);
	waiting_free(w);
}

static void wait_for(struct og_api *api, struct og_web_call *c, int64_t ms)
{
	struct waiting *w = og_new(struct waiting);
	const struct og_job_sink sink = {.end = on_end, .ctx = w};
	struct og_refusal why;
	struct og_error err;

	*w = (struct waiting){.api = api, .c = c};
	w->job = og_job_attach(api->link, og_web_part(c, 0), og_ours_tenant(c), NULL, &sink, &err);
	if (!w->job) {
		free(w);
		og_refusal_of_error(&err, &why);
		og_refuse(c, &why);
		return;
	}
	uv_timer_init(api->loop, &w->timer);
	w->timer.data = w;
	uv_timer_start(&w->timer, on_time, (uint64_t)ms, 0);
	og_web_on_gone(c, on_gone, w);
	og_api_watch_key(api, c, &w->watch, on_key, w);
}

/* ── the question ── */

static json_t *still(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	const char *state = json_string_value(json_object_get(answer, "state"));
	const json_t *result = json_object_get(answer, "result");
	og_autofree char *text = NULL;

	(void)api;
	if (!result) {
		answer_state(c, state ? state : "");
		return NULL;
	}
	text = json_dumps(result, JSON_COMPACT);
	answer_end(c, state, text, text ? strlen(text) : 0);
	return NULL;
}

static json_t *first(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	int64_t ms = 0;

	og_ours_duration(c, "wait", WAIT_MAX_MS, &ms);
	if (!ms || json_object_get(answer, "result"))
		return still(api, c, answer);
	wait_for(api, c, ms);
	return NULL;
}

void og_jobs_result(struct og_api *api, struct og_web_call *c)
{
	const char *id = og_ours_job(c);
	int64_t ms;

	if (!id || og_ours_duration(c, "wait", WAIT_MAX_MS, &ms) < 0)
		return;
	og_web_note(c, "job", id);
	og_ours_ask(api, c, "result", json_pack("{s:s}", "id", id), first);
}
