#include "shell/records.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "shell/args.h"
#include "shell/history.h"
#include "shell/leader.h"
#include "shell/writes.h"

#define FORGED_EVERY_MS 1000
#define SICK_MS         1000
#define NODE_TOLD_MS    30000
#define NODE_TTL_S      "3600"

bool og_records_healthy(const struct og_scheduler *s)
{
	return og_redis_is_up(s->redis) && og_clock_mono_ms() >= s->redis_sick_until;
}

void og_records_sick(struct og_scheduler *s)
{
	s->redis_sick_until = og_clock_mono_ms() + SICK_MS;
}

bool og_records_fenced(struct og_scheduler *s, const struct og_redis_reply *reply)
{
	if (reply->type != OG_REPLY_INT || reply->integer != -1)
		return false;
	if (s->term)
		og_leader_resign(s, "Redis knows a later leader");
	return true;
}

int og_records_claim(struct og_scheduler *s, int64_t epoch, bool again, og_redis_cb *cb, void *ctx)
{
	struct og_args a;

	og_args_begin(s, &a);
	og_args_add_number(&a, epoch);
	og_args_add(&a, again ? "again" : "new");
	og_args_add(&a, s->lease_mark);
	return og_args_eval(s, &og_script_claim, &a, cb, ctx);
}

int og_records_page(struct og_scheduler *s, int64_t from, og_redis_cb *cb, void *ctx)
{
	struct og_args a;

	og_args_begin(s, &a);
	og_args_add_number(&a, from);
	og_args_add_number(&a, OG_PAGE_JOBS);
	return og_args_eval(s, &og_script_page, &a, cb, ctx);
}

int og_records_accept(struct og_scheduler *s, const char *id, const char *tenant, const char *reply, const char *hash,
	og_redis_cb *cb, void *ctx)
{
	struct og_args a;

	og_args_begin_fenced(s, &a, id);
	og_args_add_number(&a, og_stamp_accepted(&s->stamps, og_clock_wall_ms()));
	og_args_add_number(&a, s->settings->result_ttl_ms / 1000);
	og_args_add(&a, tenant);
	og_args_add(&a, hash);
	og_args_add(&a, "reply");
	og_args_add(&a, reply);
	og_args_add(&a, "explicit");
	og_args_add(&a, "1");
	return og_args_eval(s, &og_script_accept, &a, cb, ctx);
}

/* Of writes whose answer changes nothing, unless it says that we are deposed. Any term's: a late answer may only
 * resign too much. */
static void on_written(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_scheduler *s = ctx;

	if (reply)
		og_records_fenced(s, reply);
	else if (err->kind == OG_INVALID)
		og_error_log(err->message, NULL);
	else if (s->term)
		s->term->lost_writes = true;
}

/* All of it each time: an earlier record may have been lost, with its Redis. */
static void write_record(struct og_scheduler *s, struct og_entry *e, enum og_state state, const char *again)
{
	int64_t wall = og_clock_wall_ms();
	char reply[OG_KEY_MAX];
	struct og_args a;

	if (!og_records_healthy(s) || !e->tenant)
		return;
	og_args_begin_move(&a, "record", e->id);
	og_args_add(&a, og_state_name(state));
	og_args_add_number(&a, e->accepted_ms);
	og_args_add(&a, e->tenant->text);
	og_args_add(&a, again);
	og_entry_reply(e, reply);
	og_args_add_field(&a, "tier", s->catalogue->tiers[e->tier].id);
	og_args_add_field(&a, "class", og_class_name((enum og_class)e->class));
	og_args_add_field(&a, "tenant", e->tenant->text);
	og_args_add_field(&a, "submitter", e->submitter->text);
	og_args_add_field(&a, "reply", reply);
	og_args_add(&a, "k");
	og_args_add_number(&a, e->lane);
	og_args_add_field_number(&a, "bytes", e->bytes);
	og_args_add_field_number(&a, "accepted_ms", e->accepted_ms);
	og_args_add_field_number(&a, "deadline_ms", e->deadline_ms);
	og_args_add_field_number(&a, "explicit", e->explicit_id);
	og_args_add_field_number(&a, "detach", e->detach);
	og_args_add_field_number(&a, "attempt", e->attempt);
	og_args_add_field_number(&a, state == OG_STATE_PLACED ? "placed_ms" : "queued_ms", wall);
	if (og_writes_add(s, &a, on_written, s) == 0)
		e->recorded = true;
}

/* A job of this tenant that had died lives again; nothing where the record is another tenant's. */
static void revive(struct og_scheduler *s, struct og_entry *e)
{
	const struct og_event event = {.at_ms = e->accepted_ms, .what = "requeued"};
	og_autofree char *line = NULL;
	struct og_args a;

	if (!og_records_healthy(s))
		return;
	line = og_event_line(&event);
	og_args_begin_fenced(s, &a, e->id);
	og_args_add_number(&a, e->accepted_ms);
	og_args_add(&a, line);
	og_args_add(&a, e->tenant->text);
	e->requeued = og_args_eval(s, &og_script_revive, &a, on_written, s) != 0;
}

void og_records_moved(struct og_scheduler *s, struct og_entry *e, enum og_state state)
{
	if (e->requeued)
		revive(s, e);
	write_record(s, e, state, "");
}

void og_records_again(struct og_scheduler *s, struct og_entry *e)
{
	write_record(s, e, og_entry_placed(e) ? OG_STATE_PLACED : OG_STATE_QUEUED, "again");
}

int og_records_epoch(struct og_scheduler *s, og_redis_cb *cb, void *ctx)
{
	struct og_args a;

	og_args_begin_command(s, &a, "GET", "epoch", "");
	return og_args_command(s, &a, cb, ctx);
}

int og_records_finish(struct og_scheduler *s, const struct og_envelope *done, const struct og_message *m, bool own,
	og_redis_cb *cb, void *ctx)
{
	int64_t wall = og_clock_wall_ms();
	struct og_args a;

	og_args_begin_move(&a, "finish", done->id);
	og_args_add(&a, done->state);
	og_args_add_number(&a, wall);
	og_args_add(&a, own ? "own" : "");
	og_args_add_bytes(&a, m->body, m->body_len);
	og_args_add_number(&a, done->accepted_ms);
	og_args_add(&a, done->tenant ? done->tenant : "");
	og_args_add(&a, done->tier ? done->tier : "");
	og_args_add(&a, done->class_name ? done->class_name : "");
	og_args_add(&a, done->submitter ? done->submitter : "");
	og_args_add_field(&a, "error", done->error_type);
	og_args_add_field(&a, "worker", done->worker);
	og_args_add_field(&a, "node", done->node);
	og_args_add_field(&a, "node_name", done->node_name);
	og_args_add_field_number(&a, "attempt", done->attempt);
	og_args_add_field_number(&a, "run", done->run);
	og_args_add_field_number(&a, "started_ms", done->node ? wall - done->run_ms : 0);
	og_args_add_field_number(&a, "queue_ms", done->queue_ms);
	og_args_add_field_number(&a, "first_token_ms", done->first_token_ms);
	og_args_add_field_number(&a, "run_ms", done->run_ms);
	og_args_add_field_number(&a, "prompt_tokens", done->prompt_tokens);
	og_args_add_field_number(&a, "completion_tokens", done->completion_tokens);
	return og_writes_add(s, &a, cb, ctx);
}

void og_records_history(struct og_scheduler *s, const char *id, const char *what, int64_t attempt,
	const char *node_name, const char *worker, const char *error, const char *words)
{
	const struct og_event event = {.at_ms = og_clock_wall_ms(),
		.what = what,
		.attempt = attempt,
		.node_name = node_name,
		.worker = worker,
		.error = error,
		.words = words};
	og_autofree char *line = NULL;
	struct og_args a;

	if (!og_records_healthy(s))
		return;
	line = og_event_line(&event);
	og_args_begin_fenced(s, &a, id);
	og_args_add(&a, line);
	og_args_eval(s, &og_script_history, &a, on_written, s);
}

int og_records_look(struct og_scheduler *s, const char *id, og_redis_cb *cb, void *ctx)
{
	static const char *const fields[OG_RECORD_N] = {OG_RECORD_NAMES};
	struct og_args a;

	og_args_begin_command(s, &a, "HMGET", "job:", id);
	for (size_t i = 0; i < OG_RECORD_N; i++)
		og_args_add(&a, fields[i]);
	return og_args_command(s, &a, cb, ctx);
}

int og_records_whole(struct og_scheduler *s, const char *id, og_redis_cb *cb, void *ctx)
{
	struct og_args a;

	og_args_begin_command(s, &a, "HGETALL", "job:", id);
	return og_args_command(s, &a, cb, ctx);
}

int og_records_result(struct og_scheduler *s, const char *id, og_redis_cb *cb, void *ctx)
{
	struct og_args a;

	og_args_begin_command(s, &a, "GET", "result:", id);
	return og_args_command(s, &a, cb, ctx);
}

int og_records_jobs(struct og_scheduler *s, const struct og_filter *f, int64_t limit, og_redis_cb *cb, void *ctx)
{
	struct og_args a;

	og_args_begin(s, &a);
	og_args_add(&a, f->tenant ? f->tenant : "");
	og_args_add_number(&a, limit);
	og_args_add(&a, f->state >= 0 ? og_state_name((enum og_state)f->state) : "");
	og_args_add(&a, f->tier >= 0 ? s->catalogue->tiers[f->tier].id : "");
	og_args_add(&a, f->class >= 0 ? og_class_name((enum og_class)f->class) : "");
	og_args_add_number(&a, f->since_ms);
	if (f->before_ms)
		og_args_add_number(&a, f->before_ms);
	else
		og_args_add(&a, "+inf");
	og_args_add(&a, f->before_ms ? f->before_id : "");
	return og_args_eval(s, &og_script_jobs, &a, cb, ctx);
}

int og_records_orders(struct og_scheduler *s, og_redis_cb *cb, void *ctx)
{
	struct og_args a;

	og_args_begin_command(s, &a, "HGETALL", "orders", "");
	return og_args_command(s, &a, cb, ctx);
}

void og_records_order(struct og_scheduler *s, const char *field, const char *value)
{
	struct og_args a;

	og_args_begin_fenced(s, &a, field);
	og_args_add(&a, value);
	og_args_eval(s, &og_script_order, &a, on_written, s);
}

int og_records_counters(struct og_scheduler *s, og_redis_cb *cb, void *ctx)
{
	struct og_args a;

	og_args_begin_command(s, &a, "HGETALL", "counters", "");
	return og_args_command(s, &a, cb, ctx);
}

void og_records_count(struct og_scheduler *s, const char *counter)
{
	struct og_args a;

	og_args_begin_command(s, &a, "HINCRBY", "counters", "");
	og_args_add(&a, counter);
	og_args_add(&a, "1");
	og_args_command(s, &a, NULL, NULL);
}

void og_records_forged(struct og_scheduler *s, const char *what, const char *about, const char *user)
{
	int64_t now = og_clock_mono_ms();
	char quoted[128];

	s->counts.forged++;
	if (s->term)
		og_records_count(s, "forged");
	if (s->forged_warned && now - s->forged_warned < FORGED_EVERY_MS)
		return;
	s->forged_warned = now;
	og_warn(what, "about=%s user=%s", about, og_log_quote(user, quoted, sizeof(quoted)));
}

void og_records_node(struct og_scheduler *s, struct og_node *node, const struct og_presence *said, int64_t now)
{
	struct og_args a;

	if (!og_records_healthy(s) || (node->told_at && now - node->told_at < NODE_TOLD_MS))
		return;
	node->told_at = now;
	og_args_begin_command(s, &a, "HSET", "node:", node->id);
	og_args_add(&a, "name");
	og_args_add(&a, said->node_name);
	og_args_add_field(&a, "region", said->region);
	og_args_add_field(&a, "worker", said->worker);
	og_args_add_field(&a, "tier", said->tier);
	og_args_add_field(&a, "model", said->model);
	og_args_add_field(&a, "engine", said->engine);
	og_args_add_field(&a, "version", said->version);
	og_args_add_field(&a, "serve", said->serve ? "1" : "0");
	og_args_add_field_number(&a, "slots", said->slots);
	og_args_add_field_number(&a, "started_ms", said->started_ms);
	og_args_add_field_number(&a, "seen_ms", og_clock_wall_ms());
	og_args_command(s, &a, NULL, NULL);
	og_args_begin_command(s, &a, "EXPIRE", "node:", node->id);
	og_args_add(&a, NODE_TTL_S);
	og_args_command(s, &a, NULL, NULL);
}

const char *og_record_text(const struct og_redis_reply *record, size_t field)
{
	if (record->type != OG_REPLY_ARRAY || field >= record->n || record->items[field]->type != OG_REPLY_STRING)
		return NULL;
	return record->items[field]->str;
}

int64_t og_record_number(const struct og_redis_reply *record, size_t field)
{
	const char *text = og_record_text(record, field);

	return text ? strtoll(text, NULL, 10) : 0;
}
