/* Jobs: what they are. A live job's entry knows best; a job that has ended has its record. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "model/json.h"
#include "shell/history.h"
#include "shell/records.h"
#include "shell/rpc.h"

#define JOBS_USUAL 50
#define JOBS_MAX   1000

void og_rpc_not_found(struct og_question *q)
{
	if (q->s->term->rebuilding)
		og_rpc_fail(q, "busy", "the records are being rebuilt, ask again in 5 s");
	else
		og_rpc_fail(q, "not_found", "no such job, or its record has expired");
}

void og_rpc_no_records(struct og_question *q)
{
	og_rpc_fail(q, "busy", "the records cannot be read just now: Redis is away");
}

struct og_entry *og_rpc_live_entry(const struct og_question *q)
{
	struct og_entry *e = og_index_find(q->s->plan.index, q->job);

	if (!e || e->where == OG_WHERE_ENDED || !e->tenant)
		return NULL;
	return q->sees_all || !strcmp(e->tenant->text, q->tenant) ? e : NULL;
}

bool og_rpc_may_see(const struct og_question *q, const char *tenant)
{
	return q->sees_all || (tenant && !strcmp(tenant, q->tenant));
}

/* --- jobs, job --- */

/* What only the index knows of a live job. */
static void overlay(const struct og_scheduler *s, json_t *object, const struct og_entry *e)
{
	if (!e || e->where == OG_WHERE_ENDED)
		return;
	og_json_set_text(object, "state", og_state_name(og_entry_state(e)));
	if (e->attempt)
		json_object_set_new(object, "attempt", json_integer(e->attempt));
	if (og_entry_waits(e)) {
		json_object_set_new(object, "ahead", json_integer(og_plan_ahead(&s->plan, e)));
		if (s->plan.nodes.tiers[e->tier].slots && !s->plan.paused[e->tier])
			json_object_set_new(
				object, "eta_ms", json_integer(og_plan_eta_ms(&s->plan, e, og_clock_mono_ms())));
	}
	if (e->worker) {
		og_json_set_text(object, "node_name", e->worker->said.node_name);
		og_json_set_text(object, "worker", e->worker->said.worker);
	}
}

/* A live job may have no record yet: it is at the door, or Redis has lost it. */
static json_t *live_object(const struct og_scheduler *s, const struct og_entry *e)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "id", e->id, "tier", s->catalogue->tiers[e->tier].id,
		"class", og_class_name((enum og_class)e->class), "tenant", e->tenant->text, "accepted_ms",
		(json_int_t)e->accepted_ms, "deadline_ms", (json_int_t)e->deadline_ms);
}

/* A row of og_script_jobs: the id, then the fields. */
static json_t *row_object(const struct og_scheduler *s, const struct og_redis_reply *row)
{
	static const char *const names[OG_RECORD_N] = {OG_RECORD_NAMES};
	static const enum og_record_field texts[] = {
		OG_RECORD_STATE, OG_RECORD_TIER, OG_RECORD_CLASS, OG_RECORD_TENANT, OG_RECORD_NODE_NAME};
	static const enum og_record_field numbers[] = {OG_RECORD_ACCEPTED, OG_RECORD_ENDED, OG_RECORD_ATTEMPT};
	const char *id = og_record_text(row, 0);
	json_t *object = json_object();

	og_json_set_text(object, "id", id);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		og_json_set_text(object, names[texts[i]], og_record_text(row, 1 + texts[i]));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (og_record_text(row, 1 + numbers[i]))
			json_object_set_new(
				object, names[numbers[i]], json_integer(og_record_number(row, 1 + numbers[i])));
	if (id)
		overlay(s, object, og_index_find(s->plan.index, id));
	return object;
}

static void on_jobs(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_question *q = og_rpc_current(ctx);
	json_t *jobs;

	(void)err;
	if (!q)
		return;
	if (!reply) {
		og_rpc_no_records(q);
		return;
	}
	jobs = json_array();
	for (size_t i = 0; i < reply->n; i++)
		json_array_append_new(jobs, row_object(q->s, reply->items[i]));
	og_rpc_answer(q, json_pack("{s:o}", "jobs", jobs));
}

/* What lives is in the index, and there alone is it known how far it has come. */
static void answer_live(struct og_question *q, const struct og_filter *f, size_t limit)
{
	og_autofree const struct og_entry **found = og_alloc(limit * sizeof(struct og_entry *));
	size_t n = og_view_jobs(&q->s->plan, f, found, limit);
	json_t *jobs = json_array(), *job;

	for (size_t i = 0; i < n; i++) {
		job = live_object(q->s, found[i]);
		overlay(q->s, job, found[i]);
		json_array_append_new(jobs, job);
	}
	og_rpc_answer(q, json_pack("{s:o}", "jobs", jobs));
}

/* "before": {"accepted_ms", "id"}, the last job of the page before. */
static int read_before(const json_t *args, struct og_filter *ret, struct og_error *err)
{
	const json_t *before = json_object_get(args, "before");

	*ret = (struct og_filter){.before_ms = json_integer_value(json_object_get(before, "accepted_ms")),
		.before_id = json_string_value(json_object_get(before, "id"))};
	if (before && (ret->before_ms <= 0 || !ret->before_id))
		return og_fail(err, OG_INVALID, "\"before\" is not {\"accepted_ms\": …, \"id\": \"…\"}");
	return 0;
}

/* Points into args. */
static int read_filter(const struct og_question *q, const json_t *args, struct og_filter *ret, struct og_error *err)
{
	const char *state = json_string_value(json_object_get(args, "state"));
	const char *tier = json_string_value(json_object_get(args, "tier"));
	const char *class_name = json_string_value(json_object_get(args, "class"));
	const struct og_tier *t = tier ? og_catalogue_find(q->s->catalogue, tier) : NULL;
	enum og_state s = OG_STATE_DONE;
	enum og_class c = OG_CLASS_NORMAL;

	if (read_before(args, ret, err) != 0)
		return -1;
	if ((state && og_state_parse(state, &s, err) != 0) || (class_name && og_class_parse(class_name, &c, err) != 0))
		return -1;
	if (tier && !t) {
		og_catalogue_unknown(q->s->catalogue, tier, NULL, err);
		return -1;
	}
	ret->tier = t ? (int)(t - q->s->catalogue->tiers) : -1;
	ret->class = class_name ? (int)c : -1;
	ret->state = state ? (int)s : -1;
	ret->tenant = q->sees_all ? json_string_value(json_object_get(args, "tenant")) : q->tenant;
	ret->since_ms = json_integer_value(json_object_get(args, "since_ms"));
	return 0;
}

void og_rpc_jobs(struct og_question *q, const json_t *args)
{
	const json_t *limit = json_object_get(args, "limit");
	int64_t n = json_is_integer(limit) ? json_integer_value(limit) : JOBS_USUAL;
	struct og_filter f;
	struct og_error err;

	if (n < 1 || n > JOBS_MAX)
		og_rpc_fail(q, "invalid_request", "\"limit\" is not within 1 and 1000");
	else if (read_filter(q, args, &f, &err) != 0)
		og_rpc_fail(q, "invalid_request", err.message);
	else if (f.state >= 0 && !og_state_terminal((enum og_state)f.state))
		answer_live(q, &f, (size_t)n);
	else if (og_records_jobs(q->s, &f, n, on_jobs, q) != 0)
		og_rpc_no_records(q);
}

static bool is_number(const char *field)
{
	static const char *const numbers[] = {"attempt", "run", "bytes", "k", "prompt_tokens", "completion_tokens"};
	size_t len = strlen(field);

	if (len > 3 && !strcmp(field + len - 3, "_ms"))
		return true;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!strcmp(field, numbers[i]))
			return true;
	return false;
}

static void add_fields(json_t *job, const struct og_redis_reply *record)
{
	for (size_t i = 0; i + 1 < record->n; i += 2) {
		const char *field = og_record_text(record, i), *value = og_record_text(record, i + 1);

		if (is_number(field))
			json_object_set_new(job, field, json_integer(strtoll(value, NULL, 10)));
		else if (!strcmp(field, "history"))
			json_object_set_new(job, field, og_history_read(value));
		else
			og_json_set_text(job, field, value);
	}
}

/* That it runs stands in no record before its end. */
static void add_start(json_t *history, const struct og_entry *e)
{
	const struct og_presence *said = e->worker ? &e->worker->said : NULL;

	for (size_t i = 0; said && i < said->n_running; i++)
		if (!strcmp(said->running[i].id, e->id))
			json_array_append_new(
				history, og_event_object(&(struct og_event){.at_ms = said->running[i].started_ms,
						 .what = "started",
						 .attempt = said->running[i].attempt,
						 .node_name = said->node_name,
						 .worker = said->worker}));
}

/* The words of an error stand in the result: {"error":{"message"}}. */
static void add_words(json_t *history, const struct og_redis_reply *body)
{
	json_t *last = json_array_get(history, json_array_size(history) - 1), *root;

	if (!last || og_json_parse(body->str, body->len, &root, NULL) != 0)
		return;
	og_json_set_text(last, "words", json_string_value(json_object_get(json_object_get(root, "error"), "message")));
	json_decref(root);
}

static void answer_job(struct og_question *q, json_t *job)
{
	og_rpc_answer(q, json_pack("{s:o}", "job", job));
}

static void on_words(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_question *q = og_rpc_current(ctx);

	(void)err;
	if (!q)
		return;
	if (reply && reply->type == OG_REPLY_STRING)
		add_words(json_object_get(q->kept, "history"), reply);
	answer_job(q, OG_TAKE(q->kept));
}

/* With its story, and what only the index knows of it. */
static void tell_job(struct og_question *q, json_t *job, const struct og_entry *e)
{
	bool told = json_object_get(job, "history");

	if (!told)
		json_object_set_new(job, "history", og_history_of_record(job));
	if (e)
		add_start(json_object_get(job, "history"), e);
	if (!told && json_object_get(job, "error") && og_records_result(q->s, q->job, on_words, q) == 0)
		q->kept = job;
	else
		answer_job(q, job);
}

static void on_job(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_question *q = og_rpc_current(ctx);
	const struct og_entry *e;
	json_t *job;

	(void)err;
	if (!q)
		return;
	e = og_rpc_live_entry(q);
	job = e ? live_object(q->s, e) : json_pack("{s:s}", "id", q->job);
	if (reply)
		add_fields(job, reply);
	overlay(q->s, job, og_index_find(q->s->plan.index, q->job));
	if (og_rpc_may_see(q, json_string_value(json_object_get(job, "tenant"))) && json_object_get(job, "state")) {
		tell_job(q, job, e);
		return;
	}
	json_decref(job);
	if (reply)
		og_rpc_not_found(q);
	else
		og_rpc_no_records(q);
}

void og_rpc_job(struct og_question *q, const json_t *args)
{
	(void)args;
	if (og_records_whole(q->s, q->job, on_job, q) != 0)
		on_job(q, NULL, NULL);
}
