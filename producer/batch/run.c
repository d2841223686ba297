#include "batch/run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "batch/run_state.h"
#include "loop.h"

#define TICK_MS  250
#define LINE_CAP (OG_BODY_MAX + 64u * 1024)

static const int caught[OG_BATCH_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

const struct og_batch_times og_batch_usual = {
	.ask_ms = 30000,
	.capacity_ms = 600000,
	.report_ms = 10000,
};

static void on_handle_closed(uv_handle_t *handle)
{
	((struct og_batch_run *)handle->data)->open--;
}

static void on_session_closed(void *ctx)
{
	((struct og_batch_run *)ctx)->open--;
}

static void close_handle(uv_handle_t *handle)
{
	uv_close(handle, on_handle_closed);
}

void og_batch_finish(struct og_batch_run *r, enum og_exit exit)
{
	if (r->over)
		return;
	r->over = true;
	r->exit = exit;
	og_screen_settle(r->screen);
	close_handle((uv_handle_t *)&r->turn);
	close_handle((uv_handle_t *)&r->tick);
	for (size_t i = 0; i < OG_BATCH_SIGNALS; i++)
		close_handle((uv_handle_t *)&r->signals[i]);
	if (r->polled)
		close_handle((uv_handle_t *)&r->input);
	if (r->session)
		og_session_close(r->session, on_session_closed, r);
}

void og_batch_broken(struct og_batch_run *r, const struct og_error *err)
{
	if (!r->over)
		og_screen_error(r->screen, "%s", err->message);
	og_batch_finish(r, OG_EXIT_INTERNAL);
}

void og_batch_drop(struct og_slot *slot)
{
	struct og_batch_run *r = slot->run;

	r->used--;
	r->flying_bytes -= slot->request.body_len;
	og_batch_request_done(&slot->request);
	slot->state = OG_SLOT_FREE;
}

/* ── the connection ── */

/* What was on its way is asked for under the new reply key: by sending it again, which starts nothing twice. */
static void on_up(void *ctx)
{
	struct og_batch_run *r = ctx;

	r->up = true;
	r->full = false;
	for (int64_t i = 0; i < r->batch->window; i++)
		if (r->slots[i].state == OG_SLOT_FLYING)
			r->slots[i].state = OG_SLOT_READY;
	if (r->stopping)
		og_batch_send_ready(r);
	og_batch_soon(r);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct og_batch_run *r = ctx;

	r->up = false;
	og_screen_note(r->screen, "the connection was lost (%s): connecting again", why->message);
}

static void on_over(void *ctx, enum og_exit exit, const struct og_error *why)
{
	struct og_batch_run *r = ctx;

	og_screen_error(r->screen, "%s", why->message);
	og_batch_finish(r, exit);
}

/* Not before there is something to send: a pipe may say nothing for long, and a million lines may have been answered
 * before. */
static void connect_once(struct og_batch_run *r)
{
	struct og_session_handler handler = {
		.on_up = on_up, .on_down = on_down, .on_message = og_batch_message, .on_over = on_over, .ctx = r};
	struct og_error err;

	if (r->session || r->over || !r->used)
		return;
	r->session = og_session_open(r->turn.loop, r->config, &handler, &err);
	if (r->session) {
		r->open++;
		return;
	}
	og_screen_error(r->screen, "%s", err.message);
	og_batch_finish(r, OG_EXIT_USAGE);
}

/* ── a turn ── */

static unsigned count_flying(const struct og_batch_run *r)
{
	unsigned n = 0;

	for (int64_t i = 0; i < r->batch->window; i++)
		n += r->slots[i].state == OG_SLOT_FLYING;
	return n;
}

static bool is_paused(const struct og_batch_run *r)
{
	return (int64_t)uv_now(r->turn.loop) < r->pace.until_ms;
}

static void on_turn(uv_timer_t *timer)
{
	struct og_batch_run *r = timer->data;

	if (r->stopping) {
		if (!count_flying(r))
			og_batch_finish(r, OG_EXIT_INTERRUPTED);
		return;
	}
	if (is_paused(r))
		return;
	og_batch_take_lines(r);
	connect_once(r);
	og_batch_send_ready(r);
	if (r->input_over && !r->used)
		og_batch_finish(r, r->batch->files->failed ? OG_EXIT_FAILED : OG_EXIT_ANSWERED);
}

void og_batch_soon(struct og_batch_run *r)
{
	if (!r->over)
		uv_timer_start(&r->turn, on_turn, 0, 0);
}

/* ── time ── */

static void report(struct og_batch_run *r)
{
	og_autofree char *words = NULL;
	int64_t now = (int64_t)uv_now(r->turn.loop);

	if (!r->screen->err_tty && now - r->reported_ms < r->times->report_ms)
		return;
	r->reported_ms = now;
	r->progress.lines = r->counts.lines;
	r->progress.bytes = r->lines.offset;
	r->progress.done_here = r->counts.answered + r->counts.failed;
	r->progress.done = r->progress.done_here + r->counts.skipped;
	r->progress.failed = r->counts.failed;
	r->progress.flying = count_flying(r);
	words = og_progress_words(&r->progress, now, r->screen->err_tty);
	og_screen_progress(r->screen, "%s%s%s", words, *r->trouble ? "; " : "", r->trouble);
}

static void on_tick(uv_timer_t *timer)
{
	struct og_batch_run *r = timer->data;

	report(r);
	og_screen_tick(r->screen);
	og_batch_ask_silent(r);
	og_batch_soon(r);
}

/* ── signals ── */

static void on_signal(uv_signal_t *handle, int number)
{
	struct og_batch_run *r = handle->data;
	unsigned flying = count_flying(r);

	(void)number;
	if (r->stopping) {
		og_screen_note(r->screen, "left: the cluster ends what is on its way, and the same command goes on");
		og_batch_finish(r, OG_EXIT_INTERRUPTED);
		return;
	}
	r->stopping = true;
	og_screen_note(r->screen, "stopping: waiting for %u that are on their way; again to leave at once", flying);
	og_batch_soon(r);
}

/* As nohup, or a shell without job control, has it. */
static bool is_ignored(int number)
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static void start(struct og_batch_run *r, uv_loop_t *loop)
{
	uv_timer_init(loop, &r->turn);
	uv_timer_init(loop, &r->tick);
	r->turn.data = r->tick.data = r;
	for (size_t i = 0; i < OG_BATCH_SIGNALS; i++) {
		uv_signal_init(loop, &r->signals[i]);
		r->signals[i].data = r;
		if (!is_ignored(caught[i]))
			uv_signal_start(&r->signals[i], on_signal, caught[i]);
	}
	r->open = 2 + OG_BATCH_SIGNALS;
	/* A file cannot be polled, and need not be: it is always there. */
	if (!r->batch->size && uv_poll_init(loop, &r->input, r->batch->input) == 0) {
		r->polled = true;
		r->input.data = r;
		r->open++;
	}
	r->reported_ms = r->progress.began_ms = (int64_t)uv_now(loop);
	r->progress.size = r->batch->size;
	uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS);
}

static void free_slots(struct og_batch_run *r)
{
	for (int64_t i = 0; i < r->batch->window; i++)
		og_batch_request_done(&r->slots[i].request);
	free(r->slots);
}

enum og_exit og_batch_run(uv_loop_t *loop, const struct og_session_config *session, const struct og_batch *batch,
	const struct og_batch_times *times, struct og_screen *screen, struct og_batch_counts *ret)
{
	struct og_batch_run r = {.batch = batch, .times = times, .screen = screen, .config = session};
	int flags = fcntl(batch->input, F_GETFL);

	og_lines_init(&r.lines, batch->input, LINE_CAP);
	og_pace_init(&r.pace);
	r.slots = og_alloc((size_t)batch->window * sizeof(*r.slots));
	for (int64_t i = 0; i < batch->window; i++)
		r.slots[i].run = &r;
	start(&r, loop);
	og_loop_run(loop, &r.over, &r.open);
	if (r.polled) /* libuv made it not block, for whoever else has it too */
		fcntl(batch->input, F_SETFL, flags);
	og_lines_done(&r.lines);
	free_slots(&r);
	*ret = r.counts;
	return r.exit;
}
