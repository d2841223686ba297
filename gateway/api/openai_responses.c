/* POST /v1/responses: put into a chat completion, whose answer is put back.
 *
 *   read ──▶ [the response before: its record, then its output] ──▶ [record is kept] ──▶ [its end is watched] ──▶ the job
 *
 * The record is there before the job is, so that what was answered can be fetched, whoever dies when. */
#include <stdlib.h>
#include <string.h>

#include "api/openai.h"
#include "api/records.h"
#include "api/responses/form.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "model/json.h"
#include "model/json_text.h"
#include "webhook/webhooks.h"

#define BEFORE_MS 2000 /* so long a response that ends just now is waited for */

struct creation {
	struct og_api *api;
	struct og_web_call *c; /* NULL: its client has gone */
	json_t *body, *before, *items, *chat, *echo;
	struct og_responses_flags flags;
	char id[OG_ID_LEN + 1], hex[OG_RESPONSE_HEX + 1];
	bool watched; /* by webhooks */
};

static void creation_free(struct creation *n)
{
	json_decref(n->body);
	json_decref(n->before);
	json_decref(n->items);
	json_decref(n->chat);
	json_decref(n->echo);
	free(n);
}

static void on_gone(void *ctx)
{
	struct creation *n = ctx;

	n->c = NULL;
}

/* Its end, one way or the other: `why` is told to a client that is still there. */
static void give_up(struct creation *n, const struct og_refusal *why)
{
	if (n->c)
		og_refuse(n->c, why);
	creation_free(n);
}

static void give_up_error(struct creation *n, const struct og_error *err)
{
	struct og_refusal why;

	og_refusal_of_error(err, &why);
	give_up(n, &why);
}

/* ── the job ── */

static void start(struct creation *n)
{
	struct og_prompt_request request = {.form = &og_responses_form, .form_done = og_responses_form_free};
	og_autofree char *body = json_dumps(n->chat, JSON_COMPACT);
	struct og_refusal why;
	char id[OG_ID_LEN + 1];

	/* A second time: what the envelope borrows is the call's. It was all right the first time. */
	if (!n->c || og_openai_envelope(n->c, n->body, id, &request.e, &why) < 0) {
		if (n->watched)
			og_watch_drop(n->api, n->id);
		creation_free(n);
		return;
	}
	request.e.id = n->id;
	request.e.max_tokens = n->flags.max_tokens;
	request.body = body;
	request.len = strlen(body);
	request.stream = n->flags.stream;
	request.detached = n->flags.background;
	request.watched = n->watched;
	request.at_once = n->flags.background && !n->flags.stream;
	request.of_form = og_responses_form_new(n->hex, n->echo, -1);
	og_prompt_start(n->api, n->c, &request);
	creation_free(n);
}

/* ── its end is watched ── */

static void on_watched(void *ctx, bool yes, const struct og_error *err)
{
	struct creation *n = ctx;

	n->watched = yes;
	if (err)
		give_up_error(n, err);
	else
		start(n);
}

static void watch(struct creation *n)
{
	struct og_error err;
	int rc = n->c ? og_watch_begin(n->api, "response", n->id, og_api_caller(n->c)->tenant, on_watched, n, &err) : 1;

	if (rc < 0)
		give_up_error(n, &err);
	else if (rc > 0)
		start(n);
}

/* ── the record ── */

static void on_kept(void *ctx, bool yes, const struct og_error *err)
{
	struct creation *n = ctx;

	(void)yes;
	if (err)
		give_up_error(n, err);
	else if (n->flags.background)
		watch(n);
	else
		start(n);
}

static void keep(struct creation *n)
{
	json_t *record = json_pack("{s:s, s:O, s:O, s:b}", "id", n->id, "echo", n->echo, "items", n->items,
		"background", n->flags.background);
	const struct og_record_put put = {
		.id = n->id, .tenant = og_api_caller(n->c)->tenant, .record = record, .due_in_ms = -1};
	struct og_error err;

	if (og_record_put(n->api->store, &n->api->kinds.responses, &put, on_kept, n, &err) < 0)
		give_up_error(n, &err);
	json_decref(record);
}

static void translate(struct creation *n)
{
	struct og_refusal why;

	if (!n->c) {
		creation_free(n);
	} else if (og_responses_chat(n->body, n->items, &n->chat, &why) < 0) {
		give_up(n, &why);
	} else {
		n->echo = og_responses_echo(n->body, og_clock_wall_ms() / 1000);
		if (n->flags.store)
			keep(n);
		else
			start(n);
	}
}

/* ── the response before ── */

static void refuse_before(struct creation *n, struct og_refusal *why)
{
	why->param = "previous_response_id";
	give_up(n, why);
}

/* Its items and its output are what the new ones follow. `result`: what its job ended with. */
static void follow(struct creation *n, const json_t *result)
{
	char job[OG_ID_LEN + 1], hex[OG_RESPONSE_HEX + 1];
	json_t *output, *items;

	og_response_job(n->flags.previous, job);
	og_response_hex(job, hex);
	output = og_response_output(hex, og_completion_message(json_object_get(result, "response")));
	items = OG_TAKE(n->items);
	n->items = json_copy(n->before);
	if (json_object_get(result, "response"))
		json_array_extend(n->items, output);
	json_array_extend(n->items, items);
	json_decref(output);
	json_decref(items);
	translate(n);
}

/* Its client has it whole a moment before the cluster has put it away, and may go on from it at once: so it is waited for, but not
 * for one that is really being written. */
struct awaited {
	struct creation *n;
	struct og_job *job;
	uv_timer_t timer;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* Frees it; what it was for is the caller's again. */
static struct creation *awaited_done(struct awaited *a)
{
	uv_close((uv_handle_t *)&a->timer, on_closed);
	return a->n;
}

static void on_before_end(void *ctx, const struct og_job_end *end)
{
	struct creation *n = awaited_done(ctx);
	json_t *result = end->body ? og_json_load(end->body, end->len, JSON_ALLOW_NUL, NULL) : NULL;
	struct og_refusal why;

	if (result) {
		follow(n, result);
	} else {
		og_refusal_of_end(end, &why);
		refuse_before(n, &why);
	}
	json_decref(result);
}

static void on_before_dropped(void *ctx)
{
	const struct og_job_end end = {.error_type = "unavailable", .message = "this gateway is being stopped"};

	on_before_end(ctx, &end);
}

static void on_before_time(uv_timer_t *timer)
{
	struct awaited *a = timer->data;
	struct creation *n = a->n;
	struct og_refusal why;

	og_job_leave(a->job, n->api->settings->gateway_resume_ms);
	awaited_done(a);
	og_refuse_with(&why, 409, "conflict", "previous_response_id: %s is still being written", n->flags.previous);
	refuse_before(n, &why);
}

static void await_before(struct creation *n)
{
	struct awaited *a = og_new(struct awaited);
	const struct og_job_sink sink = {.end = on_before_end, .dropped = on_before_dropped, .ctx = a};
	char job[OG_ID_LEN + 1];
	struct og_error err;

	*a = (struct awaited){.n = n};
	og_response_job(n->flags.previous, job);
	a->job = og_job_attach(n->api->link, job, NULL, NULL, &sink, &err);
	if (!a->job) {
		free(a);
		give_up_error(n, &err);
		return;
	}
	uv_timer_init(n->api->loop, &a->timer);
	a->timer.data = a;
	uv_timer_start(&a->timer, on_before_time, BEFORE_MS, 0);
}

static void on_output(void *ctx, const json_t *answer, const char *type, const struct og_error *err)
{
	const json_t *result = json_object_get(answer, "result");
	struct creation *n = ctx;
	struct og_refusal why;

	if (err) {
		const struct og_job_end end = {.error_type = *type ? type : "unavailable", .message = err->message};

		og_refusal_of_end(&end, &why);
		refuse_before(n, &why);
	} else if (result) {
		follow(n, result);
	} else {
		await_before(n);
	}
}

static void on_before(void *ctx, json_t *record, const struct og_error *err)
{
	struct creation *n = ctx;
	struct og_error line;

	if (!n->c) {
		creation_free(n);
	} else if (err) {
		og_api_refuse_record(n->c, "response", n->flags.previous, err);
		creation_free(n);
	} else {
		n->before = json_incref(json_object_get(record, "items"));
		if (!og_link_ask(n->api->link, "result", json_pack("{s:O}", "id", json_object_get(record, "id")),
			    OG_ANSWER_MS, on_output, n, &line))
			give_up_error(n, &line);
	}
}

static void fetch_before(struct creation *n)
{
	char job[OG_ID_LEN + 1];
	struct og_error err;

	og_response_job(n->flags.previous, job);
	if (og_record_get(
		    n->api->store, &n->api->kinds.responses, og_api_caller(n->c)->tenant, job, on_before, n, &err) < 0)
		give_up_error(n, &err);
}

/* ── the request ── */

static int read_request(struct creation *n, struct og_refusal *why)
{
	struct og_envelope e;

	if (og_responses_flags(n->body, &n->flags, why) < 0 || og_openai_envelope(n->c, n->body, n->id, &e, why) < 0)
		return -1;
	og_response_hex(n->id, n->hex);
	return og_responses_items(n->body, n->hex, &n->items, why);
}

void og_openai_responses(struct og_api *api, struct og_web_call *c)
{
	json_t *body = og_api_json_body(c);
	struct creation *n;
	struct og_refusal why;

	if (!body)
		return;
	n = og_new(struct creation);
	*n = (struct creation){.api = api, .c = c, .body = body};
	og_web_on_gone(c, on_gone, n);
	if (read_request(n, &why) < 0)
		give_up(n, &why);
	else if (n->flags.previous)
		fetch_before(n);
	else
		translate(n);
}
