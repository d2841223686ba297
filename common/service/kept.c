#include "service/kept.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "service/child.h"
#include "service/orphans.h"
#include "service/probe.h"

#define PROBE_MS    100
#define SETTLE_MS   60000
#define STEADY_MS   60000 /* one that ran so long starts afresh */
#define BACKOFF_MS  500
#define BACKOFF_CAP 30000

static const char *const state_names[] = {"waiting", "starting", "ready", "backoff", "stopping", "stopped"};

struct og_kept *og_kept_read(const char *root, const char *path, struct og_error *err)
{
	struct og_kept *k = og_new(struct og_kept);

	if (og_supervised_parse(path, &k->service, err) != 0) {
		free(k);
		return NULL;
	}
	k->path = og_strdup(path);
	k->log = og_printf("%s/logs/%s.log", root, k->service.name);
	k->backoff = (struct og_backoff){.base_ms = BACKOFF_MS, .cap_ms = BACKOFF_CAP};
	return k;
}

void og_kept_free(struct og_kept *k)
{
	if (!k)
		return;
	og_supervised_done(&k->service);
	free(k->path);
	free(k->log);
	free(k);
}

void og_kept_init(struct og_kept *k, uv_loop_t *loop, const char *root, const struct og_kept_events *events)
{
	k->loop = loop;
	k->root = root;
	k->events = events;
	uv_timer_init(loop, &k->timer);
	k->timer.data = k;
}

static void set_state(struct og_kept *k, enum og_kept_state state)
{
	uv_timer_stop(&k->timer);
	k->state = state;
	k->events->on_change(k->events->ctx);
}

static void settle(struct og_kept *k)
{
	k->settled = true;
	k->events->on_settled(k->events->ctx);
}

/* One that cannot start, or does not come up, must not keep the others from running for ever. */
static void settle_if_late(struct og_kept *k)
{
	if (k->settled || og_clock_mono_ms() - k->first_ms < SETTLE_MS)
		return;
	og_warn("service is not ready after a minute: the next is started all the same", "service=%s", k->service.name);
	settle(k);
}

/* Its earlier deaths no longer count against it. */
static void forgive(struct og_kept *k)
{
	og_backoff_reset(&k->backoff);
	k->in_a_row = 0;
}

static void on_backed_off(uv_timer_t *timer)
{
	struct og_kept *k = timer->data;

	k->restarts++;
	k->in_a_row++;
	og_kept_start(k);
}

static void back_off(struct og_kept *k)
{
	int64_t delay;

	if (og_clock_mono_ms() - k->started_ms >= STEADY_MS)
		forgive(k);
	delay = og_backoff_next(&k->backoff, og_random());
	og_warn("service ended by itself", "service=%s exit=%lld again_in_ms=%lld", k->service.name, (long long)k->exit,
		(long long)delay);
	set_state(k, OG_KEPT_BACKOFF);
	uv_timer_start(&k->timer, on_backed_off, (uint64_t)delay, 0);
	settle_if_late(k);
}

static void stopped(struct og_kept *k)
{
	set_state(k, OG_KEPT_STOPPED);
	k->events->on_stopped(k->events->ctx, k);
}

static void on_exited(void *ctx, int64_t status, int signal)
{
	struct og_kept *k = ctx;

	k->child = NULL;
	og_orphans_clear(k->root, k->service.name);
	k->exit = signal ? 128 + signal : status;
	if (uv_is_closing((uv_handle_t *)&k->timer))
		return;
	if (k->state == OG_KEPT_STOPPING)
		stopped(k);
	else
		back_off(k);
}

static void on_probe(uv_timer_t *timer)
{
	struct og_kept *k = timer->data;

	if (og_probe(k->service.ready)) {
		set_state(k, OG_KEPT_READY);
		settle(k);
	} else {
		settle_if_late(k);
	}
}

void og_kept_start(struct og_kept *k)
{
	struct og_error err = {0};

	k->started_ms = og_clock_mono_ms();
	k->started_wall_ms = og_clock_wall_ms();
	if (!k->first_ms)
		k->first_ms = k->started_ms;
	if (og_child_start(k->loop, &k->service, k->root, k->log, on_exited, k, &k->child, &err) != 0) {
		og_error_log(err.message, "service=%s", k->service.name);
		k->exit = 127;
		back_off(k);
		return;
	}
	og_orphans_note(k->root, k->service.name, og_child_pid(k->child));
	og_info("started", "service=%s pid=%d", k->service.name, og_child_pid(k->child));
	set_state(k, OG_KEPT_STARTING);
	if (*k->service.ready) {
		uv_timer_start(&k->timer, on_probe, 0, PROBE_MS);
	} else {
		set_state(k, OG_KEPT_READY);
		settle(k);
	}
}

void og_kept_wait(struct og_kept *k)
{
	k->again = false;
	forgive(k);
	set_state(k, OG_KEPT_WAITING);
}

static void on_stop_late(uv_timer_t *timer)
{
	struct og_kept *k = timer->data;

	og_warn("service did not stop when it was told to, and is killed", "service=%s", k->service.name);
	og_child_kill(k->child);
}

void og_kept_stop(struct og_kept *k)
{
	if (k->state == OG_KEPT_STOPPING || k->state == OG_KEPT_STOPPED)
		return;
	if (!k->child) {
		stopped(k);
		return;
	}
	set_state(k, OG_KEPT_STOPPING);
	og_child_terminate(k->child);
	uv_timer_start(&k->timer, on_stop_late, (uint64_t)k->service.stop_ms, 0);
}

void og_kept_end(struct og_kept *k)
{
	uv_close((uv_handle_t *)&k->timer, NULL);
	if (k->child)
		og_child_kill(k->child);
}

static void on_closed(uv_handle_t *h)
{
	og_kept_free(h->data);
}

void og_kept_forget(struct og_kept *k)
{
	uv_close((uv_handle_t *)&k->timer, on_closed);
}

json_t *og_kept_status(const struct og_kept *k)
{
	return json_pack("{s:s, s:s, s:i, s:I, s:i, s:i, s:I}", "name", k->service.name, "state", state_names[k->state],
		"pid", k->child ? (int)og_child_pid(k->child) : 0, "started_ms", (json_int_t)k->started_wall_ms,
		"restarts", (int)k->restarts, "in_a_row", (int)k->in_a_row, "exit", (json_int_t)k->exit);
}
