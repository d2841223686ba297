/* What comes about a followed job: its messages, and the answers to what was asked about it. */
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "follow_state.h"
#include "model/json.h"
#include "model/names.h"

/* So often somebody else's job may be unknown before we believe it. */
#define UNKNOWN_MAX 3

static void heard(struct og_follow *f)
{
	if (f->over)
		return;
	f->unanswered = 0;
	f->away[0] = '\0';
	uv_timer_stop(&f->timers[OG_FOLLOW_GIVE_UP]);
	if (!f->asking && !f->cancelling)
		uv_timer_stop(&f->timers[OG_FOLLOW_ASK]);
}

static void end(struct og_follow *f, enum og_state state, const json_t *result, const struct og_envelope *e)
{
	enum og_exit exit;

	if (!og_display_end(&f->display, state, result, e, &exit))
		return;
	og_follow_finish(f, exit == OG_EXIT_CANCELLED && f->cancelling ? f->cancelled_exit : exit);
}

static void on_done(struct og_follow *f, const struct og_envelope *e, const struct og_message *m)
{
	enum og_state state;
	json_t *result;

	if (og_state_parse(e->state, &state, NULL) < 0 || !og_state_terminal(state))
		return;
	if (og_json_parse(m->body, m->body_len, &result, NULL) < 0)
		result = json_object();
	end(f, state, result, e);
	json_decref(result);
}

static void on_chunk(struct og_follow *f, const struct og_envelope *e, const struct og_message *m)
{
	og_display_chunk(&f->display, e, m->body, m->body_len);
	if (f->screen->gone && !f->cancelling && f->job->request)
		og_follow_cancel(f, OG_EXIT_INTERNAL);
}

/* A job that nobody knows (yet), or whose record cannot be read just now, is asked for again soon. That says nothing of the
 * job: the time to give up, and to have a cancel answered, goes on. */
static void on_refused(struct og_follow *f, const char *type, const char *message, bool of_cancel)
{
	bool away = !strcmp(type, "busy");

	if (!away && strcmp(type, "not_found") != 0) {
		og_screen_error(f->screen, "%s: %s (job %s)", type, message, f->job->id);
		og_follow_finish(f, og_answer_exit(type, OG_EXIT_FAILED));
	} else if (!away && !of_cancel && ++f->unknown >= UNKNOWN_MAX && !f->job->request) {
		og_screen_error(f->screen, "no job %s: it never was, or its record has expired", f->job->id);
		og_follow_finish(f, OG_EXIT_NOT_FOUND);
	} else {
		snprintf(f->away, sizeof(f->away), "%s", away ? message : "");
		f->unanswered = 0;
		og_follow_arm(f, OG_FOLLOW_ASK, f->times->again_ms);
	}
}

/* The state that an answer tells of the job. */
static void on_state(struct og_follow *f, enum og_state state, const json_t *answer, bool of_cancel)
{
	json_t *result = json_object_get(answer, "result");

	heard(f);
	if (!og_state_terminal(state)) {
		if (!of_cancel && !f->cancelling && !og_display_next(&f->display))
			og_screen_progress(f->screen, "%s", og_state_name(state));
		return;
	}
	if (!of_cancel) {
		end(f, state, result, NULL);
	} else if (state == OG_STATE_CANCELLED) {
		result = json_pack("{s:{s:s, s:s}}", "error", "type", "cancelled", "message", "as you asked");
		end(f, state, result, NULL);
		json_decref(result);
	} else {
		og_follow_ask(f, "result", f->result_id);
	}
}

/* What is missing was asked for as a chunk's number of the attempt that is shown; where another one runs by now, that
 * was the wrong number. */
static void on_attached(struct og_follow *f, const json_t *answer)
{
	int64_t attempt = json_integer_value(json_object_get(answer, "attempt"));

	if (og_display_attempt(&f->display, attempt) && f->asked_from > 0)
		og_follow_attach(f);
}

static void on_answer(struct og_follow *f, const struct og_message *m)
{
	bool of_result = !strcmp(m->correlation_id, f->result_id), of_cancel = !strcmp(m->correlation_id, f->cancel_id);
	bool of_attach = !strcmp(m->correlation_id, f->attach_id);
	const char *name, *type, *message;
	enum og_state state;
	json_t *answer;

	if (!of_result && !of_cancel && !of_attach && strcmp(m->correlation_id, f->wait_id) != 0)
		return;
	if (og_json_parse(m->body, m->body_len, &answer, NULL) < 0)
		return;
	name = json_string_value(json_object_get(answer, "state"));
	if (og_answer_refused(answer, &type, &message)) {
		if (of_attach && (!strcmp(type, "invalid_request") || !strcmp(type, "busy"))) {
			f->cannot_attach = true; /* nor as one more of many who wait for it: its end will do */
			og_follow_arm(f, OG_FOLLOW_ASK, 0);
		} else {
			on_refused(f, type, message, of_cancel);
		}
	} else if (name && og_state_parse(name, &state, NULL) == 0) {
		on_state(f, state, answer, of_cancel);
		if (of_attach && !f->over)
			on_attached(f, answer);
		/* Not ended: have it told when it does. */
		if (of_result && !f->over)
			og_follow_ask(f, "wait", f->wait_id);
	}
	json_decref(answer);
}

void og_follow_message(void *ctx, const struct og_envelope *e, const struct og_message *m)
{
	struct og_follow *f = ctx;

	if (!strcmp(e->type, OG_T_RPC_REPLY)) {
		if (m->correlation_id)
			on_answer(f, m);
		return;
	}
	if (!e->id || strcmp(e->id, f->job->id) != 0)
		return;
	heard(f);
	if (!strcmp(e->type, OG_T_CHUNK))
		on_chunk(f, e, m);
	else if (!strcmp(e->type, OG_T_RESPONSE))
		on_done(f, e, m);
	else if (!strcmp(e->type, OG_T_STARTED) && !f->cancelling)
		og_display_started(&f->display, e);
	else if (!strcmp(e->type, OG_T_PLACED) && !f->cancelling)
		og_display_placed(&f->display, e);
}
