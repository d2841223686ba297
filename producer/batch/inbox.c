/* What comes for a batch: ends of its jobs, and answers to what was asked about them. */
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "base/alloc.h"
#include "batch/run_state.h"
#include "model/json.h"

#define QUESTIONS_MAX 16 /* a tick */
#define UNKNOWN_MAX   3  /* so often a job may be unknown before it goes out again */

static struct og_slot *slot_of(struct og_batch_run *r, const char *id)
{
	for (int64_t i = 0; i < r->batch->window; i++)
		if (r->slots[i].state != OG_SLOT_FREE && !strcmp(r->slots[i].request.id, id))
			return &r->slots[i];
	return NULL;
}

void og_batch_fail(struct og_batch_run *r, const char *custom_id, const char *id, int64_t number, const char *type,
	const char *words)
{
	og_autofree char *line = og_batch_error_line(custom_id, id, number, type, words);
	struct og_error err;

	r->counts.failed++;
	if (!r->over && og_batch_files_error(r->batch->files, line, &err) < 0)
		og_batch_broken(r, &err);
}

static void answer(struct og_slot *slot, const json_t *result)
{
	struct og_batch_run *r = slot->run;
	og_autofree char *line = og_batch_answer_line(slot->request.custom_id, slot->request.id, result);
	struct og_error err;

	if (!line) {
		og_batch_fail(r, slot->request.custom_id, slot->request.id, slot->number, "unreadable",
			"the job ended, but its answer cannot be read");
		return;
	}
	og_pace_well(&r->pace);
	r->trouble[0] = '\0';
	r->counts.answered++;
	if (og_batch_files_answer(r->batch->files, line, &err) < 0)
		og_batch_broken(r, &err);
}

/* Whether it should go out again, later: the cluster is full, or nobody serves the tier for the moment. */
static bool is_for_later(struct og_slot *slot, enum og_state state, const char *type)
{
	const struct og_batch_run *r = slot->run;
	int64_t now = (int64_t)uv_now(r->turn.loop);

	if (state == OG_STATE_BUSY || !strcmp(type, "busy") || !strcmp(type, "limited"))
		return true;
	if (state != OG_STATE_NO_CAPACITY)
		return false;
	if (!slot->refused_ms)
		slot->refused_ms = now;
	return now - slot->refused_ms < r->times->capacity_ms;
}

static void end(struct og_slot *slot, enum og_state state, const json_t *result)
{
	struct og_batch_run *r = slot->run;
	const json_t *error = json_object_get(result, "error");
	const char *type = json_string_value(json_object_get(error, "type"));
	const char *words = json_string_value(json_object_get(error, "message"));

	if (!type)
		type = og_state_name(state);
	if (state != OG_STATE_DONE && !r->stopping && is_for_later(slot, state, type)) {
		slot->state = OG_SLOT_READY;
		slot->question[0] = '\0';
		og_pace_busy(&r->pace, (int64_t)uv_now(r->turn.loop), words, og_random());
		snprintf(r->trouble, sizeof(r->trouble), "%s: %s", type, words ? words : "trying again");
		return;
	}
	/* What was turned away while it stops is not through: another run asks for it. */
	if (state == OG_STATE_DONE)
		answer(slot, result);
	else if (!is_for_later(slot, state, type))
		og_batch_fail(r, slot->request.custom_id, slot->request.id, slot->number, type,
			words ? words : "no reason was given");
	og_batch_drop(slot);
}

static void on_end(struct og_batch_run *r, const struct og_envelope *e, const struct og_message *m)
{
	struct og_slot *slot = e->id ? slot_of(r, e->id) : NULL;
	enum og_state state;
	json_t *result;

	if (!slot || og_state_parse(e->state, &state, NULL) < 0 || !og_state_terminal(state))
		return;
	if (og_json_parse(m->body, m->body_len, &result, NULL) < 0)
		result = json_object();
	end(slot, state, result);
	json_decref(result);
}

/* ── questions ── */

void og_batch_ask_silent(struct og_batch_run *r)
{
	int64_t now = (int64_t)uv_now(r->turn.loop);
	unsigned asked = 0;

	for (int64_t i = 0; i < r->batch->window && asked < QUESTIONS_MAX && r->up; i++) {
		struct og_slot *slot = &r->slots[i];

		if (slot->state != OG_SLOT_FLYING || slot->publishing || now - slot->heard_ms < r->times->ask_ms)
			continue;
		if (*slot->question)
			snprintf(r->trouble, sizeof(r->trouble), "no scheduler answers yet");
		og_session_ask(r->session, "result", json_pack("{s:s}", "id", slot->request.id), slot->question, NULL);
		slot->heard_ms = now;
		asked++;
	}
}

static struct og_slot *asker(struct og_batch_run *r, const char *question)
{
	for (int64_t i = 0; i < r->batch->window; i++)
		if (r->slots[i].state == OG_SLOT_FLYING && !strcmp(r->slots[i].question, question))
			return &r->slots[i];
	return NULL;
}

static void on_refused(struct og_slot *slot, const char *type, const char *words)
{
	struct og_batch_run *r = slot->run;

	if (!strcmp(type, "busy"))
		return;
	if (strcmp(type, "not_found") != 0) {
		og_batch_fail(r, slot->request.custom_id, slot->request.id, slot->number, type, words);
		og_batch_drop(slot);
	} else if (++slot->unknown >= UNKNOWN_MAX) {
		slot->unknown = 0;
		slot->state = OG_SLOT_READY;
	}
}

static void on_reply(struct og_batch_run *r, const struct og_message *m)
{
	struct og_slot *slot = m->correlation_id && *m->correlation_id ? asker(r, m->correlation_id) : NULL;
	const char *type, *words, *name;
	enum og_state state;
	json_t *reply;

	if (!slot || og_json_parse(m->body, m->body_len, &reply, NULL) < 0)
		return;
	slot->question[0] = '\0';
	name = json_string_value(json_object_get(reply, "state"));
	if (og_answer_refused(reply, &type, &words))
		on_refused(slot, type, words);
	else if (name && og_state_parse(name, &state, NULL) == 0 && og_state_terminal(state))
		end(slot, state, json_object_get(reply, "result"));
	json_decref(reply);
}

void og_batch_message(void *ctx, const struct og_envelope *e, const struct og_message *m)
{
	struct og_batch_run *r = ctx;

	if (r->over)
		return;
	if (!strcmp(e->type, OG_T_RPC_REPLY))
		on_reply(r, m);
	else if (!strcmp(e->type, OG_T_RESPONSE))
		on_end(r, e, m);
	og_batch_soon(r);
}
