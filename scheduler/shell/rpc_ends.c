/* How jobs ended, and ending them. */
#include <stdlib.h>

#include "shell/answer.h"
#include "shell/records.h"
#include "shell/rpc.h"
#include "shell/watch.h"

/* --- result, wait --- */

static void on_result(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_question *q = og_rpc_current(ctx);

	(void)err;
	if (!q)
		return;
	if (!reply)
		og_rpc_no_records(q);
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
		og_rpc_no_records(q);
		return NULL;
	}
	if (!state || og_state_parse(state, ret, NULL) != 0 ||
		!og_rpc_may_see(q, og_record_text(reply, OG_RECORD_TENANT))) {
		og_rpc_not_found(q);
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
		og_rpc_no_records(q);
}

static void look(struct og_question *q, og_redis_cb *on_look)
{
	if (og_records_look(q->s, q->job, on_look, q) != 0)
		og_rpc_no_records(q);
}

void og_rpc_result(struct og_question *q, const json_t *args)
{
	const struct og_entry *e = og_rpc_live_entry(q);

	(void)args;
	if (e)
		og_rpc_answer(q, json_pack("{s:s}", "state", og_state_name(og_entry_state(e))));
	else
		look(q, on_record);
}

void og_rpc_wait(struct og_question *q, const json_t *args)
{
	struct og_entry *e = og_rpc_live_entry(q);

	(void)args;
	if (!e) {
		look(q, on_record);
		return;
	}
	og_watch(q->s, e, q->reply, q->id);
	og_question_free(q);
}

/* --- attach --- */

void og_rpc_attach(struct og_question *q, const json_t *args)
{
	const json_t *from = json_object_get(args, "from");
	struct og_entry *e = og_rpc_live_entry(q);

	if (from && (!json_is_integer(from) || json_integer_value(from) < 0))
		og_rpc_fail(q, "invalid_request", "\"from\" is no number of a chunk");
	else if (!e)
		look(q, on_record);
	else if (!og_watch_attach(q->s, e, q->reply, json_integer_value(from)))
		og_rpc_fail(q, "busy", "too many wait for this job already, try in 5 s");
	else
		og_rpc_answer(q, json_pack("{s:s, s:I}", "state", og_state_name(og_entry_state(e)), "attempt",
					 (json_int_t)e->attempt));
}

/* --- cancel, leave --- */

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

static void stop(struct og_question *q, struct og_entry *e, const char *words)
{
	bool ended = og_answer_stop(q->s, e, words);

	og_rpc_answer(q, json_pack("{s:s}", "state", ended ? og_state_name(OG_STATE_CANCELLED) : "cancelling"));
}

/* The job's entry; NULL: it has none (any more), and its record is looked at instead. */
static struct og_entry *live_or_look(struct og_question *q, og_redis_cb *on_look)
{
	struct og_entry *e = og_rpc_live_entry(q);

	if (!e)
		look(q, on_look);
	return e;
}

void og_rpc_cancel(struct og_question *q, const json_t *args)
{
	struct og_entry *e = live_or_look(q, on_cancel_record);

	(void)args;
	if (e)
		stop(q, e, "cancelled while it waited");
}

static void on_left_record(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_question *q = og_rpc_current(ctx);
	enum og_state state;
	const char *name;

	(void)err;
	name = q ? state_of(q, reply, &state) : NULL;
	if (name)
		og_rpc_answer(q, json_pack("{s:s}", "state", name));
}

void og_rpc_leave(struct og_question *q, const json_t *args)
{
	struct og_entry *e = live_or_look(q, on_left_record);

	(void)args;
	if (!e)
		return;
	og_watch_leave(q->s, e, q->reply);
	if (og_watch_is_wanted(e))
		og_rpc_answer(q, json_pack("{s:s}", "state", og_state_name(og_entry_state(e))));
	else
		stop(q, e, "cancelled: nobody waits for it any more");
}
