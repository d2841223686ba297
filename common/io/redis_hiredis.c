/* The client of one Redis: a pipeline over a connection that comes and goes.
 *
 *     ┌──▶ CONNECTING ── open: AUTH, PING ── PONG ──▶ UP
 *     │        │ refused, cut, timeout_ms             │ cut, or the oldest command is late
 *     │        ▼                                      │
 *     └────── DOWN ◀──────────────────────────────────┘      og_redis_close: from anywhere to CLOSED
 *     backoff over
 *
 * There is one timer; what it means depends on the state: connecting has taken too long, look whether the oldest
 * command is late, try to connect again. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "io/redis.h"
#include "io/redis_pipeline.h"
#include "io/redis_reply.h"
#include "io/redis_stream.h"
#include "io/sigpipe.h"

enum state { CONNECTING, UP, DOWN, CLOSED };

struct client {
	struct og_redis base;
	uv_loop_t *loop;
	struct og_redis_address address;
	char *name, *user, *password;
	struct og_redis_events events;

	enum state state;
	struct og_redis_stream *stream; /* while CONNECTING and UP */
	unsigned greetings;             /* answers to AUTH and PING that are to come */
	unsigned attempts;
	struct og_error why; /* of the last time it went down */
	struct og_backoff backoff;
	uv_timer_t timer;
	struct og_redis_pipeline pipeline;
	const void *suspect; /* the command that is late and was given one more turn of the loop */

	unsigned parts; /* streams and the timer: those that libuv still holds */
	void (*closed_cb)(void *ctx);
	void *closed_ctx;
};

static void part_gone(void *ctx)
{
	struct client *r = ctx;
	void (*cb)(void *) = r->closed_cb;
	void *cb_ctx = r->closed_ctx;

	if (--r->parts)
		return;
	og_redis_pipeline_done(&r->pipeline);
	og_redis_address_done(&r->address);
	free(r->name);
	free(r->user);
	free(r->password);
	free(r);
	if (cb)
		cb(cb_ctx);
}

/* ---- connecting ---- */

static void on_timer(uv_timer_t *timer);

static void arm(struct client *r, int64_t ms)
{
	uv_update_time(r->loop); /* libuv counts from when this turn of the loop began, which may be long ago */
	uv_timer_start(&r->timer, on_timer, ms > 0 ? (uint64_t)ms : 0, 0);
}

static void lost(struct client *r, enum og_kind kind, const char *why)
{
	struct og_error retry = {0};

	r->why = (struct og_error){0};
	og_fail(&r->why, kind, "Redis at %s: %s", r->name, why);
	retry = r->why;
	retry.kind = OG_RETRY;
	r->state = DOWN;
	r->suspect = NULL;
	og_redis_stream_close(OG_TAKE(r->stream));
	arm(r, og_backoff_next(&r->backoff, og_random()));
	og_redis_pipeline_fail(&r->pipeline, &retry);
	if (r->state == DOWN && r->events.on_down)
		r->events.on_down(r->events.ctx, &r->why);
}

static void greet(struct client *r, int argc, const char **argv)
{
	char *wire;
	int len = redisFormatCommandArgv(&wire, argc, argv, NULL);

	if (len < 0)
		abort(); /* out of memory */
	og_redis_stream_send(r->stream, wire, (size_t)len);
	redisFreeCommand(wire);
	r->greetings++;
}

static void on_open(void *ctx)
{
	struct client *r = ctx;

	if (*r->user)
		greet(r, 3, (const char *[]){"AUTH", r->user, r->password});
	else if (*r->password)
		greet(r, 2, (const char *[]){"AUTH", r->password});
	greet(r, 1, (const char *[]){"PING"});
}

/* A server that still loads its data takes AUTH and refuses PING. A user who may not PING is connected all the same. */
static void on_greeting(struct client *r, const redisReply *reply)
{
	bool last = --r->greetings == 0;

	if (reply->type == REDIS_REPLY_ERROR && !(last && strncmp(reply->str, "NOPERM", 6) == 0)) {
		lost(r, og_redis_refusal_kind(reply->str), reply->str);
	} else if (last) {
		r->state = UP;
		uv_timer_stop(&r->timer);
		og_backoff_reset(&r->backoff);
		if (r->events.on_up)
			r->events.on_up(r->events.ctx);
	}
}

static void on_reply(void *ctx, redisReply *reply)
{
	struct client *r = ctx;

	if (r->state == CONNECTING && r->greetings)
		on_greeting(r, reply);
	else if (og_redis_pipeline_reply(&r->pipeline, reply) < 0) /* such as "max number of clients reached" */
		lost(r, OG_RETRY, reply->type == REDIS_REPLY_ERROR ? reply->str : "an answer that nobody asked for");
}

static void on_gone(void *ctx, const struct og_error *why)
{
	lost(ctx, why->kind, why->message);
}

static void start_connect(struct client *r)
{
	const struct og_redis_stream_events events = {on_open, on_reply, on_gone, part_gone, r};

	r->state = CONNECTING;
	r->greetings = 0;
	r->parts++;
	r->stream = og_redis_stream_open(r->loop, &r->address, r->attempts++, &events);
	og_redis_pipeline_connected(&r->pipeline);
	arm(r, r->pipeline.timeout_ms);
}

/* The loop itself may have been away. A late command is therefore judged only after one more turn, in which an answer
 * that has come meanwhile is read. */
static void check_deadline(struct client *r)
{
	int64_t deadline = 0, left;
	const void *oldest = og_redis_pipeline_oldest(&r->pipeline, &deadline);

	if (!oldest)
		return;
	left = deadline - og_clock_mono_ms();
	if (left > 0) {
		r->suspect = NULL;
		arm(r, left);
	} else if (oldest != r->suspect) {
		r->suspect = oldest;
		arm(r, 1);
	} else {
		og_autofree char *why = og_printf("no answer within %lld ms", (long long)r->pipeline.timeout_ms);

		lost(r, OG_RETRY, why);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct client *r = timer->data;

	if (r->state == CONNECTING) {
		og_autofree char *why = og_printf("not connected within %lld ms", (long long)r->pipeline.timeout_ms);

		lost(r, OG_RETRY, why);
	} else if (r->state == UP) {
		check_deadline(r);
	} else {
		start_connect(r);
	}
}

/* ---- the operations ---- */

static int require_up(const struct client *r, struct og_error *err)
{
	if (r->state == UP)
		return 0;
	if (r->why.kind)
		return og_fail(err, OG_RETRY, "%s", r->why.message);
	return og_fail(err, OG_RETRY, "Redis at %s: not yet connected", r->name);
}

static int submitted(struct client *r, int status)
{
	if (status == 0 && !uv_is_active((uv_handle_t *)&r->timer))
		arm(r, r->pipeline.timeout_ms);
	return status;
}

static int redis_command(struct og_redis *base, int argc, const char *const *argv, const size_t *lens, og_redis_cb *cb,
	void *ctx, struct og_error *err)
{
	struct client *r = (struct client *)base;

	if (require_up(r, err) < 0)
		return -1;
	return submitted(
		r, og_redis_pipeline_command(&r->pipeline, og_clock_mono_ms(), argc, argv, lens, cb, ctx, err));
}

static int redis_eval(struct og_redis *base, struct og_redis_script *script, int n_keys, int argc,
	const char *const *argv, const size_t *lens, og_redis_cb *cb, void *ctx, struct og_error *err)
{
	struct client *r = (struct client *)base;

	if (require_up(r, err) < 0)
		return -1;
	return submitted(r, og_redis_pipeline_eval(
				    &r->pipeline, og_clock_mono_ms(), script, n_keys, argc, argv, lens, cb, ctx, err));
}

static bool redis_is_up(struct og_redis *base)
{
	return ((struct client *)base)->state == UP;
}

static unsigned redis_in_flight(struct og_redis *base)
{
	return ((struct client *)base)->pipeline.in_flight;
}

static void on_timer_closed(uv_handle_t *timer)
{
	part_gone(timer->data);
}

static void redis_close(struct og_redis *base, void (*cb)(void *ctx), void *ctx)
{
	struct client *r = (struct client *)base;

	r->why = (struct og_error){0};
	og_fail(&r->why, OG_RETRY, "Redis at %s: closed by this program", r->name);
	r->state = CLOSED;
	r->closed_cb = cb;
	r->closed_ctx = ctx;
	if (r->stream)
		og_redis_stream_close(OG_TAKE(r->stream));
	uv_close((uv_handle_t *)&r->timer, on_timer_closed);
	og_redis_pipeline_fail(&r->pipeline, &r->why);
}

static const struct og_redis_ops ops = {
	.command = redis_command,
	.eval = redis_eval,
	.is_up = redis_is_up,
	.in_flight = redis_in_flight,
	.close = redis_close,
};

static void send_bytes(void *ctx, const void *bytes, size_t len)
{
	og_redis_stream_send(((struct client *)ctx)->stream, bytes, len);
}

struct og_redis *og_redis_open(uv_loop_t *loop, const struct og_redis_config *config,
	const struct og_redis_events *events, struct og_error *err)
{
	struct og_redis_address address;
	struct client *r;

	if (og_redis_address_parse(config->address, &address, err) < 0)
		return NULL;
	og_ignore_sigpipe();
	r = og_new(struct client);
	r->base.ops = &ops;
	r->loop = loop;
	r->address = address;
	r->name = og_strdup(config->address);
	r->user = og_strdup(config->user ? config->user : "");
	r->password = og_strdup(config->password ? config->password : "");
	if (events)
		r->events = *events;
	r->backoff = (struct og_backoff){.base_ms = 100, .cap_ms = 3000};
	og_redis_pipeline_init(&r->pipeline);
	r->pipeline.send = send_bytes;
	r->pipeline.ctx = r;
	r->pipeline.window = config->window;
	r->pipeline.timeout_ms = config->timeout_ms;
	uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	r->parts = 1;
	start_connect(r);
	return &r->base;
}
