/* POST /api/v1/jobs: a job that nobody needs to wait for. It is answered when the scheduler has taken it up, or refused it;
 * where that takes long, when the broker keeps it.
 *
 *   [is watched] ──▶ asks (its bill) ──▶ sent ── taken up ──▶ answered ── its end, which nobody here waits for ──▶ its bill is settled */
#include <stdlib.h>
#include <string.h>

#include "api/bill.h"
#include "api/ours/ours.h"
#include "api/prompt.h"
#include "base/alloc.h"
#include "model/json.h"
#include "webhook/webhooks.h"

#define TAKEN_MS 250

struct submission {
	struct og_api *api;
	struct og_web_call *c; /* NULL: it has been answered, or its client has gone */
	struct og_job *job;    /* NULL: it has ended, or was not sent yet */
	struct og_bill bill;
	struct og_key_watch watch;
	struct og_message *held; /* the request, while the store is asked whether it may go */
	uv_timer_t timer;
	char id[OG_ID_LEN + 1];
	bool detached, accepted, late;
	bool watched; /* by webhooks */
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void submission_free(struct submission *s)
{
	free(s->held);
	og_key_unwatch(&s->watch);
	uv_close((uv_handle_t *)&s->timer, on_closed);
}

static void on_grace(uv_timer_t *timer)
{
	struct submission *s = timer->data;

	og_job_yield(s->job);
}

/* It is followed to its end, for its bill. What is not detached is somebody's to wait for, and he has the grace to begin. */
static void let_go(struct submission *s)
{
	s->c = NULL;
	if (s->detached) {
		uv_timer_stop(&s->timer);
		og_job_yield(s->job);
	} else {
		uv_timer_start(&s->timer, on_grace, (uint64_t)s->api->settings->gateway_resume_ms, 0);
	}
}

/* Who is told that it was refused gets no event of it. */
static void refuse(struct submission *s, const struct og_refusal *why)
{
	if (s->watched)
		og_watch_drop(s->api, s->id);
	if (s->c)
		og_refuse(s->c, why);
	submission_free(s);
}

static void answer(struct submission *s, const char *state, int64_t ahead)
{
	json_t *links = og_ours_links(s->id);
	json_t *body = json_pack("{s:s, s:s, s:O}", "id", s->id, "state", state, "links", links);

	if (ahead >= 0)
		json_object_set_new(body, "ahead", json_integer(ahead));
	og_web_set_header(s->c, "location", json_string_value(json_object_get(links, "self")));
	json_decref(links);
	og_web_note(s->c, "state", state);
	og_api_reply_json(s->c, 202, body);
}

static void on_progress(void *ctx, const struct og_envelope *e)
{
	struct submission *s = ctx;
	bool waits = e->state && !strcmp(e->state, og_state_name(OG_STATE_QUEUED));

	if (!s->c)
		return;
	answer(s, e->state ? e->state : og_state_name(OG_STATE_ACCEPTED), waits ? e->ahead : -1);
	let_go(s);
}

static void on_accepted(void *ctx)
{
	struct submission *s = ctx;

	s->accepted = true;
	if (!s->late || !s->c)
		return;
	answer(s, og_state_name(OG_STATE_ACCEPTED), -1);
	let_go(s);
}

static void on_time(uv_timer_t *timer)
{
	struct submission *s = timer->data;

	s->late = true;
	if (s->accepted)
		on_accepted(s);
}

/* Before it was answered it is a refusal, the end of a job that had been submitted before, or one that was quick: that was
 * taken up, however it ended. */
static void on_end(void *ctx, const struct og_job_end *end)
{
	struct submission *s = ctx;
	bool ran = end->e && end->e->attempt, had_ended = s->c && !ran;
	struct og_refusal why;

	s->job = NULL;
	og_bill_settle(&s->bill, end);
	if (s->c && !ran && end->state != OG_STATE_DONE) {
		og_refusal_of_end(end, &why);
		refuse(s, &why);
		return;
	}
	if (s->c)
		answer(s, og_state_name(end->state), -1);
	if (s->watched && had_ended)
		og_watch_drop(s->api, s->id);
	else if (s->watched)
		og_watch_look(s->api, s->id);
	submission_free(s);
}

/* The line is closed, and nobody will say how it ended. */
static void on_dropped(void *ctx)
{
	struct submission *s = ctx;

	s->job = NULL;
	og_bill_leave(&s->bill);
	submission_free(s);
}

static void on_gone(void *ctx)
{
	struct submission *s = ctx;

	if (s->job)
		let_go(s);
	s->c = NULL;
}

/* Its key is no longer in force: so is what it asked for. The job is followed to its end, which is charged. */
static void on_key(void *ctx, struct og_key *key, const struct og_error *why)
{
	struct submission *s = ctx;

	(void)why;
	if (key || !s->job)
		return;
	if (og_link_ask(s->api->link, "cancel", json_pack("{s:s}", "id", s->id), OG_ANSWER_MS, NULL, NULL, NULL))
		og_key_unwatch(&s->watch); /* each further look would ask again */
}

/* ── on its way ── */

static void send_it(struct submission *s, const struct og_envelope *e, const char *body, size_t len)
{
	const struct og_job_sink sink = {
		.accepted = on_accepted, .progress = on_progress, .end = on_end, .dropped = on_dropped, .ctx = s};
	struct og_refusal why;
	struct og_error err;

	s->job = og_job_submit(s->api->link, e, body, len, &sink, &err);
	if (s->job) {
		uv_timer_start(&s->timer, on_time, TAKEN_MS, 0);
		return;
	}
	og_bill_refund(&s->bill);
	og_refusal_of_error(&err, &why);
	refuse(s, &why);
}

static void on_bill(void *ctx, const struct og_refusal *why)
{
	struct submission *s = ctx;
	og_autofree struct og_message *held = OG_TAKE(s->held);
	struct og_envelope e;

	if (s->c && !why) {
		og_envelope_decode(held, &e, NULL);
		send_it(s, &e, held->body, held->body_len);
		return;
	}
	if (!why)
		og_bill_refund(&s->bill);
	refuse(s, why);
}

/* The call may be gone, and its strings with it, when the store has answered. */
static void hold(struct submission *s, const struct og_envelope *e, const char *body, size_t len)
{
	struct og_message m = {.exchange = OG_X_JOBS, .routing_key = OG_K_INTAKE, .body = body, .body_len = len};

	og_envelope_encode(e, &m);
	s->held = og_message_copy(&m);
}

static void open_bill(struct submission *s, const struct og_envelope *e, const char *body, size_t len)
{
	struct og_refusal why;
	int rc = og_bill_open(&s->bill, s->api, og_api_caller(s->c), e, len, on_bill, s, &why);

	if (rc > 0)
		send_it(s, e, body, len);
	else if (rc == 0)
		hold(s, e, body, len);
	else
		refuse(s, &why);
}

static void on_watched(void *ctx, bool yes, const struct og_error *err)
{
	struct submission *s = ctx;
	og_autofree struct og_message *held = OG_TAKE(s->held);
	struct og_envelope e;
	struct og_refusal why;

	s->watched = yes;
	if (s->c && !err) {
		og_envelope_decode(held, &e, NULL);
		open_bill(s, &e, held->body, held->body_len);
		return;
	}
	if (err)
		og_refusal_of_error(err, &why);
	refuse(s, &why);
}

static void submit(struct og_api *api, struct og_web_call *c, const struct og_envelope *e, const char *body, size_t len)
{
	struct submission *s = og_new(struct submission);
	struct og_refusal why;
	struct og_error err;
	int rc;

	*s = (struct submission){.api = api, .c = c, .detached = e->detach};
	strcpy(s->id, e->id);
	uv_timer_init(api->loop, &s->timer);
	s->timer.data = s;
	og_web_set_header(c, "og-job", s->id);
	og_web_note(c, "job", s->id);
	og_web_on_gone(c, on_gone, s);
	og_api_watch_key(api, c, &s->watch, on_key, s);
	if (og_envelope_check(e, &err) < 0) {
		og_refusal_of_error(&err, &why);
		refuse(s, &why);
		return;
	}
	rc = og_watch_begin(api, "job", s->id, og_api_caller(c)->tenant, on_watched, s, &err);
	if (rc > 0) {
		open_bill(s, e, body, len);
	} else if (rc == 0) {
		hold(s, e, body, len);
	} else {
		og_refusal_of_error(&err, &why);
		refuse(s, &why);
	}
}

/* ── the request ── */

struct wanted {
	struct og_prompt_about about;
	const json_t *request; /* of the body; what the engine gets */
	const char *model;
	bool wrapped, detached;
};

static int read_member(const json_t *body, const char *name, const char **ret, struct og_refusal *why)
{
	const json_t *value = json_object_get(body, name);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
		return og_refuse_with(why, 400, "invalid_request", "%s: is to be text", name);
	*ret = json_string_value(value);
	return 0;
}

static int read_about(const json_t *body, struct wanted *w, struct og_refusal *why)
{
	const struct {
		const char *name, **to;
	} members[] = {
		{"class", &w->about.class_name},
		{"deadline", &w->about.deadline},
		{"region", &w->about.region},
		{"tier", &w->about.tier},
		{"session", &w->about.session},
		{"avoid", &w->about.avoid},
		{"idempotency_key", &w->about.idempotency_key},
		{"model", &w->model},
	};
	const json_t *detach = json_object_get(body, "detach");

	for (size_t i = 0; i < OG_COUNT(members); i++)
		if (read_member(body, members[i].name, members[i].to, why) < 0)
			return -1;
	if (detach && !json_is_boolean(detach) && !json_is_null(detach))
		return og_refuse_with(why, 400, "invalid_request", "detach: must be true or false");
	w->detached = !json_is_false(detach);
	return 0;
}

static int read_wanted(struct og_web_call *c, const json_t *body, struct wanted *ret, struct og_refusal *why)
{
	const json_t *request = json_object_get(body, "request");

	*ret = (struct wanted){.request = request ? request : body, .wrapped = request, .detached = true};
	og_prompt_about(c, &ret->about);
	if (request && !json_is_object(request))
		return og_refuse_with(
			why, 400, "invalid_request", "request: is to be an OpenAI-style request, a JSON object");
	if (request && read_about(body, ret, why) < 0)
		return -1;
	if (!ret->model && read_member(ret->request, "model", &ret->model, why) < 0)
		return -1;
	if (ret->model && (!*ret->model || strlen(ret->model) >= OG_NAME_MAX))
		return og_refuse_with(
			why, 400, "invalid_request", "model: is a name of 1 to %d bytes", OG_NAME_MAX - 1);
	if (!json_object_get(ret->request, "messages") && !json_object_get(ret->request, "prompt") &&
		!json_object_get(ret->request, "input"))
		return og_refuse_with(why, 400, "invalid_request",
			"%s: has neither \"messages\" nor \"prompt\" nor \"input\": nothing could be run",
			request ? "request" : "the body");
	return 0;
}

static int64_t max_tokens_of(const json_t *request)
{
	const json_t *n = json_object_get(request, "max_completion_tokens");

	if (!json_is_integer(n))
		n = json_object_get(request, "max_tokens");
	return json_integer_value(n) > 0 ? json_integer_value(n) : 0;
}

void og_jobs_submit(struct og_api *api, struct og_web_call *c)
{
	json_t *body = og_api_json_body(c);
	og_autofree char *text = NULL;
	char id[OG_ID_LEN + 1];
	struct og_envelope e;
	struct og_refusal why;
	struct wanted w;
	const char *sent;
	size_t len;

	if (!body)
		return;
	if (read_wanted(c, body, &w, &why) < 0 || og_prompt_envelope_about(c, &w.about, id, &e, &why) < 0) {
		og_refuse(c, &why);
	} else {
		sent = og_web_body(c, &len);
		if (w.wrapped) {
			sent = text = json_dumps(w.request, JSON_COMPACT);
			len = strlen(text);
		}
		e.model = w.model;
		e.max_tokens = max_tokens_of(w.request);
		e.progress = 1;
		e.detach = w.detached;
		submit(api, c, &e, sent, len);
	}
	json_decref(body);
}
