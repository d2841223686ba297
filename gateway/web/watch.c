/* Clients that go away, and clients that take too long.
 *
 * A suspended connection of libmicrohttpd does not notice that its client has gone. So a call that still waits at the
 * next sweep has a duplicate of its client's descriptor watched for the hang-up; most calls are over before, and cost
 * nothing. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "web/web_state.h"

#define BODY_CHUNK (64 * 1024) /* bytes that give another second */

struct og_web_watch {
	uv_poll_t poll;
	int fd;
	struct og_web *w;
	struct og_web_call *call;
};

static void on_closed(uv_handle_t *handle)
{
	struct og_web_watch *x = handle->data;
	struct og_web *w = x->w;

	close(x->fd);
	free(x);
	og_web_part_closed(w);
}

void og_web_unwatch(struct og_web_call *c)
{
	struct og_web_watch *x = OG_TAKE(c->watch);

	if (!x)
		return;
	x->call = NULL;
	uv_close((uv_handle_t *)&x->poll, on_closed);
}

static void on_hang_up(uv_poll_t *poll, int status, int events)
{
	struct og_web_watch *x = poll->data;
	struct og_web_call *c = x->call;

	(void)events;
	(void)status;
	if (!c)
		return;
	og_web_unwatch(c);
	og_web_gone(c);
}

static void watch(struct og_web_call *c)
{
	struct og_web_watch *x;
	int fd = dup(c->on->fd);

	if (fd < 0)
		return; /* tried again at the next sweep */
	x = og_new(struct og_web_watch);
	*x = (struct og_web_watch){.fd = fd, .w = c->w, .call = c};
	if (uv_poll_init(c->w->loop, &x->poll, fd) != 0) {
		close(fd);
		free(x);
		return;
	}
	x->poll.data = x;
	c->watch = x;
	c->w->open++;
	uv_poll_start(&x->poll, UV_DISCONNECT, on_hang_up);
}

static bool is_late(const struct og_web_connection *x, int64_t now)
{
	const struct og_web_config *config = &x->w->config;

	if (!x->call)
		return now - x->since_ms > config->idle_ms;
	return !x->call->handled && now - x->call->since_ms > config->body_ms + x->call->received / BODY_CHUNK * 1000;
}

/* Its end is told by libmicrohttpd, which sees the closed socket. */
static void close_late(struct og_web *w)
{
	int64_t now = og_clock_mono_ms();
	struct og_web_connection *x;

	DL_FOREACH(w->connections, x)
	{
		if (is_late(x, now))
			shutdown(x->fd, SHUT_RDWR);
	}
}

void og_web_watch_calls(uv_timer_t *sweep)
{
	struct og_web *w = sweep->data;
	struct og_web_call *c;

	DL_FOREACH(w->calls, c)
	{
		if (!c->watch && c->on && (c->phase == OG_WEB_WAITS || c->phase == OG_WEB_STREAMS))
			watch(c);
	}
	close_late(w);
}
