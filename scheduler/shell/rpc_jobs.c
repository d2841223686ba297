/* Jobs: what they are, how they ended, and ending them. A live job's entry knows best; a job that has ended has its
 * record. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/json.h"
#include "shell/answer.h"
#include "shell/history.h"
#include "shell/records.h"
#include "shell/rpc.h"
#include "shell/watch.h"

#define JOBS_USUAL 50
#define JOBS_MAX   1000

static void fail_not_found(struct og_question *q)
{
	og_rpc_fail(q, "not_found", "no such job, or its record has expired");
}

static void fail_no_records(struct og_question *q)
{
	og_rpc_fail(q, "busy", "the records cannot be read just now: Redis is away");
}

/* The job's live entry, where this user may see it. Whose a job is that only a heartbeat told us of we do not know. */
static struct og_entry *live_entry(const struct og_question *q)
{
	struct og_entry *e = og_index_find(q->s->plan.index, q->job);

	if (!e || e->where == OG_WHERE_ENDED || !e->tenant)
		return NULL;
	return q->sees_all || !strcmp(e->tenant->text, q->tenant) ? e : NULL;
}

static bool may_see(const struct og_question *q, const char *tenant)
{
	return q->sees_all || (tenant && !strcmp(tenant, q->tenant));
}

/* --- jobs, job --- */

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text)
		json_object_set_new(object, key, og_json_text(text));
}

/* What only the index knows of a live job. */
static void overlay(const struct og_scheduler *s, json_t *object, const char *id)
{
	const struct og_entry *e = og_index_find(s->plan.index, id);

	if (!e || e->where == OG_WHERE_ENDED)
		return;
	set_text(object, "state", og_state_name(og_entry_state(e)));
	if (og_entry_waits(e))
		json_object_set_new(object, "ahead", json_integer(og_plan_ahead(&s->plan, e)));
	if (e->worker) {
		set_text(object, "node_name", e->worker->said.node_name);
		set_text(object, "worker", e->worker->said.worker);
	}
}

/* A row of og_script_jobs: the id, then the fields. */
static json_t *row_object(const struct og_scheduler *s, const struct og_redis_reply *row)
{
	static const char *const names[OG_RECORD_N] = {OG_RECORD_NAMES};
	static const enum og_record_field texts[] = {
		OG_RECORD_STATE, OG_RECORD_TIER, OG_RECORD_CLASS, OG_RECORD_TENANT, OG_RECORD_NODE_NAME};
	static const enum og_record_field numbers[] = {OG_RECORD_ACCEPTED, OG_RECORD_ENDED};
	const char *id = og_record_text(row, 0);
	json_t *object = json_object();

	set_text(object, "id", id);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		set_text(object, names[texts[i]], og_record_text(row, 1 + texts[i]));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (og_record_text(row, 1 + numbers[i]))
			json_object_set_new(
				object, names[numbers[i]], json_integer(og_record_number(row, 1 + numbers[i])));
	if (id)
		overlay(s, object, id);
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
		fail_no_records(q);
		return;
	}
	jobs = json_array();
	for (size_t i = 0; i < reply->n; i++)
		json_array_append_new(jobs, row_object(q->s, reply->items[i]));
	og_rpc_answer(q, json_pack("{s:o}", "jobs", jobs));
}

void og_rpc_jobs(struct og_question *q, const json_t *args)
{
	const json_t *limit = json_object_get(args, "limit");
	const char *tenant = json_string_value(json_object_get(args, "tenant"));
	int64_t n = json_is_integer(limit) ? json_integer_value(limit) : JOBS_USUAL;

	if (n < 1 || n > JOBS_MAX) {
		og_rpc_fail(q, "invalid_request", "\"limit\" is not within 1 and 1000");
		return;
	}
	if (!tenant || !q->sees_all)
		tenant = q->tenant;
	if (og_records_jobs(q->s, tenant, n, on_jobs, q) != 0)
		fail_no_records(q);
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

/* A live job may have no record yet: it is at the door, or Redis has lost it. */
static json_t *live_object(const struct og_scheduler *s, const struct og_entry *e)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "id", e->id, "tier", s->catalogue->tiers[e->tier].id,
		"class", og_class_name((enum og_class)e->class), "tenant", e->tenant->text, "accepted_ms",
		(json_int_t)e->accepted_ms, "deadline_ms", (json_int_t)e->deadline_ms);
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
			set_text(job, field, value);
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

/* Its story, and what only the index knows of it. */
static void complete_history(json_t *job, const struct og_entry *e)
{
	json_t *history = json_object_get(job, "history");

	if (!history && e)
		json_object_set_new(job, "history",
			history = json_pack("[o]",
				og_event_object(&(struct og_event){.at_ms = e->accepted_ms, .what = "accepted"})));
	if (e)
		add_start(history, e);
}

static void on_job(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_question *q = og_rpc_current(ctx);
	const struct og_entry *e;
	json_t *job;

	(void)err;
	if (!q)
		return;
	e = live_entry(q);
	job = e ? live_object(q->s, e) : json_pack("{s:s}", "id", q->job);
	if (reply)
		add_fields(job, reply);
	overlay(q->s, job, q->job);
	complete_history(job, e);
	if (may_see(q, json_string_value(json_object_get(job, "tenant"))) && json_object_get(job, "state")) {
		og_rpc_answer(q, json_pack("{s:o}", "job", job));
		return;
	}
	json_decref(job);
	if (reply)
		fail_not_found(q);
	else
		fail_no_records(q);
}

void og_rpc_job(struct og_question *q, const json_t *args)
{
	(void)args;
	if (og_records_whole(q->s, q->job, on_job, q) != 0)
		on_job(q, NULL, NULL);
}

/* --- result, wait --- */

static void on_result(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_question *q = og_rpc_current(ctx);

	(void)err;
	if (!q)
		return;
	if (!reply)
		fail_no_records(q);
	else if (reply->type != OG_REPLY_STRING)
		og_rpc_fail(q, "result_gone", "the job has ended, and its result is kept no longer");
	else
		og_rpc_answer(q, og_rpc_end(q->state, reply->str, reply->len));
}

/* The state in a record that this user may see; NULL: the question is answered. */
static const char *state_of(struct og_question *q, const struct og_redis_reply *reply, enum og_state *ret)
{
	const char *state = reply ? og_record_text(reply, OG_RECORD_STATE) : NULL;

	if (!reply) {
		fail_no_records(q);
		return NULL;
	}
	if (!state || og_state_parse(state, ret, NULL) != 0 || !may_see(q, og_record_text(reply, OG_RECORD_TENANT))) {
		fail_not_found(q);
		return NULL;
	}
	return state;
}

static void on_record(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_question *q = og_rpc_current(ctx);
	enum og_state state;
	const char *name;

	(void)err;
	name = q ? state_of(q, reply, &state) : NULL;
	if (!name)
		return;
	if (!og_state_terminal(state)) {
		og_rpc_answer(q, json_pack("{s:s}", "state", name));
		return;
	}
	snprintf(q->state, sizeof(q->state), "%s", name);
	if (og_records_result(q->s, q->job, on_result, q) != 0)
		fail_no_records(q);
}

static void look(struct og_question *q)
{
	if (og_records_look(q->s, q->job, on_record, q) != 0)
		fail_no_records(q);
}

void og_rpc_result(struct og_question *q, const json_t *args)
{
	const struct og_entry *e = live_entry(q);

	(void)args;
	if (e)
		og_rpc_answer(q, json_pack("{s:s}", "state", og_state_name(og_entry_state(e))));
	else
		look(q);
}

void og_rpc_wait(struct og_question *q, const json_t *args)
{
	struct og_entry *e = live_entry(q);

	(void)args;
	if (!e) {
		look(q);
		return;
	}
	og_watch(q->s, e, q->reply, q->id);
	free(q);
}

/* --- cancel --- */

static void on_cancel_record(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_question *q = og_rpc_current(ctx);
	const struct og_tier *tier;
	enum og_state state;
	const char *name;

	(void)err;
	name = q ? state_of(q, reply, &state) : NULL;
	if (!name)
		return;
	tier = og_record_text(reply, OG_RECORD_TIER)
	               ? og_catalogue_find(q->s->catalogue, og_record_text(reply, OG_RECORD_TIER))
	               : NULL;
	if (og_state_terminal(state)) {
		og_rpc_answer(q, json_pack("{s:s}", "state", name));
		return;
	}
	if (tier)
		og_answer_cancel(q->s, q->job, NULL, (unsigned)(tier - q->s->catalogue->tiers));
	og_rpc_answer(q, json_pack("{s:s}", "state", "cancelling"));
}

void og_rpc_cancel(struct og_question *q, const json_t *args)
{
	struct og_entry *e = live_entry(q);

	(void)args;
	if (!e) {
		if (og_records_look(q->s, q->job, on_cancel_record, q) != 0)
			fail_no_records(q);
		return;
	}
	if (og_entry_waits(e)) {
		og_answer_end(q->s, e, OG_STATE_CANCELLED, "cancelled", "cancelled while it waited");
		og_rpc_answer(q, json_pack("{s:s}", "state", og_state_name(OG_STATE_CANCELLED)));
		return;
	}
	e->cancelling = true;
	if (e->where == OG_WHERE_TIER || e->where == OG_WHERE_RUN)
		og_answer_cancel(q->s, e->id, e->worker, e->tier);
	og_rpc_answer(q, json_pack("{s:s}", "state", "cancelling"));
}
