/* /v1/batches: made, shown and cancelled here; run by whichever gateway claims them (batch/keeper.h). */
#include <stdlib.h>
#include <string.h>

#include "api/file_expiry.h"
#include "api/openai.h"
#include "api/records.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "batch/line.h"
#include "webhook/webhooks.h"

#define WINDOW_MAX_MS  (INT64_C(30) * 86400 * 1000)
#define WINDOW_TEXT    32 /* bytes; digits may be written without end */
#define METADATA_PAIRS 16
#define PURPOSE        "batch"
#define METADATA_KEY   (4 * 64) /* bytes */
#define METADATA_VALUE (4 * 512)

static json_t *shown(struct og_web_call *c, json_t *record)
{
	(void)c;
	return json_incref(json_object_get(record, "batch"));
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* ── POST ── */

struct making {
	struct og_api *api;
	struct og_web_call *c; /* NULL: its client has gone */
	json_t *record;
	const char *id, *tenant, *input; /* of the record */
};

static void making_free(struct making *m)
{
	json_decref(m->record);
	free(m);
}

static void on_gone(void *ctx)
{
	struct making *m = ctx;

	m->c = NULL;
}

static void fail(struct making *m, const struct og_error *err)
{
	struct og_refusal why;

	og_refusal_of_error(err, &why);
	if (m->c)
		og_refuse(m->c, &why);
	making_free(m);
}

static void on_made(void *ctx, bool yes, const struct og_error *err)
{
	struct making *m = ctx;

	(void)yes;
	if (err) {
		fail(m, err);
		return;
	}
	if (m->c)
		og_api_reply_json(m->c, 200, json_incref(json_object_get(m->record, "batch")));
	making_free(m);
}

/* A watch for which there is no batch goes by itself, and its event with it: nobody was told of the batch. */
static void on_watched(void *ctx, bool yes, const struct og_error *err)
{
	struct making *m = ctx;
	const struct og_record_put put = {.id = m->id, .tenant = m->tenant, .record = m->record};
	struct og_error own;

	(void)yes;
	if (err)
		fail(m, err);
	else if (og_record_put(m->api->store, &m->api->kinds.batches, &put, on_made, m, &own) < 0)
		fail(m, &own);
}

static void refuse_purpose(struct making *m, const char *purpose)
{
	struct og_refusal why;

	og_refuse_with(&why, 400, "invalid_value",
		"input_file_id: the purpose of this file is %.64s: upload it with the purpose batch", purpose);
	why.param = "input_file_id";
	if (m->c)
		og_refuse(m->c, &why);
	making_free(m);
}

static void on_input(void *ctx, json_t *file, const struct og_error *err)
{
	struct making *m = ctx;
	struct og_error own;
	int rc;

	if (err && err->kind == OG_INVALID && m->c) {
		og_api_refuse_record(m->c, "file", m->input, err);
		making_free(m);
	} else if (err) {
		fail(m, err);
	} else if (strcmp(text_at(file, "purpose"), PURPOSE) != 0) {
		refuse_purpose(m, text_at(file, "purpose"));
	} else {
		rc = og_watch_begin(m->api, "batch", m->id, m->tenant, on_watched, m, &own);
		if (rc > 0)
			on_watched(m, false, NULL);
		else if (rc < 0)
			fail(m, &own);
	}
}

static int refuse(struct og_refusal *why, const char *param, const char *words)
{
	og_refuse_with(why, 400, "invalid_value", "%s: %s", param, words);
	why->param = param;
	return -1;
}

/* As OpenAI has it, 16 pairs of 64 and 512 characters, which have at most four bytes each: the records of all batches share a bound. */
static bool is_metadata(json_t *metadata)
{
	const char *key;
	json_t *value;

	if (!json_is_object(metadata) || json_object_size(metadata) > METADATA_PAIRS)
		return false;
	json_object_foreach(metadata, key, value)
	{
		if (strlen(key) > METADATA_KEY || !json_is_string(value) || json_string_length(value) > METADATA_VALUE)
			return false;
	}
	return true;
}

static int check(const json_t *body, int64_t *ret_window_ms, int64_t *ret_keep_s, struct og_refusal *why)
{
	json_t *metadata = json_object_get(body, "metadata");
	const char *window = text_at(body, "completion_window");

	if (!*text_at(body, "input_file_id"))
		return refuse(why, "input_file_id", "must be the id of a file of requests (POST /v1/files)");
	if (!og_batch_endpoint(text_at(body, "endpoint")))
		return refuse(why, "endpoint",
			"must be /v1/chat/completions, /v1/completions, /v1/embeddings or /v1/responses");
	if (strlen(window) > WINDOW_TEXT ||
		og_parse_duration_ms(*window ? window : "24h", 1000, WINDOW_MAX_MS, ret_window_ms, NULL) < 0)
		return refuse(why, "completion_window", "must be a duration of up to 30 days, such as 24h");
	if (metadata && !json_is_null(metadata) && !is_metadata(metadata))
		return refuse(why, "metadata",
			"must be an object of at most 16 texts, of 512 characters each, and their names of 64");
	return og_file_expiry("output_expires_after", json_object_get(body, "output_expires_after"), ret_keep_s, why);
}

static json_t *record_of(const struct og_web_call *c, const json_t *body, int64_t window_ms, int64_t keep_s)
{
	const struct og_caller *who = og_api_caller(c);
	int64_t now = og_clock_wall_ms();
	json_t *metadata = json_object_get(body, "metadata");
	const char *window = text_at(body, "completion_window");
	og_autofree char *id = og_printf("batch_%s", og_web_request_id(c));
	json_t *batch = json_pack(
		"{s:s, s:s, s:s, s:n, s:s, s:s, s:s, s:n, s:n, s:I, s:n, s:I, s:n, s:n, s:n, s:n, s:n, s:n, "
		"s:{s:i, s:i, s:i}, s:O?}",
		"id", id, "object", "batch", "endpoint", text_at(body, "endpoint"), "errors", "input_file_id",
		text_at(body, "input_file_id"), "completion_window", *window ? window : "24h", "status", "validating",
		"output_file_id", "error_file_id", "created_at", (json_int_t)(now / 1000), "in_progress_at",
		"expires_at", (json_int_t)((now + window_ms + 999) / 1000), "finalizing_at", "completed_at",
		"failed_at", "expired_at", "cancelling_at", "cancelled_at", "request_counts", "total", 0, "completed",
		0, "failed", 0, "metadata", json_is_object(metadata) ? metadata : NULL);

	return json_pack("{s:s, s:s, s:o, s:s, s:s?, s:I}", "id", id, "tenant", who->tenant, "batch", batch, "key",
		who->key_id, "region", og_web_header(c, "og-region"), "output_keep_s", (json_int_t)keep_s);
}

static int may_batch(const struct og_web_call *c, struct og_refusal *why)
{
	const struct og_key *key = og_api_caller(c)->key;
	const char *region = og_web_header(c, "og-region");
	size_t bad;

	if (region && (strlen(region) >= OG_NAME_MAX || !og_utf8_valid(region, strlen(region), &bad)))
		return og_refuse_with(why, 400, "invalid_request", "og-region: is text in UTF-8 of at most %d bytes",
			OG_NAME_MAX - 1);
	if (key && !og_key_may_class(key, og_class_name(OG_CLASS_BATCH)))
		return og_refuse_with(why, 403, "class_not_allowed", "this key is not for the class 'batch'");
	if (key && !og_key_may_region(key, region ? region : ""))
		return og_refuse_with(why, 403, "region_not_allowed",
			"this key is for the regions %.200s: name one of them in the header og-region", key->regions);
	return 0;
}

void og_openai_batch_create(struct og_api *api, struct og_web_call *c)
{
	json_t *body = og_api_json_body(c);
	struct og_refusal why;
	struct og_error err;
	struct making *m;
	int64_t window_ms, keep_s;

	if (!body)
		return;
	if (check(body, &window_ms, &keep_s, &why) < 0 || may_batch(c, &why) < 0) {
		json_decref(body);
		og_refuse(c, &why);
		return;
	}
	m = og_new(struct making);
	*m = (struct making){.api = api, .c = c, .record = record_of(c, body, window_ms, keep_s)};
	m->id = text_at(m->record, "id");
	m->tenant = text_at(m->record, "tenant");
	m->input = text_at(json_object_get(m->record, "batch"), "input_file_id");
	json_decref(body);
	og_web_on_gone(c, on_gone, m);
	if (og_record_get(api->store, &api->kinds.files, m->tenant, m->input, on_input, m, &err) < 0)
		fail(m, &err);
}

/* ── what there is ── */

void og_openai_batches(struct og_api *api, struct og_web_call *c)
{
	og_api_records(api, c, &api->kinds.batches, shown);
}

static void show(struct og_api *api, struct og_web_call *c, json_t *record)
{
	(void)api;
	og_api_reply_json(c, 200, shown(c, record));
}

void og_openai_batch(struct og_api *api, struct og_web_call *c)
{
	og_api_record(api, c, &api->kinds.batches, og_web_part(c, 0), "batch", show);
}

/* ── cancel ── */

/* Taken from who runs it, and due: whoever claims it next, the same or another, ends it. */
static void cancel(struct og_api *api, struct og_web_call *c, json_t *record)
{
	json_t *batch = json_object_get(record, "batch");
	const char *status = text_at(batch, "status");
	struct og_record_put put = {.there = true};
	struct og_refusal why;
	struct og_error err;
	struct making *m;

	if (!strcmp(status, "cancelling") || !strcmp(status, "cancelled")) {
		show(api, c, record);
		return;
	}
	if (strcmp(status, "validating") != 0 && strcmp(status, "in_progress") != 0) {
		og_refuse_with(&why, 409, "conflict", "the batch is %s: there is nothing left to cancel", status);
		og_refuse(c, &why);
		return;
	}
	json_object_set_new(batch, "status", json_string("cancelling"));
	json_object_set_new(batch, "cancelling_at", json_integer(og_clock_wall_ms() / 1000));
	m = og_new(struct making);
	*m = (struct making){.api = api, .c = c, .record = json_incref(record)};
	put.id = text_at(record, "id");
	put.tenant = text_at(record, "tenant");
	put.record = record;
	og_web_on_gone(c, on_gone, m);
	if (og_record_put(api->store, &api->kinds.batches, &put, on_made, m, &err) < 0)
		fail(m, &err);
}

void og_openai_batch_cancel(struct og_api *api, struct og_web_call *c)
{
	og_api_record(api, c, &api->kinds.batches, og_web_part(c, 0), "batch", cancel);
}
