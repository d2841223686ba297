#include "follow.h"

#include <signal.h>
#include <string.h>

#include "answer.h"
#include "base/alloc.h"
#include "display.h"
#include "model/json.h"
#include "model/names.h"

enum { ASK, GIVE_UP, TIMEOUT, CANCEL, SPINNER, TIMERS };
static const int caught[] = {SIGINT, SIGTERM, SIGHUP};

/* So often somebody else's job may be unknown before we believe it. */
#define UNKNOWN_MAX 3

const struct og_follow_times og_follow_usual = {
	.silence_ms = 5000,
	.give_up_ms = 60000,
	.ask_ms = 10000,
	.again_ms = 500,
	.cancel_ms = 5000,
};

struct follow {
	const struct og_follow_job *job;
	const struct og_follow_times *times;
	struct og_screen *screen;
	struct og_session *session;
	struct og_display display;
	uv_timer_t timers[TIMERS];
	uv_signal_t signals[OG_COUNT(caught)];
	char result_id[OG_ID_LEN + 1], wait_id[OG_ID_LEN + 1], cancel_id[OG_ID_LEN + 1]; /* of questions that are out */
	bool up, confirmed;
	bool asking; /* the job's messages do not reach us by themselves: an earlier job, or an earlier connection */
	unsigned unanswered; /* questions, the request itself being one */
	int unknown;         /* answers that nobody knows the job */
	bool cancelling, over;
	unsigned open;               /* handles and the session */
	enum og_exit cancelled_exit; /* what a cancel that succeeds ends with */
	enum og_exit exit;           /* valid when over */
};

static void on_handle_closed(uv_handle_t *handle)
{
	((struct follow *)handle->data)->open--;
}

static void on_session_closed(void *ctx)
{
	((struct follow *)ctx)->open--;
}

static void finish(struct follow *f, enum og_exit exit)
{
	if (f->over)
		return;
	f->over = true;
	f->exit = exit;
	og_screen_settle(f->screen);
	for (size_t i = 0; i < TIMERS; i++)
		uv_close((uv_handle_t *)&f->timers[i], on_handle_closed);
	for (size_t i = 0; i < OG_COUNT(caught); i++)
		uv_close((uv_handle_t *)&f->signals[i], on_handle_closed);
	og_session_close(f->session, on_session_closed, f);
}

static void arm(struct follow *f, int which, int64_t ms);

/* Asks the scheduler; what cannot be sent now is asked again by the timers. */
static void ask(struct follow *f, const char *verb, char id[static OG_ID_LEN + 1])
{
	if (f->up)
		og_session_ask(f->session, verb, json_pack("{s:s}", "id", f->job->id), id, NULL);
}

static void heard(struct follow *f)
{
	if (f->over)
		return;
	f->unanswered = 0;
	uv_timer_stop(&f->timers[GIVE_UP]);
	if (!f->asking && !f->cancelling)
		uv_timer_stop(&f->timers[ASK]);
}

/* ── the request ── */

static void on_submitted(void *ctx, enum og_settled how)
{
	struct follow *f = ctx;

	if (f->over || how == OG_LOST)
		return;
	if (how == OG_NACKED) {
		og_screen_error(f->screen, "busy: the cluster takes no more prompts now; try again in a few seconds");
		finish(f, OG_EXIT_BUSY);
		return;
	}
	if (how == OG_RETURNED) {
		og_screen_error(f->screen, "the cluster has no queue for prompts: `og-broker-config apply` makes it");
		finish(f, OG_EXIT_NOT_CONNECTED);
		return;
	}
	f->confirmed = true;
	if (f->job->detach) {
		finish(f, OG_EXIT_ANSWERED);
		return;
	}
	f->unanswered = 1;
	arm(f, GIVE_UP, f->times->give_up_ms);
	arm(f, ASK, f->times->silence_ms);
}

static void submit(struct follow *f)
{
	struct og_envelope e = *f->job->request;
	struct og_message m = {.exchange = OG_X_JOBS,
		.routing_key = OG_K_INTAKE,
		.persistent = true,
		.body = f->job->body,
		.body_len = f->job->body_len};
	struct og_error err;

	e.reply_to = og_session_reply(f->session);
	og_envelope_encode(&e, &m);
	if (og_session_publish(f->session, &m, on_submitted, f, &err) < 0) {
		og_screen_error(f->screen, "%s", err.message);
		finish(f, OG_EXIT_INTERNAL);
	}
}

/* ── stopping it ── */

static void cancel(struct follow *f, enum og_exit exit)
{
	f->cancelling = true;
	f->cancelled_exit = exit;
	og_screen_progress(f->screen, "cancelling");
	arm(f, CANCEL, f->times->cancel_ms);
	ask(f, "cancel", f->cancel_id);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct follow *f = handle->data;

	(void)number;
	if (!f->job->request) {
		og_screen_note(f->screen, "the job goes on: `og wait %s` waits for it again, `og cancel %s` ends it",
			f->job->id, f->job->id);
		finish(f, OG_EXIT_INTERRUPTED);
	} else if (f->cancelling || f->job->detach) {
		og_screen_error(
			f->screen, "left before the cluster answered: the job may run (`og cancel %s`)", f->job->id);
		finish(f, OG_EXIT_INTERRUPTED);
	} else if (!f->up && !f->confirmed) {
		finish(f, OG_EXIT_CANCELLED);
	} else {
		cancel(f, OG_EXIT_CANCELLED);
	}
}

/* ── what comes ── */

static void end(struct follow *f, enum og_state state, const json_t *result, const struct og_envelope *e)
{
	enum og_exit exit;

	if (!og_display_end(&f->display, state, result, e, &exit))
		return;
	finish(f, exit == OG_EXIT_CANCELLED && f->cancelling ? f->cancelled_exit : exit);
}

static void on_done(struct follow *f, const struct og_envelope *e, const struct og_message *m)
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

static void on_chunk(struct follow *f, const struct og_envelope *e, const struct og_message *m)
{
	og_display_chunk(&f->display, e, m->body, m->body_len);
	if (f->screen->gone && !f->cancelling && f->job->request)
		cancel(f, OG_EXIT_INTERNAL);
}

/* A job that nobody knows (yet) is asked for again soon. */
static void on_refused(struct follow *f, const char *type, const char *message, bool of_cancel)
{
	if (strcmp(type, "not_found") != 0) {
		og_screen_error(f->screen, "%s: %s (job %s)", type, message, f->job->id);
		finish(f, og_answer_exit(type, OG_EXIT_FAILED));
	} else if (!of_cancel && ++f->unknown >= UNKNOWN_MAX && !f->job->request) {
		og_screen_error(f->screen, "no job %s: it never was, or its record has expired", f->job->id);
		finish(f, OG_EXIT_NOT_FOUND);
	} else {
		arm(f, ASK, f->times->again_ms);
	}
}

/* The state that an answer tells of the job. */
static void on_state(struct follow *f, enum og_state state, const json_t *answer, bool of_cancel)
{
	json_t *result = json_object_get(answer, "result");

	heard(f);
	if (!og_state_terminal(state)) {
		if (!of_cancel && !f->cancelling)
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
		ask(f, "result", f->result_id);
	}
}

static void on_answer(struct follow *f, const struct og_message *m)
{
	bool of_result = !strcmp(m->correlation_id, f->result_id), of_cancel = !strcmp(m->correlation_id, f->cancel_id);
	const char *name, *type, *message;
	enum og_state state;
	json_t *answer;

	if (!of_result && !of_cancel && strcmp(m->correlation_id, f->wait_id) != 0)
		return;
	if (og_json_parse(m->body, m->body_len, &answer, NULL) < 0)
		return;
	name = json_string_value(json_object_get(answer, "state"));
	if (og_answer_refused(answer, &type, &message)) {
		on_refused(f, type, message, of_cancel);
	} else if (name && og_state_parse(name, &state, NULL) == 0) {
		on_state(f, state, answer, of_cancel);
		/* Not ended: have it told when it does. */
		if (of_result && !f->over)
			ask(f, "wait", f->wait_id);
	}
	json_decref(answer);
}

static void on_message(void *ctx, const struct og_envelope *e, const struct og_message *m)
{
	struct follow *f = ctx;

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

/* ── the connection ── */

static void on_up(void *ctx)
{
	struct follow *f = ctx;

	f->up = true;
	if (f->job->request && !f->confirmed && !f->cancelling) {
		submit(f);
		return;
	}
	f->asking = true;
	f->unanswered = 0;
	arm(f, ASK, 0);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct follow *f = ctx;

	f->up = false;
	uv_timer_stop(&f->timers[GIVE_UP]);
	uv_timer_stop(&f->timers[ASK]);
	og_screen_note(f->screen, "the connection was lost (%s): connecting again", why->message);
}

static void on_over(void *ctx, enum og_exit exit, const struct og_error *why)
{
	struct follow *f = ctx;

	og_screen_error(f->screen, "%s", why->message);
	if (f->confirmed)
		og_screen_note(f->screen, "the cluster has the job: `og wait %s`", f->job->id);
	finish(f, exit);
}

/* ── time ── */

static void on_ask(struct follow *f)
{
	if (f->cancelling)
		ask(f, "cancel", f->cancel_id);
	else
		ask(f, "result", f->result_id);
	if (f->unanswered && !f->unknown)
		og_screen_progress(f->screen, "no scheduler answers yet: the job is kept by the cluster and waits");
	f->unanswered++;
	if (!uv_is_active((uv_handle_t *)&f->timers[GIVE_UP]))
		arm(f, GIVE_UP, f->times->give_up_ms);
	arm(f, ASK, f->times->ask_ms);
}

static void on_give_up(struct follow *f)
{
	if (f->unknown) {
		og_screen_error(f->screen, "the scheduler does not know job %s: its record was lost", f->job->id);
		finish(f, OG_EXIT_NOT_FOUND);
		return;
	}
	og_screen_error(f->screen,
		"no scheduler answers: `og status` on its machine says why; `og wait %s` waits again", f->job->id);
	finish(f, OG_EXIT_NOT_CONNECTED);
}

static void on_timeout(struct follow *f)
{
	if (f->cancelling)
		return;
	if (f->job->request && (f->confirmed || f->up)) {
		og_screen_note(f->screen, "no answer in time: cancelling");
		cancel(f, OG_EXIT_EXPIRED);
		return;
	}
	og_screen_error(f->screen, "no answer in time%s", f->job->request ? "" : ": the job goes on");
	finish(f, f->job->request ? OG_EXIT_EXPIRED : OG_EXIT_PENDING);
}

static void on_timer(uv_timer_t *timer)
{
	struct follow *f = timer->data;

	switch (timer - f->timers) {
	case ASK:
		on_ask(f);
		break;
	case GIVE_UP:
		on_give_up(f);
		break;
	case TIMEOUT:
		on_timeout(f);
		break;
	case CANCEL:
		og_screen_error(f->screen, "the cancel was not answered: the job may run (`og cancel %s`)", f->job->id);
		finish(f, f->cancelled_exit == OG_EXIT_CANCELLED ? OG_EXIT_INTERRUPTED : f->cancelled_exit);
		break;
	case SPINNER:
		og_screen_tick(f->screen);
		break;
	}
}

static void arm(struct follow *f, int which, int64_t ms)
{
	if (!f->over)
		uv_timer_start(&f->timers[which], on_timer, (uint64_t)ms, 0);
}

/* As nohup, or a shell without job control, has it. */
static bool is_ignored(int number)
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static void start(struct follow *f, uv_loop_t *loop)
{
	for (size_t i = 0; i < TIMERS; i++) {
		uv_timer_init(loop, &f->timers[i]);
		f->timers[i].data = f;
	}
	for (size_t i = 0; i < OG_COUNT(caught); i++) {
		uv_signal_init(loop, &f->signals[i]);
		f->signals[i].data = f;
		if (!is_ignored(caught[i]))
			uv_signal_start(&f->signals[i], on_signal, caught[i]);
	}
	f->open = TIMERS + OG_COUNT(caught) + 1;
	if (f->job->timeout_ms)
		arm(f, TIMEOUT, f->job->timeout_ms);
	if (f->screen->err_tty)
		uv_timer_start(&f->timers[SPINNER], on_timer, OG_SPINNER_PERIOD_MS, OG_SPINNER_PERIOD_MS);
}

enum og_exit og_follow(uv_loop_t *loop, const struct og_session_config *session, const struct og_follow_job *job,
	const struct og_follow_times *times, struct og_screen *screen)
{
	struct og_session_handler handler = {
		.on_up = on_up, .on_down = on_down, .on_message = on_message, .on_over = on_over};
	struct follow f = {.job = job, .times = times, .screen = screen};
	struct og_error err;

	handler.ctx = &f;
	f.session = og_session_open(loop, session, &handler, &err);
	if (!f.session) {
		og_screen_error(screen, "%s", err.message);
		return OG_EXIT_USAGE;
	}
	og_display_init(&f.display, screen, job->id, job->stream, job->json);
	start(&f, loop);
	while (f.open)
		uv_run(loop, UV_RUN_ONCE);
	og_display_done(&f.display);
	return f.exit;
}
