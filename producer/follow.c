#include <signal.h>

#include "base/alloc.h"
#include "follow_state.h"
#include "loop.h"
#include "model/names.h"

static const int caught[OG_FOLLOW_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

const struct og_follow_times og_follow_usual = {
	.silence_ms = 5000,
	.give_up_ms = 60000,
	.ask_ms = 10000,
	.again_ms = 500,
	.cancel_ms = 5000,
};

static void on_handle_closed(uv_handle_t *handle)
{
	((struct og_follow *)handle->data)->open--;
}

static void on_session_closed(void *ctx)
{
	((struct og_follow *)ctx)->open--;
}

void og_follow_finish(struct og_follow *f, enum og_exit exit)
{
	if (f->over)
		return;
	f->over = true;
	f->exit = exit;
	og_screen_settle(f->screen);
	for (size_t i = 0; i < OG_FOLLOW_TIMERS; i++)
		uv_close((uv_handle_t *)&f->timers[i], on_handle_closed);
	for (size_t i = 0; i < OG_COUNT(caught); i++)
		uv_close((uv_handle_t *)&f->signals[i], on_handle_closed);
	og_session_close(f->session, on_session_closed, f);
}

void og_follow_ask(struct og_follow *f, const char *verb, char id[static OG_ID_LEN + 1])
{
	if (f->up)
		og_session_ask(f->session, verb, json_pack("{s:s}", "id", f->job->id), id, NULL);
}

void og_follow_attach(struct og_follow *f)
{
	json_t *body;

	f->asked_from = og_display_next(&f->display);
	body = json_pack("{s:s, s:I}", "id", f->job->id, "from", (json_int_t)f->asked_from);
	if (f->up)
		og_session_ask(f->session, "attach", body, f->attach_id, NULL);
	else
		json_decref(body);
}

/* ── the request ── */

static void on_submitted(void *ctx, enum og_settled how)
{
	struct og_follow *f = ctx;

	if (f->over || how == OG_LOST)
		return;
	if (how == OG_NACKED) {
		og_screen_error(f->screen, "busy: the cluster takes no more prompts now; try again in a few seconds");
		og_follow_finish(f, OG_EXIT_BUSY);
		return;
	}
	if (how == OG_RETURNED) {
		og_screen_error(f->screen, "the cluster has no queue for prompts: `og-broker-config apply` makes it");
		og_follow_finish(f, OG_EXIT_NOT_CONNECTED);
		return;
	}
	f->confirmed = true;
	if (f->job->detach) {
		og_follow_finish(f, OG_EXIT_ANSWERED);
		return;
	}
	f->unanswered = 1;
	og_follow_arm(f, OG_FOLLOW_GIVE_UP, f->times->give_up_ms);
	og_follow_arm(f, OG_FOLLOW_ASK, f->times->silence_ms);
}

static void submit(struct og_follow *f)
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
		og_follow_finish(f, OG_EXIT_INTERNAL);
	}
}

/* ── stopping it ── */

void og_follow_cancel(struct og_follow *f, enum og_exit exit)
{
	f->cancelling = true;
	f->cancelled_exit = exit;
	og_screen_progress(f->screen, "cancelling");
	og_follow_arm(f, OG_FOLLOW_CANCEL, f->times->cancel_ms);
	og_follow_ask(f, "cancel", f->cancel_id);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct og_follow *f = handle->data;

	(void)number;
	if (!f->job->request) {
		og_screen_note(f->screen, "the job goes on: `og wait %s` waits for it again, `og cancel %s` ends it",
			f->job->id, f->job->id);
		og_follow_finish(f, OG_EXIT_INTERRUPTED);
	} else if (f->cancelling || f->job->detach) {
		og_screen_error(
			f->screen, "left before the cluster answered: the job may run (`og cancel %s`)", f->job->id);
		og_follow_finish(f, OG_EXIT_INTERRUPTED);
	} else if (!f->up && !f->confirmed) {
		og_follow_finish(f, OG_EXIT_CANCELLED);
	} else {
		og_follow_cancel(f, OG_EXIT_CANCELLED);
	}
}

/* ── the connection ── */

static void on_up(void *ctx)
{
	struct og_follow *f = ctx;

	f->up = true;
	if (f->job->request && !f->confirmed && !f->cancelling) {
		submit(f);
		return;
	}
	f->asking = true;
	f->unanswered = 0;
	og_follow_arm(f, OG_FOLLOW_ASK, 0);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct og_follow *f = ctx;

	f->up = false;
	uv_timer_stop(&f->timers[OG_FOLLOW_GIVE_UP]);
	uv_timer_stop(&f->timers[OG_FOLLOW_ASK]);
	og_screen_note(f->screen, "the connection was lost (%s): connecting again", why->message);
}

static void on_over(void *ctx, enum og_exit exit, const struct og_error *why)
{
	struct og_follow *f = ctx;

	og_screen_error(f->screen, "%s", why->message);
	if (f->confirmed)
		og_screen_note(f->screen, "the cluster has the job: `og wait %s`", f->job->id);
	og_follow_finish(f, exit);
}

/* ── time ── */

static void on_ask(struct og_follow *f)
{
	if (f->cancelling)
		og_follow_ask(f, "cancel", f->cancel_id);
	else if (f->asking && f->job->stream && !f->cannot_attach)
		og_follow_attach(f);
	else
		og_follow_ask(f, "result", f->result_id);
	if (*f->away)
		og_screen_progress(f->screen, "%s", f->away);
	else if (f->unanswered && !f->unknown)
		og_screen_progress(f->screen, "no scheduler answers yet: the job is kept by the cluster and waits");
	f->unanswered++;
	if (!uv_is_active((uv_handle_t *)&f->timers[OG_FOLLOW_GIVE_UP]))
		og_follow_arm(f, OG_FOLLOW_GIVE_UP, f->times->give_up_ms);
	og_follow_arm(f, OG_FOLLOW_ASK, f->times->ask_ms);
}

static void on_give_up(struct og_follow *f)
{
	/* One question may be out; with two, nobody has answered since. */
	if (*f->away && f->unanswered <= 1) {
		og_screen_error(f->screen, "busy: %s; `og wait %s` waits again", f->away, f->job->id);
		og_follow_finish(f, OG_EXIT_BUSY);
		return;
	}
	if (f->unknown) {
		og_screen_error(f->screen, "the scheduler does not know job %s: its record was lost", f->job->id);
		og_follow_finish(f, OG_EXIT_NOT_FOUND);
		return;
	}
	og_screen_error(f->screen,
		"no scheduler answers: `og status` on its machine says why; `og wait %s` waits again", f->job->id);
	og_follow_finish(f, OG_EXIT_NOT_CONNECTED);
}

static void on_timeout(struct og_follow *f)
{
	if (f->cancelling)
		return;
	if (f->job->request && (f->confirmed || f->up)) {
		og_screen_note(f->screen, "no answer in time: cancelling");
		og_follow_cancel(f, OG_EXIT_EXPIRED);
		return;
	}
	og_screen_error(f->screen, "no answer in time%s", f->job->request ? "" : ": the job goes on");
	og_follow_finish(f, f->job->request ? OG_EXIT_EXPIRED : OG_EXIT_PENDING);
}

static void on_timer(uv_timer_t *timer)
{
	struct og_follow *f = timer->data;

	switch (timer - f->timers) {
	case OG_FOLLOW_ASK:
		on_ask(f);
		break;
	case OG_FOLLOW_GIVE_UP:
		on_give_up(f);
		break;
	case OG_FOLLOW_TIMEOUT:
		on_timeout(f);
		break;
	case OG_FOLLOW_CANCEL:
		og_screen_error(f->screen, "the cancel was not answered: the job may run (`og cancel %s`)", f->job->id);
		og_follow_finish(f, f->cancelled_exit == OG_EXIT_CANCELLED ? OG_EXIT_INTERRUPTED : f->cancelled_exit);
		break;
	case OG_FOLLOW_SPINNER:
		og_screen_tick(f->screen);
		break;
	}
}

void og_follow_arm(struct og_follow *f, int which, int64_t ms)
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

static void start(struct og_follow *f, uv_loop_t *loop)
{
	for (size_t i = 0; i < OG_FOLLOW_TIMERS; i++) {
		uv_timer_init(loop, &f->timers[i]);
		f->timers[i].data = f;
	}
	for (size_t i = 0; i < OG_COUNT(caught); i++) {
		uv_signal_init(loop, &f->signals[i]);
		f->signals[i].data = f;
		if (!is_ignored(caught[i]))
			uv_signal_start(&f->signals[i], on_signal, caught[i]);
	}
	f->open = OG_FOLLOW_TIMERS + OG_FOLLOW_SIGNALS + 1;
	if (f->job->timeout_ms)
		og_follow_arm(f, OG_FOLLOW_TIMEOUT, f->job->timeout_ms);
	if (f->screen->err_tty)
		uv_timer_start(&f->timers[OG_FOLLOW_SPINNER], on_timer, OG_SPINNER_PERIOD_MS, OG_SPINNER_PERIOD_MS);
}

enum og_exit og_follow(uv_loop_t *loop, const struct og_session_config *session, const struct og_follow_job *job,
	const struct og_follow_times *times, struct og_screen *screen)
{
	struct og_session_handler handler = {
		.on_up = on_up, .on_down = on_down, .on_message = og_follow_message, .on_over = on_over};
	struct og_follow f = {.job = job, .times = times, .screen = screen};
	struct og_error err;

	handler.ctx = &f;
	f.session = og_session_open(loop, session, &handler, &err);
	if (!f.session) {
		og_screen_error(screen, "%s", err.message);
		return OG_EXIT_USAGE;
	}
	og_display_init(&f.display, screen, job->id, job->stream, job->json);
	start(&f, loop);
	og_loop_run(loop, &f.over, &f.open);
	og_display_done(&f.display);
	return f.exit;
}
