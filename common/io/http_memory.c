/* The twin of http_curl.c. Calls live until the client is closed, so that a test may drive one that was cancelled. */
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/alloc.h"
#include "io/http.h"

struct og_http_call {
	TAILQ_ENTRY(og_http_call) next;
	struct og_http_handler handler;
	struct og_http_request request; /* its strings are copies */
	bool asked;                     /* `answer` has been called for it */
	bool cancelled, ended;
	int status;
};

struct client {
	struct og_http base;
	og_http_memory_answer *answer;
	void *ctx;
	TAILQ_HEAD(calls, og_http_call) calls;
	uv_idle_t turn; /* active while there is a call to answer */
	void (*closed_cb)(void *ctx);
	void *closed_ctx;
};

static const char *const *copy_headers(const char *const *headers)
{
	size_t n = 0;
	char **copy;

	while (headers && headers[n])
		n++;
	copy = og_alloc((n + 1) * sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = og_strdup(headers[i]);
	return (const char *const *)copy;
}

static void call_free(struct og_http_call *call)
{
	for (const char *const *h = call->request.headers; *h; h++)
		free((char *)*h);
	free((void *)call->request.headers);
	free((char *)call->request.method);
	free((char *)call->request.url);
	free((void *)call->request.body);
	free((char *)call->request.user);
	free((char *)call->request.password);
	free((char *)call->request.unix_socket);
	free(call);
}

static struct og_http_call *next_unasked(struct client *h)
{
	struct og_http_call *call;

	TAILQ_FOREACH(call, &h->calls, next)
	if (!call->asked && !call->cancelled)
		return call;
	return NULL;
}

static void on_turn(uv_idle_t *turn)
{
	struct client *h = turn->data;
	struct og_http_call *call = next_unasked(h);

	if (!call) {
		uv_idle_stop(turn);
		return;
	}
	call->asked = true;
	h->answer(h->ctx, call, &call->request);
}

static struct og_http_call *memory_start(struct og_http *base, const struct og_http_request *request,
	const struct og_http_handler *handler, struct og_error *err)
{
	struct client *h = (struct client *)base;
	struct og_http_call *call;

	if (strncmp(request->url, "http://", 7) != 0 && strncmp(request->url, "https://", 8) != 0) {
		og_fail(err, OG_INVALID, "URL \"%s\": only http and https", request->url);
		return NULL;
	}
	call = og_new(struct og_http_call);
	call->handler = *handler;
	call->request = *request;
	call->request.headers = copy_headers(request->headers);
	call->request.method = og_strdup(request->method);
	call->request.url = og_strdup(request->url);
	call->request.body = request->body_len ? og_memdup(request->body, request->body_len) : NULL;
	call->request.user = og_strdup(request->user);
	call->request.password = og_strdup(request->password);
	call->request.unix_socket = og_strdup(request->unix_socket);
	TAILQ_INSERT_TAIL(&h->calls, call, next);
	uv_idle_start(&h->turn, on_turn);
	return call;
}

static void memory_cancel(struct og_http *base, struct og_http_call *call)
{
	(void)base;
	if (!call->ended)
		call->cancelled = true;
}

static void on_closed(uv_handle_t *turn)
{
	struct client *h = turn->data;
	void (*cb)(void *) = h->closed_cb;
	void *ctx = h->closed_ctx;
	struct og_http_call *call;

	while ((call = TAILQ_FIRST(&h->calls))) {
		TAILQ_REMOVE(&h->calls, call, next);
		call_free(call);
	}
	free(h);
	if (cb)
		cb(ctx);
}

static void memory_close(struct og_http *base, void (*cb)(void *ctx), void *ctx)
{
	struct client *h = (struct client *)base;
	struct og_http_call *call;

	TAILQ_FOREACH(call, &h->calls, next)
	memory_cancel(base, call);
	h->closed_cb = cb;
	h->closed_ctx = ctx;
	uv_close((uv_handle_t *)&h->turn, on_closed);
}

struct og_http *og_http_memory_open(uv_loop_t *loop, og_http_memory_answer *answer, void *ctx)
{
	static const struct og_http_ops ops = {.start = memory_start, .cancel = memory_cancel, .close = memory_close};
	struct client *h = og_new(struct client);

	h->base.ops = &ops;
	h->answer = answer;
	h->ctx = ctx;
	TAILQ_INIT(&h->calls);
	uv_idle_init(loop, &h->turn);
	h->turn.data = h;
	return &h->base;
}

/* ---- what a test drives ---- */

static bool over(const struct og_http_call *call)
{
	return call->cancelled || call->ended;
}

void og_http_memory_status(struct og_http_call *call, int status, const char *content_type)
{
	if (over(call))
		return;
	call->status = status;
	if (call->handler.on_status)
		call->handler.on_status(call->handler.ctx, status, content_type);
}

int og_http_memory_body(struct og_http_call *call, const char *data, size_t len)
{
	struct og_error err = {0};

	if (over(call))
		return -1;
	if (call->handler.on_body && call->handler.on_body(call->handler.ctx, data, len) < 0) {
		og_fail(&err, OG_INVALID, "aborted by the reader");
		og_http_memory_end(call, &err);
	}
	return over(call) ? -1 : 0;
}

void og_http_memory_end(struct og_http_call *call, const struct og_error *err)
{
	if (over(call))
		return;
	call->ended = true;
	call->handler.on_end(call->handler.ctx, call->status, err);
}

bool og_http_memory_cancelled(struct og_http *base)
{
	const struct og_http_call *last = TAILQ_LAST(&((struct client *)base)->calls, calls);

	return last && last->cancelled;
}
