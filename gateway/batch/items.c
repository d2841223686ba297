/* The lines of a batch: read, sent as jobs, written when they end. */
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "batch/run_state.h"
#include "store/ledger.h"

#define AGAIN_MS 2000 /* after the cluster was busy */

static void item_free(struct og_batch_item *i)
{
	DL_DELETE(i->r->items, i);
	i->r->flying--;
	og_batch_line_done(&i->line);
	free(i);
}

static void write_line(FILE *to, char *text)
{
	fputs(text, to);
	free(text);
}

static void fail_line(struct og_batch_run *r, const struct og_batch_line *l, const struct og_refusal *why)
{
	write_line(r->err, og_batch_failure(l, why));
	r->failed++;
}

/* ── its end ── */

static void settle(const struct og_batch_item *i, const struct og_job_end *end, const json_t *response)
{
	const json_t *usage = json_object_get(response, "usage"), *key = json_object_get(i->r->record, "key");
	const struct og_settlement s = {.job = i->line.job,
		.key = json_string_value(key),
		.tenant = i->r->tenant,
		.model = i->line.model,
		.prompt_tokens = json_integer_value(json_object_get(usage, "prompt_tokens")),
		.completion_tokens = json_integer_value(json_object_get(usage, "completion_tokens")),
		.replayed = !end->e || !end->e->attempt};

	if (json_string_length(key))
		og_ledger_settle(i->r->api->store, &s);
}

static void answered(struct og_batch_item *i, const struct og_job_end *end)
{
	json_t *result = json_loadb(end->body, end->len, JSON_ALLOW_NUL, NULL);
	char *text = og_batch_answer(&i->line, result);
	struct og_refusal why;

	if (text) {
		write_line(i->r->out, text);
		i->r->completed++;
		settle(i, end, json_object_get(result, "response"));
	} else {
		og_refuse_with(&why, 502, "engine_failed", "the answer is not of the kind that was asked for");
		fail_line(i->r, &i->line, &why);
	}
	json_decref(result);
}

/* What is of the moment, and will pass. */
static bool passes(const char *type)
{
	static const char *const types[] = {"busy", "limited", "unavailable", "no_capacity", "draining"};

	for (size_t k = 0; k < OG_COUNT(types); k++)
		if (type && !strcmp(types[k], type))
			return true;
	return false;
}

static void on_end(void *ctx, const struct og_job_end *end)
{
	struct og_batch_item *i = ctx;
	struct og_batch_run *r = i->r;
	struct og_refusal why;

	i->job = NULL;
	if (end->state == OG_STATE_EXPIRED && r->why == OG_BATCH_RUNS)
		r->why = OG_BATCH_EXPIRED; /* the deadline of each is the batch's */
	if (end->state != OG_STATE_DONE && r->why == OG_BATCH_RUNS && passes(end->error_type)) {
		i->again_ms = og_clock_mono_ms() + AGAIN_MS;
		return;
	}
	if (end->state == OG_STATE_DONE) {
		answered(i, end);
	} else if (r->why == OG_BATCH_RUNS) {
		og_refusal_of_end(end, &why);
		fail_line(r, &i->line, &why);
	} else if (r->why == OG_BATCH_EXPIRED) {
		og_refuse_with(&why, 504, "batch_expired", "the batch's completion window ended before this line");
		fail_line(r, &i->line, &why);
	}
	item_free(i);
	og_batch_step(r);
}

/* ── its way ── */

/* Of a batch that stops: what became of a line that an earlier gateway may have sent. */
static struct og_job *ask_for(struct og_batch_item *i, const struct og_job_sink *sink)
{
	og_link_ask(i->r->api->link, "cancel", json_pack("{s:s}", "id", i->line.job), OG_ANSWER_MS, NULL, NULL, NULL);
	return og_job_attach(i->r->api->link, i->line.job, NULL, NULL, sink, NULL);
}

static void start(struct og_batch_item *i)
{
	const struct og_job_sink sink = {.end = on_end, .ctx = i};
	const struct og_batch_run *r = i->r;
	const struct og_envelope e = {.type = OG_T_REQUEST,
		.id = i->line.job,
		.content_type = "application/json",
		.timestamp_s = og_clock_wall_ms() / 1000,
		.tenant = r->tenant,
		.model = i->line.model,
		.class_name = og_class_name(OG_CLASS_BATCH),
		.operation = i->line.operation,
		.weight = json_integer_value(json_object_get(r->record, "weight")),
		.max_tokens = i->line.max_tokens,
		.deadline_ms = r->expires_ms,
		.explicit_id = 1,
		.detach = 1};

	if (r->why == OG_BATCH_RUNS)
		i->job = og_job_submit(r->api->link, &e, i->line.body, i->line.len, &sink, NULL);
	else
		i->job = ask_for(i, &sink);
	i->again_ms = og_clock_mono_ms() + AGAIN_MS;
}

static bool may_model(const struct og_batch_run *r, const char *model)
{
	const json_t *models = json_object_get(r->record, "models");
	struct og_key key = {0};

	snprintf(key.models, sizeof(key.models), "%s", json_string_value(models) ? json_string_value(models) : "");
	return og_key_may_model(&key, model);
}

static void take_line(struct og_batch_run *r, const char *text, size_t len)
{
	struct og_batch_item *i = og_new(struct og_batch_item);
	struct og_refusal why;
	int rc = og_batch_line_read(text, len, r->id, r->number, r->endpoint, &i->line, &why);

	i->r = r;
	DL_APPEND(r->items, i);
	r->flying++;
	if (rc == 0 && !may_model(r, i->line.model))
		rc = og_refuse_with(
			&why, 403, "model_not_allowed", "this key is not for the model '%.100s'", i->line.model);
	if (rc == 0) {
		start(i);
		return;
	}
	if (r->why != OG_BATCH_CANCELLED)
		fail_line(r, &i->line, &why);
	item_free(i);
}

void og_batch_fill(struct og_batch_run *r)
{
	while (!r->eof && r->flying < r->window) {
		ssize_t len = getline(&r->line, &r->line_room, r->in);

		if (len < 0) {
			r->eof = true;
			return;
		}
		r->number++;
		while (len && strchr(" \t\r\n", r->line[len - 1]))
			r->line[--len] = '\0';
		if (len)
			take_line(r, r->line, (size_t)len);
	}
}

void og_batch_again(struct og_batch_run *r, int64_t now_ms)
{
	struct og_batch_item *i;

	DL_FOREACH(r->items, i)
	{
		if (!i->job && now_ms >= i->again_ms)
			start(i);
	}
}

void og_batch_stop_items(struct og_batch_run *r)
{
	struct og_batch_item *i;

	DL_FOREACH(r->items, i)
	{
		og_link_ask(
			r->api->link, "cancel", json_pack("{s:s}", "id", i->line.job), OG_ANSWER_MS, NULL, NULL, NULL);
	}
}

void og_batch_drop_items(struct og_batch_run *r)
{
	struct og_batch_item *i, *next;

	DL_FOREACH_SAFE(r->items, i, next)
	{
		if (i->job)
			og_job_leave(OG_TAKE(i->job), false);
		item_free(i);
	}
}
