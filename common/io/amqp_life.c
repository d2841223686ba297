/* librabbitmq is our codec and no more: its sockets block (a publish or a login can hang for ever), its RPCs lose
 * frames, its TLS check of the host name is wrong in the version that Debian has. What moves bytes here is libuv, in
 * amqp_stream.c.
 *
 * Two rules keep it simple. A connection is lost in one place only (lose), from the loop, never while frames are
 * being read: so callbacks may do what they like. And what is said is gathered, and written once an iteration of the
 * loop (on_prepare): so a burst of publishes and acks is one write. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/amqp_rabbit.h"

#define BACKOFF_BASE_MS  200
#define BACKOFF_CAP_MS   10000
#define STEADY_MS        10000 /* a connection that lasted so long was a success */
#define NEXT_ENDPOINT_MS 50
#define LOCKED_MS        1000          /* how often an exclusive queue is asked for */
#define OUT_HIGH         (256u * 1024) /* bytes on their way to the kernel beyond which publishes wait in the window */
#define TICKS            8             /* of a heartbeat */

static const struct og_stream_events stream_events;

static void on_timer(uv_timer_t *timer);

static int64_t now(const struct og_rabbit *c)
{
	return (int64_t)uv_now(c->loop);
}

void og_rabbit_deadline(struct og_rabbit *c, int64_t ms)
{
	uv_timer_start(&c->timer, on_timer, (uint64_t)ms, 0);
}

void og_rabbit_no_deadline(struct og_rabbit *c)
{
	uv_timer_stop(&c->timer);
}

/* the end */

static void one_closed(struct og_rabbit *c)
{
	void (*cb)(void *) = c->on_closed;
	void *ctx = c->closed_ctx;

	if (--c->handles)
		return;
	og_frames_done(&c->frames);
	og_recipe_done(&c->recipe);
	og_acks_done(&c->acks);
	og_parts_clear(&c->parts);
	SSL_CTX_free(c->tls);
	free(c->vhost);
	free(c->user);
	free(c->password);
	free(c->name);
	free(c);
	if (cb)
		cb(ctx);
}

static void on_handle_closed(uv_handle_t *handle)
{
	one_closed(handle->data);
}

static void on_stream_closed(void *ctx)
{
	one_closed(ctx);
}

static void drop_stream(struct og_rabbit *c)
{
	struct og_stream *s = OG_TAKE(c->stream);

	if (s)
		og_stream_close(s, on_stream_closed, c);
}

static void finish(struct og_rabbit *c)
{
	c->state = OG_RABBIT_GONE;
	og_window_close(&c->window);
	uv_close((uv_handle_t *)&c->timer, on_handle_closed);
	uv_close((uv_handle_t *)&c->beat, on_handle_closed);
	uv_close((uv_handle_t *)&c->prepare, on_handle_closed);
	drop_stream(c);
}

/* A broker drops its confirms when it is told goodbye, and may drop the publishes too. */
void og_rabbit_leave(struct og_rabbit *c)
{
	if (c->window.count && !c->blocked)
		return;
	og_rabbit_say_close(c);
	c->state = OG_RABBIT_CLOSING;
}

/* losing a connection */

static void tell_writable(struct og_rabbit *c)
{
	if (c->on_writable && c->state < OG_RABBIT_LEAVING && og_window_room_again(&c->window))
		c->on_writable(c->writable_ctx);
}

static void tell_down(struct og_rabbit *c, const struct og_error *why)
{
	struct og_error told = *why;

	og_fail_in(&told, "broker %s", c->endpoint);
	if (c->blocked && c->state == OG_RABBIT_DOWN && c->events.on_blocked)
		c->events.on_blocked(c->events.ctx, false, "");
	c->blocked = false;
	if (c->state == OG_RABBIT_DOWN && c->events.on_down)
		c->events.on_down(c->events.ctx, &told);
}

/* A publish that closes the channel would close each next one too, as it is published again. Where it was alone on
 * its way it is known, and has its answer; else those that are suspected go out one by one next time. */
static void restart_window(struct og_rabbit *c)
{
	struct og_window *w = &c->window;
	unsigned again;

	if (c->publish_refused && w->next - w->head == 1)
		og_window_settle(w, w->head, false, OG_NACKED);
	again = og_window_restart(w, c->republish);
	c->suspects = c->publish_refused ? again : 0;
	c->publish_refused = false;
}

static int64_t delay_of(struct og_rabbit *c, enum og_kind kind, bool was_steady)
{
	uint32_t random = og_random();

	if (kind == OG_BUSY)
		return LOCKED_MS * 3 / 4 + random % (LOCKED_MS / 2);
	if (was_steady)
		og_backoff_reset(&c->backoff);
	if (!og_endpoints_advance(&c->endpoints))
		return random % NEXT_ENDPOINT_MS;
	return og_backoff_next(&c->backoff, random);
}

static void lose(struct og_rabbit *c, const struct og_error *why)
{
	bool was_steady = c->state == OG_RABBIT_UP && now(c) - c->up_since >= STEADY_MS;

	if (c->state >= OG_RABBIT_LEAVING) {
		finish(c);
		return;
	}
	drop_stream(c);
	uv_timer_stop(&c->timer);
	uv_timer_stop(&c->beat);
	og_frames_reset(&c->frames);
	og_acks_restart(&c->acks);
	og_parts_clear(&c->parts);
	c->state = OG_RABBIT_DOWN;
	restart_window(c);
	tell_down(c, why);
	tell_writable(c);
	if (c->state == OG_RABBIT_DOWN)
		og_rabbit_deadline(c, delay_of(c, why->kind, was_steady));
}

/* making one */

static void attempt(struct og_rabbit *c)
{
	const struct og_endpoint *e = &c->endpoints.list[c->endpoints.current];
	struct og_error err;

	c->state = OG_RABBIT_CONNECTING;
	c->endpoint = e->text;
	c->epoch++;
	og_rabbit_deadline(c, c->connect_timeout_ms);
	c->stream = og_stream_open(c->loop, e->host, e->port, c->tls, c->verify_host, &stream_events, c, &err);
	if (c->stream)
		c->handles++;
	else
		lose(c, &err);
}

static void on_stream_open(void *ctx)
{
	struct og_rabbit *c = ctx;

	if (c->state != OG_RABBIT_CONNECTING)
		return;
	c->state = OG_RABBIT_LOGIN;
	og_frames_put_protocol(og_stream_out(c->stream));
}

void og_rabbit_begin_recipe(struct og_rabbit *c)
{
	if (c->state != OG_RABBIT_LOGIN)
		return;
	c->state = OG_RABBIT_RECIPE;
	og_recipe_restart(&c->recipe);
	c->steps_sent = c->steps_done = 0;
	memset(c->steps_asked, 0, sizeof(c->steps_asked));
	og_rabbit_send_steps(c);
}

void og_rabbit_become_up(struct og_rabbit *c)
{
	c->state = OG_RABBIT_UP;
	c->up_since = now(c);
	if (c->events.on_up)
		c->events.on_up(c->events.ctx, c->epoch);
}

static void on_stream_data(void *ctx, const char *data, size_t len)
{
	struct og_rabbit *c = ctx;
	struct og_error why;

	c->heard_at = now(c);
	if (og_frames_feed(&c->frames, data, len, &why) < 0) {
		lose(c, &why);
		return;
	}
	if (c->state == OG_RABBIT_RECIPE && c->steps_done == c->recipe.n)
		og_rabbit_become_up(c);
	if (c->state == OG_RABBIT_LEAVING)
		og_rabbit_leave(c);
	tell_writable(c);
}

static void on_stream_end(void *ctx, const struct og_error *why)
{
	struct og_rabbit *c = ctx;
	struct og_error told = *why;

	if (c->state == OG_RABBIT_LOGIN)
		og_fail_in(&told, c->tls ? "during login" : "during login (is it a TLS port?)");
	lose(c, &told);
}

static void on_timer(uv_timer_t *timer)
{
	struct og_rabbit *c = timer->data;
	struct og_error why;

	switch (c->state) {
	case OG_RABBIT_DOWN:
		attempt(c);
		return;
	case OG_RABBIT_LEAVING:
	case OG_RABBIT_CLOSING:
		finish(c);
		return;
	case OG_RABBIT_RECIPE:
	case OG_RABBIT_UP:
		og_rabbit_step_late(c, &why);
		break;
	default:
		og_fail(&why, OG_RETRY, "no connection within %lld ms", (long long)c->connect_timeout_ms);
	}
	lose(c, &why);
}

/* heartbeats */

/* A broker that is alive says something every half heartbeat. We give up a little before two of them have passed, so
 * that with the coarseness of the ticks it is noticed within two. */
static void on_beat(uv_timer_t *beat)
{
	struct og_rabbit *c = beat->data;
	int64_t tick = c->heartbeat_ms / TICKS, late = now(c) - c->ticked_at;
	struct og_error why;

	c->ticked_at = now(c);
	if (late > 2 * tick) /* it was us who slept: what came meanwhile is not read yet */
		return;
	if (now(c) - c->heard_at > 2 * c->heartbeat_ms - 2 * tick) {
		og_fail(&why, OG_RETRY, "the broker has said nothing for %lld ms", (long long)(now(c) - c->heard_at));
		lose(c, &why);
		return;
	}
	if (++c->quiet_ticks >= TICKS / 2)
		og_frames_put_heartbeat(og_stream_out(c->stream));
}

void og_rabbit_start_beating(struct og_rabbit *c)
{
	uint64_t tick = (uint64_t)c->heartbeat_ms / TICKS;

	c->ticked_at = now(c);
	uv_timer_start(&c->beat, on_beat, tick, tick);
}

/* writing */

void og_rabbit_pump(struct og_rabbit *c)
{
	struct og_window *w = &c->window;
	const struct og_publish *p;
	uint64_t tag;

	while ((c->state == OG_RABBIT_UP || c->state == OG_RABBIT_LEAVING) && !c->blocked &&
		og_stream_waiting(c->stream) < OUT_HIGH) {
		bool mandatory;

		if (w->next <= c->suspects && w->head != w->next)
			return;
		if (!(p = og_window_next(w, &tag)))
			return;
		mandatory = p->flags & OG_PUBLISH_MANDATORY;
		og_frames_put_publish(og_stream_out(c->stream), p->m, mandatory, mandatory ? tag : 0, c->frame_max);
	}
}

static void flush(struct og_rabbit *c)
{
	if (c->state == OG_RABBIT_UP)
		og_rabbit_say_acks(c);
	og_rabbit_pump(c);
	if (!c->stream || !og_stream_out(c->stream)->len)
		return;
	c->quiet_ticks = 0;
	og_stream_flush(c->stream);
}

static void on_prepare(uv_prepare_t *prepare)
{
	flush(prepare->data);
}

static void on_stream_drain(void *ctx)
{
	flush(ctx);
}

static const struct og_stream_events stream_events = {
	.on_open = on_stream_open,
	.on_data = on_stream_data,
	.on_drain = on_stream_drain,
	.on_end = on_stream_end,
};

void og_rabbit_start(struct og_rabbit *c)
{
	c->backoff = (struct og_backoff){.base_ms = BACKOFF_BASE_MS, .cap_ms = BACKOFF_CAP_MS};
	c->handles = 3;
	uv_timer_init(c->loop, &c->timer);
	uv_timer_init(c->loop, &c->beat);
	uv_prepare_init(c->loop, &c->prepare);
	c->timer.data = c->beat.data = c->prepare.data = c;
	uv_prepare_start(&c->prepare, on_prepare);
	og_rabbit_deadline(c, 0);
}
