#include "shell/records.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "shell/leader.h"

#define FORGED_EVERY_MS 1000
#define ARGS_MAX        64
#define SICK_MS         1000
#define NODE_TOLD_MS    30000
#define NODE_TTL_S      "3600"

/* The arguments of one command. Numbers are written into `numbers`; everything else is borrowed until the call. */
struct args {
	const char *argv[ARGS_MAX];
	size_t lens[ARGS_MAX];
	char numbers[24][24];
	int n, n_numbers;
	char key[OG_NAME_MAX + 128];
};

static void add_bytes(struct args *a, const void *bytes, size_t len)
{
	a->argv[a->n] = len ? bytes : "";
	a->lens[a->n++] = len;
}

static void add(struct args *a, const char *text)
{
	add_bytes(a, text, strlen(text));
}

static void add_number(struct args *a, int64_t number)
{
	char *text = a->numbers[a->n_numbers++];

	snprintf(text, sizeof(a->numbers[0]), "%" PRId64, number);
	add(a, text);
}

static void add_field(struct args *a, const char *field, const char *text)
{
	if (text && *text) {
		add(a, field);
		add(a, text);
	}
}

static void add_field_number(struct args *a, const char *field, int64_t number)
{
	if (number) {
		add(a, field);
		add_number(a, number);
	}
}

/* Every script begins with the prefix as its key, and those that write with the epoch. */
static void begin(const struct og_scheduler *s, struct args *a)
{
	a->n = a->n_numbers = 0;
	snprintf(a->key, sizeof(a->key), "og:%s:", s->settings->cluster);
	add(a, a->key);
}

static void begin_fenced(const struct og_scheduler *s, struct args *a, const char *id)
{
	begin(s, a);
	add_number(a, s->term->epoch);
	add(a, id);
}

static int eval(
	struct og_scheduler *s, struct og_redis_script *script, const struct args *a, og_redis_cb *cb, void *ctx)
{
	return og_redis_eval(s->redis, script, 1, a->n, a->argv, a->lens, cb, ctx, NULL);
}

/* "og:<cluster>:<what><id>" */
static void begin_command(
	const struct og_scheduler *s, struct args *a, const char *command, const char *what, const char *id)
{
	a->n = a->n_numbers = 0;
	snprintf(a->key, sizeof(a->key), "og:%s:%s%s", s->settings->cluster, what, id);
	add(a, command);
	add(a, a->key);
}

static int command(struct og_scheduler *s, const struct args *a, og_redis_cb *cb, void *ctx)
{
	return og_redis_command(s->redis, a->n, a->argv, a->lens, cb, ctx, NULL);
}

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
	struct args a;

	begin(s, &a);
	add_number(&a, epoch);
	add(&a, again ? "again" : "new");
	add(&a, s->lease_mark);
	return eval(s, &og_script_claim, &a, cb, ctx);
}

int og_records_page(struct og_scheduler *s, int64_t from, og_redis_cb *cb, void *ctx)
{
	struct args a;

	begin(s, &a);
	add_number(&a, from);
	add_number(&a, OG_PAGE_JOBS);
	return eval(s, &og_script_page, &a, cb, ctx);
}

int og_records_accept(struct og_scheduler *s, const char *id, const char *tenant, const char *reply, const char *hash,
	og_redis_cb *cb, void *ctx)
{
	struct args a;

	begin_fenced(s, &a, id);
	add_number(&a, og_clock_wall_ms());
	add_number(&a, s->settings->result_ttl_ms / 1000);
	add(&a, tenant);
	add(&a, hash);
	add(&a, "reply");
	add(&a, reply);
	add(&a, "explicit");
	add(&a, "1");
	return eval(s, &og_script_accept, &a, cb, ctx);
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
}

/* All of it each time: an earlier record may have been lost, with its Redis. */
void og_records_moved(struct og_scheduler *s, struct og_entry *e, enum og_state state)
{
	int64_t wall = og_clock_wall_ms();
	char reply[OG_KEY_MAX];
	struct args a;

	if (!og_records_healthy(s) || !e->tenant)
		return;
	begin_fenced(s, &a, e->id);
	add(&a, og_state_name(state));
	add_number(&a, e->accepted_ms);
	add(&a, e->tenant->text);
	og_entry_reply(e, reply);
	add_field(&a, "tier", s->catalogue->tiers[e->tier].id);
	add_field(&a, "class", og_class_name((enum og_class)e->class));
	add_field(&a, "tenant", e->tenant->text);
	add_field(&a, "submitter", e->submitter->text);
	add_field(&a, "reply", reply);
	add(&a, "k");
	add_number(&a, e->lane);
	add_field_number(&a, "bytes", e->bytes);
	add_field_number(&a, "accepted_ms", e->accepted_ms);
	add_field_number(&a, "deadline_ms", e->deadline_ms);
	add_field_number(&a, "explicit", e->explicit_id);
	add_field_number(&a, "attempt", e->attempt);
	add_field_number(&a, state == OG_STATE_PLACED ? "placed_ms" : "queued_ms", wall);
	if (eval(s, &og_script_record, &a, on_written, s) == 0)
		e->recorded = true;
}

int og_records_finish(struct og_scheduler *s, const struct og_envelope *done, const struct og_message *m, bool own,
	og_redis_cb *cb, void *ctx)
{
	int64_t wall = og_clock_wall_ms();
	struct args a;

	begin_fenced(s, &a, done->id);
	add(&a, done->state);
	add_number(&a, wall);
	add_number(&a, s->settings->result_ttl_ms / 1000);
	add_number(&a, s->settings->result_max_bytes);
	add(&a, own ? "own" : "");
	add_bytes(&a, m->body, m->body_len);
	add_number(&a, done->accepted_ms);
	add(&a, done->tenant ? done->tenant : "");
	add_field(&a, "error", done->error_type);
	add_field(&a, "worker", done->worker);
	add_field(&a, "node", done->node);
	add_field(&a, "node_name", done->node_name);
	add_field(&a, "tier", done->tier);
	add_field(&a, "class", done->class_name);
	add_field(&a, "submitter", done->submitter);
	add_field_number(&a, "accepted_ms", done->accepted_ms);
	add_field_number(&a, "attempt", done->attempt);
	add_field_number(&a, "run", done->run);
	add_field_number(&a, "started_ms", done->run_ms ? wall - done->run_ms : 0);
	add_field_number(&a, "queue_ms", done->queue_ms);
	add_field_number(&a, "first_token_ms", done->first_token_ms);
	add_field_number(&a, "run_ms", done->run_ms);
	add_field_number(&a, "prompt_tokens", done->prompt_tokens);
	add_field_number(&a, "completion_tokens", done->completion_tokens);
	return eval(s, &og_script_finish, &a, cb, ctx);
}

int og_records_look(struct og_scheduler *s, const char *id, og_redis_cb *cb, void *ctx)
{
	static const char *const fields[OG_RECORD_N] = {OG_RECORD_NAMES};
	struct args a;

	begin_command(s, &a, "HMGET", "job:", id);
	for (size_t i = 0; i < OG_RECORD_N; i++)
		add(&a, fields[i]);
	return command(s, &a, cb, ctx);
}

int og_records_whole(struct og_scheduler *s, const char *id, og_redis_cb *cb, void *ctx)
{
	struct args a;

	begin_command(s, &a, "HGETALL", "job:", id);
	return command(s, &a, cb, ctx);
}

int og_records_result(struct og_scheduler *s, const char *id, og_redis_cb *cb, void *ctx)
{
	struct args a;

	begin_command(s, &a, "GET", "result:", id);
	return command(s, &a, cb, ctx);
}

int og_records_jobs(struct og_scheduler *s, const char *tenant, int64_t limit, og_redis_cb *cb, void *ctx)
{
	struct args a;

	begin(s, &a);
	add(&a, tenant);
	add_number(&a, limit);
	return eval(s, &og_script_jobs, &a, cb, ctx);
}

int og_records_counters(struct og_scheduler *s, og_redis_cb *cb, void *ctx)
{
	struct args a;

	begin_command(s, &a, "HGETALL", "counters", "");
	return command(s, &a, cb, ctx);
}

void og_records_count(struct og_scheduler *s, const char *counter)
{
	struct args a;

	begin_command(s, &a, "HINCRBY", "counters", "");
	add(&a, counter);
	add(&a, "1");
	command(s, &a, NULL, NULL);
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
	struct args a;

	if (!og_records_healthy(s) || (node->told_at && now - node->told_at < NODE_TOLD_MS))
		return;
	node->told_at = now;
	begin_command(s, &a, "HSET", "node:", node->id);
	add(&a, "name");
	add(&a, said->node_name);
	add_field(&a, "region", said->region);
	add_field(&a, "worker", said->worker);
	add_field(&a, "tier", said->tier);
	add_field(&a, "model", said->model);
	add_field(&a, "engine", said->engine);
	add_field(&a, "version", said->version);
	add_field(&a, "serve", said->serve ? "1" : "0");
	add_field_number(&a, "slots", said->slots);
	add_field_number(&a, "started_ms", said->started_ms);
	add_field_number(&a, "seen_ms", og_clock_wall_ms());
	command(s, &a, NULL, NULL);
	begin_command(s, &a, "EXPIRE", "node:", node->id);
	add(&a, NODE_TTL_S);
	command(s, &a, NULL, NULL);
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
