#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/settings.h"
#include "store/store_state.h"

#define WINDOW   8192
#define LEASE_MS 30000
#define LOOK_MS  2000

struct og_redis *og_store_dial(void *ctx, const struct og_redis_events *events, struct og_error *err)
{
	const struct og_store_dialer *d = ctx;
	const struct og_redis_config config = {
		.address = d->settings->store,
		.user = *d->settings->store_user ? d->settings->store_user : d->credentials->user,
		.password = d->credentials->password,
		.timeout_ms = d->settings->store_timeout_ms,
		.window = WINDOW,
	};

	return og_redis_open(d->loop, &config, events, err);
}

const char *og_store_clock(const struct og_gateway_store *s, char room[static 24])
{
	*room = '\0';
	if (s->config.clock)
		snprintf(room, 24, "%" PRId64, s->config.clock(s->config.ctx));
	return room;
}

static void on_up(void *ctx)
{
	struct og_gateway_store *s = ctx;

	s->up = true;
	og_ledger_up(s);
	og_keys_retry(s);
	if (s->config.on_up)
		s->config.on_up(s->config.ctx);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct og_gateway_store *s = ctx;

	s->up = false;
	if (s->config.on_down)
		s->config.on_down(s->config.ctx, why);
}

static void on_tick(uv_timer_t *tick)
{
	struct og_gateway_store *s = tick->data;

	if (!s->up)
		return;
	og_ledger_tick(s);
	og_keys_retry(s);
}

struct og_gateway_store *og_store_open(uv_loop_t *loop, const struct og_store_config *config, struct og_error *err)
{
	struct og_gateway_store *s = og_new(struct og_gateway_store);
	const struct og_redis_events events = {on_up, on_down, s};

	s->loop = loop;
	s->config = *config;
	s->config.cluster = NULL; /* the caller's; the prefix is what is left of it */
	if (!s->config.lease_ms)
		s->config.lease_ms = LEASE_MS;
	if (!s->config.look_ms)
		s->config.look_ms = LOOK_MS;
	s->redis = config->dial(config->dial_ctx, &events, err);
	if (!s->redis) {
		free(s);
		return NULL;
	}
	s->prefix = og_printf("og:%s:", config->cluster);
	s->keys = og_keys_new();
	s->watches = og_key_watches_new(s);
	s->ledger = og_ledger_new(s);
	uv_timer_init(loop, &s->tick);
	s->tick.data = s;
	uv_timer_start(&s->tick, on_tick, (uint64_t)s->config.lease_ms / 3, (uint64_t)s->config.lease_ms / 3);
	s->parts = 4;
	return s;
}

static void part_gone(void *ctx)
{
	struct og_gateway_store *s = ctx;
	void (*cb)(void *) = s->closed_cb;
	void *cb_ctx = s->closed_ctx;

	if (--s->parts)
		return;
	og_key_watches_free(s->watches);
	og_keys_free(s->keys);
	og_ledger_free(s->ledger);
	free(s->prefix);
	free(s);
	if (cb)
		cb(cb_ctx);
}

static void on_timer_closed(uv_handle_t *timer)
{
	part_gone(timer->data);
}

void og_store_close(struct og_gateway_store *s, void (*cb)(void *ctx), void *ctx)
{
	if (!s) {
		if (cb)
			cb(ctx);
		return;
	}
	s->up = false;
	s->closing = true;
	s->closed_cb = cb;
	s->closed_ctx = ctx;
	uv_close((uv_handle_t *)&s->tick, on_timer_closed);
	og_key_watches_close(s->watches, on_timer_closed);
	og_ledger_close(s->ledger, on_timer_closed);
	og_redis_close(s->redis, part_gone, s);
}

bool og_store_is_up(const struct og_gateway_store *s)
{
	return s->up;
}

struct ping {
	void (*cb)(void *ctx, const struct og_error *err);
	void *ctx;
};

static void on_ping(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct ping *p = ctx;

	(void)reply;
	p->cb(p->ctx, err);
	free(p);
}

int og_store_ping(
	struct og_gateway_store *s, void (*cb)(void *ctx, const struct og_error *err), void *ctx, struct og_error *err)
{
	struct ping *p = og_new(struct ping);

	*p = (struct ping){cb, ctx};
	if (og_redis_command(s->redis, 1, (const char *[]){"PING"}, NULL, on_ping, p, err) == 0)
		return 0;
	free(p);
	return -1;
}
