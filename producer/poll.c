#include "poll.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "ask.h"
#include "base/alloc.h"
#include "loop.h"
#include "model/json.h"
#include "model/names.h"

enum { SIGNAL_INT, SIGNAL_TERM, SIGNAL_WINCH, SIGNALS };
static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGWINCH};

struct round {
	const struct og_poll *poll;
	struct og_session *session;
	uv_timer_t next, late;
	uv_signal_t signals[SIGNALS];
	uv_poll_t input;
	bool up, over, has_input;
	unsigned open;
	char ids[OG_POLL_VERBS_MAX][OG_ID_LEN + 1];
	json_t *answers[OG_POLL_VERBS_MAX];
	enum og_exit exit;
	struct og_error why;
};

static void on_handle_closed(uv_handle_t *handle)
{
	((struct round *)handle->data)->open--;
}

static void on_session_closed(void *ctx)
{
	((struct round *)ctx)->open--;
}

static void forget_answers(struct round *r)
{
	for (size_t i = 0; i < r->poll->n; i++) {
		json_decref(r->answers[i]);
		r->answers[i] = NULL;
		r->ids[i][0] = '\0';
	}
}

static void finish(struct round *r, enum og_exit exit)
{
	if (r->over)
		return;
	r->over = true;
	r->exit = exit;
	uv_close((uv_handle_t *)&r->next, on_handle_closed);
	uv_close((uv_handle_t *)&r->late, on_handle_closed);
	for (size_t i = 0; i < SIGNALS; i++)
		uv_close((uv_handle_t *)&r->signals[i], on_handle_closed);
	if (r->has_input)
		uv_close((uv_handle_t *)&r->input, on_handle_closed);
	og_session_close(r->session, on_session_closed, r);
}

static void tell_away(struct round *r, const char *why)
{
	if (r->poll->on_away && !r->over)
		r->poll->on_away(r->poll->ctx, why);
}

static void ask_all(struct round *r);

static void on_next(uv_timer_t *timer)
{
	ask_all(timer->data);
}

static void on_late(uv_timer_t *timer)
{
	struct round *r = timer->data;

	tell_away(r, "no scheduler answers");
	ask_all(r);
}

static void ask_all(struct round *r)
{
	const struct og_poll *p = r->poll;

	forget_answers(r);
	if (!r->up)
		return;
	for (size_t i = 0; i < p->n; i++)
		og_session_ask(r->session, p->verbs[i], json_incref(p->bodies[i]), r->ids[i], NULL);
	uv_timer_start(&r->late, on_late, OG_ASK_MS, 0);
}

static void on_up(void *ctx)
{
	struct round *r = ctx;

	r->up = true;
	ask_all(r);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct round *r = ctx;

	r->up = false;
	uv_timer_stop(&r->next);
	uv_timer_stop(&r->late);
	tell_away(r, why->message);
}

static void on_over(void *ctx, enum og_exit exit, const struct og_error *why)
{
	struct round *r = ctx;

	r->why = *why;
	finish(r, exit);
}

static bool is_whole(const struct round *r)
{
	for (size_t i = 0; i < r->poll->n; i++)
		if (!r->answers[i])
			return false;
	return true;
}

static void on_whole(struct round *r)
{
	enum og_exit exit = OG_EXIT_ANSWERED;

	uv_timer_stop(&r->late);
	tell_away(r, NULL);
	if (!r->poll->on_answers(r->poll->ctx, r->answers, &exit))
		finish(r, exit);
	else
		uv_timer_start(&r->next, on_next, (uint64_t)r->poll->period_ms, 0);
}

/* What may be well the next moment is asked again; any other refusal would come again. */
static void on_refused(struct round *r, const char *type, const char *message)
{
	enum og_exit exit = og_answer_exit(type, OG_EXIT_FAILED);

	if (exit == OG_EXIT_BUSY) {
		tell_away(r, message);
		return;
	}
	og_fail(&r->why, OG_INVALID, "%s: %s", type, message);
	finish(r, exit);
}

static void on_message(void *ctx, const struct og_envelope *e, const struct og_message *m)
{
	struct round *r = ctx;
	const char *type, *message;
	json_t *answer;

	if (r->over || strcmp(e->type, OG_T_RPC_REPLY) != 0 || !m->correlation_id)
		return;
	for (size_t i = 0; i < r->poll->n; i++) {
		if (strcmp(m->correlation_id, r->ids[i]) != 0 || r->answers[i])
			continue;
		if (og_json_parse(m->body, m->body_len, &answer, NULL) < 0)
			return;
		if (og_answer_refused(answer, &type, &message)) {
			on_refused(r, type, message);
			json_decref(answer);
			return;
		}
		r->answers[i] = answer;
		if (is_whole(r))
			on_whole(r);
		return;
	}
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct round *r = handle->data;

	if (number != SIGWINCH)
		finish(r, OG_EXIT_ANSWERED);
	else if (r->poll->on_input && !r->poll->on_input(r->poll->ctx, true))
		finish(r, OG_EXIT_ANSWERED);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct round *r = handle->data;

	(void)events;
	if (status < 0 || !r->poll->on_input(r->poll->ctx, false))
		finish(r, OG_EXIT_ANSWERED);
}

static void start(struct round *r, uv_loop_t *loop)
{
	uv_timer_init(loop, &r->next);
	uv_timer_init(loop, &r->late);
	r->next.data = r->late.data = r;
	for (size_t i = 0; i < SIGNALS; i++) {
		uv_signal_init(loop, &r->signals[i]);
		r->signals[i].data = r;
		uv_signal_start(&r->signals[i], on_signal, numbers[i]);
	}
	r->open = 3 + SIGNALS;
	if (!r->poll->on_input || uv_poll_init(loop, &r->input, STDIN_FILENO) < 0)
		return;
	r->has_input = true;
	r->input.data = r;
	r->open++;
	uv_poll_start(&r->input, UV_READABLE, on_readable);
}

enum og_exit og_poll_run(const struct og_poll *poll, struct og_error *err)
{
	struct og_session_handler handler = {
		.on_up = on_up, .on_down = on_down, .on_message = on_message, .on_over = on_over};
	struct round r = {.poll = poll};
	struct og_session_config config;
	char user[OG_NAME_MAX];
	uv_loop_t *loop;
	int flags;

	if (og_cli_session(poll->cli, false, user, &config, err) < 0)
		return OG_EXIT_NOT_CONNECTED;
	handler.ctx = &r;
	loop = og_loop_new();
	r.session = og_session_open(loop, &config, &handler, err);
	if (!r.session) {
		og_loop_free(loop);
		return OG_EXIT_NOT_CONNECTED;
	}
	flags = fcntl(STDIN_FILENO, F_GETFL);
	start(&r, loop);
	og_loop_run(loop, &r.over, &r.open);
	if (r.has_input) /* libuv made it not block, for the shell too */
		fcntl(STDIN_FILENO, F_SETFL, flags);
	og_loop_free(loop);
	forget_answers(&r);
	if (r.why.kind)
		*err = r.why;
	return r.exit;
}
