/* libmicrohttpd on our loop. Its epoll descriptor is polled as any other (never waited on: that would take its events
 * away), and when it has something to do MHD_run does it. A connection whose answer is not there yet is suspended, and
 * resumed when there is something to send. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "web/web_state.h"

#define SWEEP_MS   50
#define MEMORY     (2 * OG_WEB_HEAD_MAX) /* of a connection: a head, what is made of it, and that of the answer */
#define PEM_MAX    (256u * 1024)
#define BACKLOG    1024
#define TIME_OUT_S 60 /* for a reader that takes nothing */

/* ── MHD on the loop ── */

static void run(struct og_web *w);

static void on_again(uv_idle_t *idle)
{
	run(idle->data);
}

static void on_due(uv_timer_t *timer)
{
	run(timer->data);
}

static void run(struct og_web *w)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(w->daemon);
	if (w->closed)
		return;
	uv_idle_stop(&w->again);
	uv_timer_stop(&w->due);
	if (MHD_get_timeout(w->daemon, &ms) != MHD_YES)
		return;
	if (ms == 0)
		uv_idle_start(&w->again, on_again);
	else
		uv_timer_start(&w->due, on_due, ms, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

void og_web_resume(struct og_web_call *c)
{
	if (!c->suspended)
		return;
	c->suspended = false;
	MHD_resume_connection(c->mhd);
	uv_idle_start(&c->w->again, on_again);
}

/* ── connections ── */

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **state, enum MHD_ConnectionNotificationCode what)
{
	struct og_web *w = ctx;
	struct og_web_connection *x = *state;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		x = og_new(struct og_web_connection);
		*x = (struct og_web_connection){.w = w, .mhd = mhd, .since_ms = og_clock_mono_ms()};
		x->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		DL_APPEND(w->connections, x);
		w->n_connections++;
		*state = x;
		if (!uv_is_active((uv_handle_t *)&w->sweep) && !w->closed)
			uv_timer_start(&w->sweep, og_web_watch_calls, SWEEP_MS, SWEEP_MS);
	} else if (x) {
		DL_DELETE(w->connections, x);
		w->n_connections--;
		free(x);
		if (!w->connections)
			uv_timer_stop(&w->sweep);
	}
}

/* ── life ── */

static void on_words(void *ctx, const char *fmt, va_list ap)
{
	char words[256];

	(void)ctx;
	vsnprintf(words, sizeof(words), fmt, ap);
	words[strcspn(words, "\n")] = '\0';
	og_debug(words, "from=libmicrohttpd");
}

static int read_pem(const char *path, char **ret, struct og_error *err)
{
	size_t len;

	return og_file_read(path, PEM_MAX, ret, &len, err);
}

static int read_tls(struct og_web *w, struct og_error *err)
{
	const char *cert = w->config.cert, *key = w->config.key;
	bool has_cert = cert && *cert, has_key = key && *key;

	if (has_cert != has_key)
		return og_fail(err, OG_INVALID, "gateway.tls_cert and gateway.tls_key go together: one is missing");
	if (!has_cert)
		return 0;
	return read_pem(cert, &w->cert, err) < 0 || read_pem(key, &w->key, err) < 0 ? -1 : 0;
}

/* Options as libmicrohttpd wants them: a list, so that those of TLS can be left out. */
static struct MHD_Daemon *start(struct og_web *w, const struct sockaddr_storage *address)
{
	struct MHD_OptionItem items[16] = {
		{MHD_OPTION_SOCK_ADDR, 0, (void *)address},
		{MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_words, NULL},
		{MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, w},
		{MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)og_web_on_completed, w},
		{MHD_OPTION_CONNECTION_LIMIT, (intptr_t)w->config.connections_max, NULL},
		{MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY, NULL},
		{MHD_OPTION_CONNECTION_TIMEOUT, TIME_OUT_S, NULL},
		{MHD_OPTION_LISTEN_BACKLOG_SIZE, BACKLOG, NULL},
		{MHD_OPTION_LISTENING_ADDRESS_REUSE, 1, NULL},
		{MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
		{MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)og_web_unescape, NULL},
	};
	size_t n = 11;
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

	if (w->cert) {
		flags |= MHD_USE_TLS;
		items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, w->cert};
		items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, w->key};
	}
	if (address->ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	items[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
	return MHD_start_daemon(flags, 0, NULL, NULL, og_web_on_access, w, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}

static int listen_on(struct og_web *w, struct og_error *err)
{
	struct sockaddr_storage address;
	const union MHD_DaemonInfo *info;

	if (og_web_address(w->config.listen, &address, err) < 0 || read_tls(w, err) < 0)
		return -1;
	errno = 0;
	w->daemon = start(w, &address);
	if (!w->daemon && errno == EADDRINUSE)
		return og_fail(
			err, OG_FATAL, "%s is taken: end who listens there, or set gateway.listen", w->config.listen);
	if (!w->daemon)
		return og_fail(err, OG_FATAL, "cannot listen on %s: %s", w->config.listen,
			errno     ? strerror(errno)
			: w->cert ? "the certificate or its key is not usable"
				  : "no reason given");
	info = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_BIND_PORT);
	w->port = info ? info->port : 0;
	return 0;
}

static void free_web(struct og_web *w)
{
	free(w->cert);
	free(w->key);
	free(w);
}

struct og_web *og_web_open(uv_loop_t *loop, const struct og_web_config *config, struct og_error *err)
{
	struct og_web *w = og_new(struct og_web);

	w->loop = loop;
	w->config = *config;
	if (listen_on(w, err) < 0) {
		free_web(w);
		return NULL;
	}
	uv_poll_init(loop, &w->poll, MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
	uv_timer_init(loop, &w->due);
	uv_timer_init(loop, &w->sweep);
	uv_idle_init(loop, &w->again);
	w->poll.data = w->due.data = w->sweep.data = w->again.data = w;
	w->open = 4;
	uv_poll_start(&w->poll, UV_READABLE, on_poll);
	return w;
}

int og_web_port(const struct og_web *w)
{
	return w->port;
}

size_t og_web_calls(const struct og_web *w)
{
	return w->n_calls;
}

size_t og_web_connections(const struct og_web *w)
{
	return w->n_connections;
}

void og_web_quiesce(struct og_web *w)
{
	int fd = w->stopping ? -1 : MHD_quiesce_daemon(w->daemon);

	w->stopping = true;
	if (fd >= 0)
		close(fd);
}

void og_web_part_closed(struct og_web *w)
{
	if (--w->open > 0)
		return;
	if (w->on_closed)
		w->on_closed(w->closed_ctx);
	free_web(w);
}

static void on_handle_closed(uv_handle_t *handle)
{
	og_web_part_closed(handle->data);
}

/* A daemon that is stopped must have no suspended connection: all that waits was resumed by og_web_gone. */
void og_web_close(struct og_web *w, void (*cb)(void *ctx), void *ctx)
{
	struct og_web_call *c, *tmp;

	w->on_closed = cb;
	w->closed_ctx = ctx;
	og_web_quiesce(w);
	DL_FOREACH_SAFE(w->calls, c, tmp)
	{
		og_web_gone(c);
	}
	w->closed = true;
	uv_poll_stop(&w->poll);
	MHD_run(w->daemon);
	MHD_stop_daemon(w->daemon);
	uv_close((uv_handle_t *)&w->poll, on_handle_closed);
	uv_close((uv_handle_t *)&w->due, on_handle_closed);
	uv_close((uv_handle_t *)&w->sweep, on_handle_closed);
	uv_close((uv_handle_t *)&w->again, on_handle_closed);
}
