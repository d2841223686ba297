/* librabbitmq is our codec and no more: its sockets block (a publish or a login can hang for ever), its RPCs lose frames, its
 * TLS check of the host name is wrong in the version that Debian has. What moves bytes here is libuv, in amqp_stream.c.
 *
 * Two rules keep it simple. A connection is lost in one place only (lose), from the loop, never while frames are being read: so
 * callbacks may do what they like. And what is said is gathered, and written once an iteration of the loop (on_prepare): so a
 * burst of publishes and acks is one write. */
#include "io/amqp_rabbit.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/amqp_header.h"
#include "io/amqp_tls.h"

#define BACKOFF_BASE_MS  200
#define BACKOFF_CAP_MS   10000
#define STEADY_MS        10000 /* a connection that lasted so long was a success */
#define NEXT_ENDPOINT_MS 50
#define LOCKED_MS        1000 /* how often an exclusive queue is asked for */
#define GOODBYE_MS       1000
#define RECIPE_MS        30000
#define CONNECT_MS       10000
#define OUT_HIGH         (256u * 1024) /* bytes on their way to the kernel beyond which publishes wait in the window */
#define TICKS            4             /* of a heartbeat */

static const struct og_amqp_ops rabbit_ops;
static const struct og_stream_events stream_events;

static void on_timer(uv_timer_t *timer);

static struct og_rabbit *rabbit(struct og_amqp *c)
{
	return (struct og_rabbit *)c;
}

static int64_t now(const struct og_rabbit *c)
{
	return (int64_t)uv_now(c->loop);
}

void og_rabbit_deadline(struct og_rabbit *c, int64_t ms)
{
	uv_timer_start(&c->timer, on_timer, (uint64_t)ms, 0);
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

/* losing a connection */

static void tell_writable(struct og_rabbit *c)
{
	if (c->on_writable && c->state != OG_RABBIT_CLOSING && og_window_room_again(&c->window))
		c->on_writable(c->writable_ctx);
}

static void tell_down(struct og_rabbit *c, const struct og_error *why)
{
	struct og_error told = *why;

	og_fail_in(&told, "broker %s", c->endpoint);
	if (c->blocked && c->events.on_blocked)
		c->events.on_blocked(c->events.ctx, false, "");
	c->blocked = false;
	if (c->state == OG_RABBIT_DOWN && c->events.on_down)
		c->events.on_down(c->events.ctx, &told);
}

/* A publish that closes the channel would close each next one too, as it is published again. Where it was alone on its way it
 * is known, and has its answer; else those that are suspected go out one by one next time. */
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

	if (c->state == OG_RABBIT_CLOSING) {
		finish(c);
		return;
	}
	drop_stream(c);
	uv_timer_stop(&c->timer);
	uv_timer_stop(&c->beat);
	og_frames_reset(&c->frames);
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
	og_rabbit_deadline(c, RECIPE_MS);
	og_recipe_restart(&c->recipe);
	c->steps_sent = c->steps_done = 0;
	memset(c->steps_asked, 0, sizeof(c->steps_asked));
	og_rabbit_send_steps(c);
}

void og_rabbit_become_up(struct og_rabbit *c)
{
	c->state = OG_RABBIT_UP;
	c->up_since = now(c);
	uv_timer_stop(&c->timer);
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
	case OG_RABBIT_CLOSING:
		finish(c);
		return;
	case OG_RABBIT_RECIPE:
		og_fail(&why, OG_RETRY, "no answer to a declare within %d s", RECIPE_MS / 1000);
		break;
	default:
		og_fail(&why, OG_RETRY, "no connection within %lld ms", (long long)c->connect_timeout_ms);
	}
	lose(c, &why);
}

/* heartbeats */

/* A broker that is alive says something every half heartbeat. We give up a little before two of them have passed, so that with
 * the coarseness of the ticks it is noticed within two. */
static void on_beat(uv_timer_t *beat)
{
	struct og_rabbit *c = beat->data;
	int64_t tick = c->heartbeat_ms / TICKS, late = now(c) - c->ticked_at;
	struct og_error why;

	c->ticked_at = now(c);
	if (late > 2 * tick) /* it was us who slept: what came meanwhile is not read yet */
		return;
	if (now(c) - c->heard_at > 2 * c->heartbeat_ms - tick) {
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

static void pump(struct og_rabbit *c)
{
	struct og_window *w = &c->window;
	const struct og_publish *p;
	uint64_t tag;

	while (c->state == OG_RABBIT_UP && !c->blocked && og_stream_waiting(c->stream) < OUT_HIGH) {
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
	pump(c);
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

/* the ops */

static int rabbit_publish(struct og_amqp *amqp, const struct og_message *m, unsigned flags, og_settled_cb *cb,
	void *ctx, struct og_error *err)
{
	struct og_rabbit *c = rabbit(amqp);
	struct og_message own = *m;

	if (c->state >= OG_RABBIT_CLOSING)
		return og_fail(err, OG_RETRY, "the connection is being closed");
	if (og_message_sendable(m, c->user, err) < 0)
		return -1;
	own.user_id = c->user;
	if (og_window_add(&c->window, &own, flags, cb, ctx) < 0)
		return og_fail(err, OG_BUSY, "%u publishes wait for the broker's confirm", c->window.count);
	return 0;
}

static bool in_service(const struct og_rabbit *c)
{
	return c->state == OG_RABBIT_RECIPE || c->state == OG_RABBIT_UP;
}

static void step_added(struct og_rabbit *c)
{
	if (in_service(c))
		og_rabbit_send_steps(c);
}

static void rabbit_exchange(struct og_amqp *amqp, const struct og_exchange *x)
{
	struct og_rabbit *c = rabbit(amqp);

	og_recipe_add_exchange(&c->recipe, x);
	step_added(c);
}

static void rabbit_queue(struct og_amqp *amqp, const struct og_queue *q)
{
	struct og_rabbit *c = rabbit(amqp);

	og_recipe_add_queue(&c->recipe, q);
	step_added(c);
}

static void rabbit_bind(struct og_amqp *amqp, const struct og_binding *b)
{
	struct og_rabbit *c = rabbit(amqp);

	og_recipe_add_bind(&c->recipe, b);
	step_added(c);
}

static unsigned rabbit_consume(
	struct og_amqp *amqp, const char *queue, unsigned prefetch, int priority, og_delivery_cb *cb, void *ctx)
{
	struct og_rabbit *c = rabbit(amqp);
	unsigned id = og_recipe_add_consume(&c->recipe, queue, prefetch, priority, cb, ctx);

	step_added(c);
	return id;
}

static void rabbit_cancel(struct og_amqp *amqp, unsigned consumer)
{
	struct og_rabbit *c = rabbit(amqp);

	if (og_recipe_drop_consumer(&c->recipe, consumer) && in_service(c))
		og_rabbit_send_cancel(c, consumer);
}

static void rabbit_clear(struct og_amqp *amqp)
{
	struct og_rabbit *c = rabbit(amqp);

	while (c->recipe.consumers)
		rabbit_cancel(amqp, c->recipe.consumers->consumer.id);
	og_recipe_clear(&c->recipe);
}

static void rabbit_ack(struct og_amqp *amqp, uint64_t epoch, uint64_t tag)
{
	struct og_rabbit *c = rabbit(amqp);

	if (c->state == OG_RABBIT_UP && epoch == c->epoch)
		og_rabbit_say_ack(c, tag);
}

static void rabbit_reject(struct og_amqp *amqp, uint64_t epoch, uint64_t tag, bool requeue)
{
	struct og_rabbit *c = rabbit(amqp);

	if (c->state == OG_RABBIT_UP && epoch == c->epoch)
		og_rabbit_say_reject(c, tag, requeue);
}

static void rabbit_on_writable(struct og_amqp *amqp, void (*cb)(void *ctx), void *ctx)
{
	rabbit(amqp)->on_writable = cb;
	rabbit(amqp)->writable_ctx = ctx;
}

static unsigned rabbit_in_flight(struct og_amqp *amqp)
{
	return rabbit(amqp)->window.count;
}

static bool rabbit_is_up(struct og_amqp *amqp)
{
	return rabbit(amqp)->state == OG_RABBIT_UP;
}

static const char *rabbit_endpoint(struct og_amqp *amqp)
{
	return rabbit(amqp)->endpoint;
}

static uint64_t rabbit_oversized(struct og_amqp *amqp)
{
	return rabbit(amqp)->oversized;
}

/* Where the broker listens it is given a second to take what was said before, and to say what it has confirmed. */
static void rabbit_close(struct og_amqp *amqp, void (*cb)(void *ctx), void *ctx)
{
	struct og_rabbit *c = rabbit(amqp);
	bool listens = in_service(c);

	if (c->state >= OG_RABBIT_CLOSING)
		return;
	c->on_closed = cb;
	c->closed_ctx = ctx;
	if (listens) {
		pump(c);
		og_rabbit_say_close(c);
	}
	c->state = OG_RABBIT_CLOSING;
	uv_timer_stop(&c->beat);
	og_rabbit_deadline(c, listens ? GOODBYE_MS : 0);
}

static const struct og_amqp_ops rabbit_ops = {
	.publish = rabbit_publish,
	.recipe_exchange = rabbit_exchange,
	.recipe_queue = rabbit_queue,
	.recipe_bind = rabbit_bind,
	.recipe_consume = rabbit_consume,
	.recipe_clear = rabbit_clear,
	.cancel = rabbit_cancel,
	.ack = rabbit_ack,
	.reject = rabbit_reject,
	.on_writable = rabbit_on_writable,
	.in_flight = rabbit_in_flight,
	.is_up = rabbit_is_up,
	.endpoint = rabbit_endpoint,
	.oversized = rabbit_oversized,
	.close = rabbit_close,
};

static int check_config(const struct og_amqp_config *g, struct og_error *err)
{
	if (og_shortstr_check(g->vhost, "the vhost", err) < 0 || og_shortstr_check(g->user, "the user name", err) < 0 ||
		og_shortstr_check(g->password, "the password", err) < 0 ||
		og_shortstr_check(g->name, "the name", err) < 0)
		return -1;
	if (!g->endpoints || !g->vhost || !g->user || !g->password || !g->window)
		return og_fail(
			err, OG_INVALID, "a broker connection needs endpoints, vhost, user, password and a window");
	return 0;
}

struct og_amqp *og_amqp_open(
	uv_loop_t *loop, const struct og_amqp_config *config, const struct og_amqp_events *events, struct og_error *err)
{
	struct og_endpoints endpoints;
	struct og_rabbit *c;
	SSL_CTX *tls = NULL;

	if (check_config(config, err) < 0 ||
		og_endpoints_parse(config->endpoints, config->tls ? 5671 : 5672, &endpoints, err) < 0)
		return NULL;
	if (config->tls && !(tls = og_tls_context(config->tls_ca, config->tls_cert, config->tls_key, err)))
		return NULL;
	c = og_new(struct og_rabbit);
	*c = (struct og_rabbit){
		.base.ops = &rabbit_ops,
		.loop = loop,
		.events = *events,
		.vhost = og_strdup(config->vhost),
		.user = og_strdup(config->user),
		.password = og_strdup(config->password),
		.name = og_strdup(config->name ? config->name : ""),
		.endpoints = endpoints,
		.tls = tls,
		.verify_host = config->tls_verify_host,
		.republish = config->republish,
		.connect_timeout_ms = config->connect_timeout_ms > 0 ? config->connect_timeout_ms : CONNECT_MS,
		.heartbeat_ms = config->heartbeat_ms < 1000 ? 1000 : config->heartbeat_ms / 1000 * 1000,
		.prefetch_global = config->prefetch_global,
		.backoff = {.base_ms = BACKOFF_BASE_MS, .cap_ms = BACKOFF_CAP_MS},
		.handles = 3,
	};
	c->endpoint = c->endpoints.list[0].text;
	og_frames_init(&c->frames, &og_rabbit_dialog, c);
	og_window_init(&c->window, config->window);
	uv_timer_init(loop, &c->timer);
	uv_timer_init(loop, &c->beat);
	uv_prepare_init(loop, &c->prepare);
	c->timer.data = c->beat.data = c->prepare.data = c;
	uv_prepare_start(&c->prepare, on_prepare);
	og_rabbit_deadline(c, 0);
	return &c->base;
}
