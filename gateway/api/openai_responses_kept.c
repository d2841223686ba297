/* /v1/responses/{id}: what became of a response: its record is in the store, its job and its answer are the cluster's. */
#include <stdlib.h>
#include <string.h>

#include "api/openai.h"
#include "api/records.h"
#include "api/responses/form.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "model/json.h"

#define UNDER_WAY_S 30 /* so long after its making a job may not be known yet */

/* The job of the response in the path. -1: it is none, and the call is refused. */
static int job_of(struct og_web_call *c, char ret[static OG_ID_LEN + 1])
{
	struct og_error err;

	if (og_response_job(og_web_part(c, 0), ret) == 0)
		return 0;
	og_fail(&err, OG_INVALID, "it is no id of a response");
	og_api_refuse_record(c, "response", og_web_part(c, 0), &err);
	return -1;
}

/* The caller's record of it. */
static void with_record(struct og_api *api, struct og_web_call *c, og_api_record_then *then)
{
	char job[OG_ID_LEN + 1];

	if (job_of(c, job) == 0)
		og_api_record(api, c, &api->kinds.responses, job, "response", then);
}

static const char *id_of(const json_t *record)
{
	const char *id = json_string_value(json_object_get(record, "id"));

	return id ? id : "";
}

/* ── what became of it ── */

struct question {
	struct og_api *api;
	struct og_web_call *c;
	struct og_question *q;
	json_t *record;
	bool cancels;
};

static void question_free(struct question *k)
{
	json_decref(k->record);
	free(k);
}

static void on_gone(void *ctx)
{
	struct question *k = ctx;

	og_question_forget(k->q);
	question_free(k);
}

static json_t *ended(const char *hex, const json_t *echo, const char *state, const json_t *result)
{
	const json_t *error = json_object_get(result, "error");
	const struct og_job_end end = {.error_type = json_string_value(json_object_get(error, "type")),
		.message = json_string_value(json_object_get(error, "message"))};
	struct og_refusal why;

	if (!strcmp(state, "done"))
		return og_response_ended(hex, echo, json_object_get(result, "response"), NULL);
	if (!strcmp(state, "cancelled"))
		return og_response_bare(hex, echo, state);
	og_refusal_of_end(&end, &why);
	return og_response_failed(hex, echo, &why);
}

static json_t *shown(const struct question *k, const json_t *answer)
{
	const json_t *echo = json_object_get(k->record, "echo"), *result = json_object_get(answer, "result");
	const char *state = json_string_value(json_object_get(answer, "state"));
	char hex[OG_RESPONSE_HEX + 1];

	og_response_hex(id_of(k->record), hex);
	if (!state)
		state = "";
	if (result)
		return ended(hex, echo, state, result);
	if (k->cancels && (!strcmp(state, "cancelled") || !strcmp(state, "cancelling")))
		return og_response_bare(hex, echo, "cancelled");
	return og_response_bare(hex, echo, strcmp(state, "running") ? "queued" : "in_progress");
}

/* Of a job that nobody knows: its request is on its way still, or it never came to be. */
static json_t *unknown(const struct question *k)
{
	const json_t *echo = json_object_get(k->record, "echo");
	int64_t created_s = json_integer_value(json_object_get(echo, "created_at"));
	char hex[OG_RESPONSE_HEX + 1];
	struct og_refusal why;

	og_response_hex(id_of(k->record), hex);
	if (og_clock_wall_ms() / 1000 - created_s < UNDER_WAY_S)
		return og_response_bare(hex, echo, "queued");
	og_refuse_with(&why, 404, "not_found", "its job is not known: it never reached the cluster, or is long over");
	return og_response_failed(hex, echo, &why);
}

static void ask(struct question *k, const char *verb);

static void on_answer(void *ctx, const json_t *answer, const char *type, const struct og_error *err)
{
	const char *state = json_string_value(json_object_get(answer, "state"));
	struct question *k = ctx;
	struct og_refusal why;
	enum og_state s;

	k->q = NULL;
	if (err && strcmp(type, "not_found") != 0) {
		const struct og_job_end end = {.error_type = *type ? type : "unavailable", .message = err->message};

		og_refusal_of_end(&end, &why);
		og_refuse(k->c, &why);
	} else if (err) {
		og_api_reply_json(k->c, 200, unknown(k));
	} else if (k->cancels && state && strcmp(state, "cancelled") != 0 && og_state_parse(state, &s, NULL) == 0 &&
		   og_state_terminal(s)) {
		k->cancels = false; /* it had ended before */
		ask(k, "result");
		return;
	} else {
		og_api_reply_json(k->c, 200, shown(k, answer));
	}
	question_free(k);
}

static void ask(struct question *k, const char *verb)
{
	struct og_refusal why;
	struct og_error err;

	k->q = og_link_ask(
		k->api->link, verb, json_pack("{s:s}", "id", id_of(k->record)), OG_ANSWER_MS, on_answer, k, &err);
	if (k->q)
		return;
	og_refusal_of_error(&err, &why);
	og_refuse(k->c, &why);
	question_free(k);
}

static void ask_about(struct og_api *api, struct og_web_call *c, json_t *record, bool cancels)
{
	struct question *k = og_new(struct question);

	*k = (struct question){.api = api, .c = c, .record = json_incref(record), .cancels = cancels};
	og_web_on_gone(c, on_gone, k);
	ask(k, cancels ? "cancel" : "result");
}

/* ── GET ── */

/* The stream from the event after `starting_after` on, whether the job runs, waits or is over. */
static void stream(struct og_api *api, struct og_web_call *c, json_t *record)
{
	const char *from = og_web_query(c, "starting_after");
	struct og_prompt_request request = {.form = &og_responses_form,
		.form_done = og_responses_form_free,
		.attach = true,
		.stream = true,
		.detached = true};
	char hex[OG_RESPONSE_HEX + 1];
	struct og_refusal why;
	int64_t after = -1;

	if (from && og_parse_int(from, -1, INT64_C(1) << 53, &after, NULL) < 0) {
		og_refuse_with(&why, 400, "invalid_value", "starting_after: must be the number of an event");
		why.param = "starting_after";
		og_refuse(c, &why);
		return;
	}
	og_response_hex(id_of(record), hex);
	request.e.id = id_of(record);
	request.of_form = og_responses_form_new(hex, json_object_get(record, "echo"), after);
	og_prompt_start(api, c, &request);
}

static void show(struct og_api *api, struct og_web_call *c, json_t *record)
{
	const char *streamed = og_web_query(c, "stream");

	if (streamed && !strcmp(streamed, "true"))
		stream(api, c, record);
	else
		ask_about(api, c, record, false);
}

void og_openai_response(struct og_api *api, struct og_web_call *c)
{
	with_record(api, c, show);
}

/* ── cancel ── */

static void cancel(struct og_api *api, struct og_web_call *c, json_t *record)
{
	struct og_refusal why;

	if (json_is_true(json_object_get(record, "background"))) {
		ask_about(api, c, record, true);
		return;
	}
	og_refuse_with(
		&why, 400, "invalid_request", "only a response that was made with `background` can be cancelled");
	og_refuse(c, &why);
}

void og_openai_response_cancel(struct og_api *api, struct og_web_call *c)
{
	with_record(api, c, cancel);
}

/* ── what it was asked ── */

static void list_items(struct og_api *api, struct og_web_call *c, json_t *record)
{
	const json_t *items = json_object_get(record, "items"), *item;
	json_t *data = json_array();
	struct og_api_page page;
	struct og_refusal why;
	size_t n = json_array_size(items);
	bool begun, more = false;

	(void)api;
	if (og_api_page_of(c, &page, &why) < 0) {
		json_decref(data);
		og_refuse(c, &why);
		return;
	}
	begun = !page.after;
	for (size_t i = 0; i < n && !more; i++) {
		item = json_array_get(items, page.oldest_first ? i : n - 1 - i);
		more = begun && json_array_size(data) == (size_t)page.limit;
		if (begun && !more)
			json_array_append(data, (json_t *)item);
		else if (!begun)
			begun = !strcmp(id_of(item), page.after);
	}
	og_api_reply_json(c, 200, og_api_list(data, more));
}

void og_openai_response_items(struct og_api *api, struct og_web_call *c)
{
	with_record(api, c, list_items);
}

/* ── DELETE ── */

static void removed(struct og_api *api, struct og_web_call *c, const char *id)
{
	(void)api;
	og_api_reply_json(c, 200, json_pack("{s:s, s:s, s:b}", "id", id, "object", "response", "deleted", 1));
}

void og_openai_response_delete(struct og_api *api, struct og_web_call *c)
{
	char job[OG_ID_LEN + 1];

	if (job_of(c, job) == 0)
		og_api_record_remove(api, c, &api->kinds.responses, job, "response", removed);
}
