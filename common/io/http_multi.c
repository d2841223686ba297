#include "io/http_multi.h"

#include <stdlib.h>

#include "base/alloc.h"

/* Connections that are kept when nothing goes over them. By itself curl keeps four times as many as there are transfers at
 * the moment: those of a burst are closed between two bursts, and made again. */
#define KEPT_MAX 256

struct watch {
	uv_poll_t poll;
	struct og_http_multi *m;
	curl_socket_t fd;
	int wanted;
};

static void part_gone(struct og_http_multi *m)
{
	struct og_http_multi_events events = m->events;

	if (--m->parts)
		return;
	free(m);
	events.closed(events.ctx);
}

static void drive(struct og_http_multi *m, curl_socket_t fd, int flags)
{
	CURLMsg *message;
	int left, running;

	m->busy = true;
	curl_multi_socket_action(m->curl, fd, flags, &running);
	while ((message = curl_multi_info_read(m->curl, &left)))
		if (message->msg == CURLMSG_DONE)
			m->events.done(m->events.ctx, message->easy_handle, message->data.result);
	m->busy = false;
	m->events.settle(m->events.ctx);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	int flags = 0;

	if (status < 0) {
		/* libuv has stopped watching. There may be something to read before the error, and curl asks again for
		 * what it had asked for only if that changes. */
		events = w->wanted;
		flags = CURL_CSELECT_ERR;
		uv_poll_start(poll, w->wanted, on_poll);
	}
	flags |= (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
	drive(w->m, w->fd, flags);
}

static void on_watch_closed(uv_handle_t *poll)
{
	struct watch *w = poll->data;
	struct og_http_multi *m = w->m;

	free(w);
	part_gone(m);
}

static struct watch *watch_new(struct og_http_multi *m, curl_socket_t fd)
{
	struct watch *w = og_new(struct watch);

	w->m = m;
	w->fd = fd;
	w->poll.data = w;
	if (uv_poll_init(m->loop, &w->poll, fd) < 0)
		abort(); /* it is an open socket that nobody else watches */
	m->parts++;
	curl_multi_assign(m->curl, fd, w);
	return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *assigned)
{
	struct og_http_multi *m = ctx;
	struct watch *w = assigned;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w) {
			curl_multi_assign(m->curl, fd, NULL);
			uv_close((uv_handle_t *)&w->poll, on_watch_closed);
		}
		return 0;
	}
	if (!w)
		w = watch_new(m, fd);
	w->wanted = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
	uv_poll_start(&w->poll, w->wanted, on_poll);
	return 0;
}

static void on_timer(uv_timer_t *timer)
{
	drive(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* Called by curl while it runs: so even 0 ms must be a timer, not a call of curl. */
static int on_timeout(CURLM *curl, long ms, void *ctx)
{
	struct og_http_multi *m = ctx;

	(void)curl;
	if (ms < 0) {
		uv_timer_stop(&m->timer);
	} else {
		uv_update_time(m->loop); /* libuv counts from when this turn of the loop began */
		uv_timer_start(&m->timer, on_timer, (uint64_t)ms, 0);
	}
	return 0;
}

struct og_http_multi *og_http_multi_new(uv_loop_t *loop, const struct og_http_multi_events *events)
{
	struct og_http_multi *m = og_new(struct og_http_multi);

	m->loop = loop;
	m->events = *events;
	m->curl = curl_multi_init();
	if (!m->curl)
		abort(); /* out of memory */
	curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
	curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
	curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, (long)KEPT_MAX);
	uv_timer_init(loop, &m->timer);
	m->timer.data = m;
	m->parts = 1;
	return m;
}

static void on_timer_closed(uv_handle_t *timer)
{
	part_gone(timer->data);
}

void og_http_multi_close(struct og_http_multi *m)
{
	curl_multi_cleanup(m->curl); /* closes the kept connections: on_socket is called for those */
	uv_close((uv_handle_t *)&m->timer, on_timer_closed);
}
