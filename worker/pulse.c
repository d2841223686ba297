#include "pulse.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

static void on_timer(uv_timer_t *timer)
{
	og_pulse_beat(timer->data);
}

static void due_at(struct og_pulse *p, int64_t at_ms)
{
	int64_t now = og_clock_mono_ms();

	p->due_ms = at_ms;
	uv_timer_start(&p->timer, on_timer, (uint64_t)(at_ms > now ? at_ms - now : 0), 0);
}

static void on_told(void *ctx, enum og_settled how)
{
	struct og_pulse *p = ctx;

	p->on_its_way = false;
	if (p->late && how != OG_LOST)
		og_pulse_change(p, OG_PULSE_CHANGE_MS);
	p->late = false;
}

static void tell(struct og_pulse *p)
{
	struct og_presence presence = {0};
	og_autofree char *body = NULL;
	struct og_message m = {.exchange = OG_X_PRESENCE,
		.routing_key = "",
		.type = OG_T_PRESENCE,
		.content_type = "application/json"};
	struct og_error err;

	p->fill(p->ctx, &presence);
	body = og_presence_encode(&presence);
	og_presence_done(&presence);
	m.body = body;
	m.body_len = strlen(body);
	p->on_its_way = og_amqp_publish(p->out, &m, 0, on_told, p, &err) == 0;
	if (!p->on_its_way)
		og_debug("presence not published", NULL);
}

static bool is_heard(const struct og_pulse *p)
{
	return p->out->ops->is_up(p->out) && !p->blocked;
}

/* What a heartbeat says is true now only. A publish that cannot go out is kept by the connection, though: while nobody
 * hears them, or takes them in, heartbeats would fill its window, and results would wait behind what was true once. So
 * there is one on its way at most. */
void og_pulse_beat(struct og_pulse *p)
{
	p->last_ms = og_clock_mono_ms();
	due_at(p, p->last_ms + OG_PRESENCE_PERIOD_MS);
	p->late = p->on_its_way;
	if (is_heard(p) && !p->on_its_way)
		tell(p);
}

void og_pulse_init(struct og_pulse *p, uv_loop_t *loop)
{
	uv_timer_init(loop, &p->timer);
	p->timer.data = p;
}

void og_pulse_change(struct og_pulse *p, int64_t within_ms)
{
	if (p->last_ms + within_ms < p->due_ms)
		due_at(p, p->last_ms + within_ms);
}

void og_pulse_blocked(struct og_pulse *p, bool blocked)
{
	p->blocked = blocked;
	if (!blocked)
		og_pulse_change(p, OG_PULSE_CHANGE_MS);
}

void og_pulse_stop(struct og_pulse *p)
{
	if (is_heard(p))
		tell(p);
	uv_close((uv_handle_t *)&p->timer, NULL);
}
