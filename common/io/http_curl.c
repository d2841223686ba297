/* The client. curl watches connect and total time; the first byte and the gaps between bytes are watched here.
 *
 * curl must not be asked to add or remove a transfer while it runs, and our handlers are called by it. So start, cancel
 * and close only mark what they want while the multi handle is busy; `settle` does it right afterwards. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "io/http.h"
#include "io/http_multi.h"
#include "io/sigpipe.h"

#define HEAD_CAP ((size_t)256 << 10) /* bytes of the answer's headers */

struct og_http_call {
	LIST_ENTRY(og_http_call) next;
	struct client *client;
	struct og_http_handler handler;
	struct og_http_limits limits;
	bool (*may_connect)(const struct sockaddr *address);
	const char *may_connect_by;
	CURL *easy;
	struct curl_slist *headers;
	void *body;
	bool added;     /* to the multi handle */
	bool cancelled; /* by the caller: it is told nothing more */
	bool refused;   /* an address, by may_connect */
	bool tried;     /* another, which it let pass */
	bool ended;     /* on_end has been or is being called */
	int status;     /* 0 until the final head has come */
	size_t head_bytes, body_bytes;
	struct og_error why;         /* set by us where we end it; curl's own words otherwise */
	char words[CURL_ERROR_SIZE]; /* curl's */
	uv_timer_t timer;            /* for first_byte_ms, then for idle_ms */
	int64_t started_ms, last_ms; /* monotonic; of the last byte of the body */
	bool late;                   /* and was given one more turn of the loop */
};

struct client {
	struct og_http base;
	uv_loop_t *loop;
	struct og_http_multi *multi;
	LIST_HEAD(, og_http_call) calls;
	bool closing, multi_closed;
	unsigned parts; /* the multi handle and the calls' timers: those that libuv still holds */
	void (*closed_cb)(void *ctx);
	void *closed_ctx;
};

static void part_gone(void *ctx)
{
	struct client *h = ctx;
	void (*cb)(void *) = h->closed_cb;
	void *cb_ctx = h->closed_ctx;

	if (--h->parts)
		return;
	free(h);
	curl_global_cleanup();
	if (cb)
		cb(cb_ctx);
}

/* ---- the end of a call ---- */

static void on_timer_closed(uv_handle_t *timer)
{
	struct og_http_call *call = timer->data;
	struct client *h = call->client;

	free(call);
	part_gone(h);
}

/* Out of curl: a transfer that had not ended loses its connection. The memory stays until the timer is closed. */
static void drop(struct og_http_call *call)
{
	LIST_REMOVE(call, next);
	if (call->added)
		curl_multi_remove_handle(call->client->multi->curl, call->easy);
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	free(call->body);
	uv_close((uv_handle_t *)&call->timer, on_timer_closed);
}

static void finish(struct og_http_call *call)
{
	call->ended = true;
	drop(call);
	call->handler.on_end(call->handler.ctx, call->status, call->why.kind ? &call->why : NULL);
}

static void on_done(void *ctx, CURL *easy, CURLcode code)
{
	struct og_http_call *call = NULL;

	(void)ctx;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
	if (call->cancelled)
		return; /* `settle` drops it */
	if (code == CURLE_COULDNT_CONNECT && call->refused && !call->tried)
		og_fail(&call->why, OG_INVALID, "its name leads to an address that is not allowed%s%s%s",
			call->may_connect_by ? " (" : "", call->may_connect_by ? call->may_connect_by : "",
			call->may_connect_by ? ")" : "");
	else if (code != CURLE_OK && !call->why.kind)
		og_fail(&call->why, OG_RETRY, "%s", *call->words ? call->words : curl_easy_strerror(code));
	finish(call);
}

static void settle(void *ctx)
{
	struct client *h = ctx;
	struct og_http_call *call, *after;

	for (call = LIST_FIRST(&h->calls); call; call = after) {
		after = LIST_NEXT(call, next);
		if (call->cancelled) {
			drop(call);
		} else if (!call->added) {
			call->added = true;
			if (curl_multi_add_handle(h->multi->curl, call->easy) != CURLM_OK)
				abort(); /* out of memory */
		}
	}
	if (h->closing && !h->multi_closed) {
		h->multi_closed = true;
		og_http_multi_close(h->multi);
	}
}

/* ---- first byte and idle ---- */

static void on_timer(uv_timer_t *timer);

static void arm(struct og_http_call *call, int64_t ms)
{
	uv_update_time(call->client->loop);
	uv_timer_start(&call->timer, on_timer, ms > 0 ? (uint64_t)ms : 0, 0);
}

/* The loop itself may have been away: a late call gets one more turn, in which what has come meanwhile is read. */
static void on_timer(uv_timer_t *timer)
{
	struct og_http_call *call = timer->data;
	bool begun = call->body_bytes > 0;
	int64_t limit = begun ? call->limits.idle_ms : call->limits.first_byte_ms;
	int64_t left = (begun ? call->last_ms : call->started_ms) + limit - og_clock_mono_ms();

	if (left > 0) {
		call->late = false;
		arm(call, left);
	} else if (!call->late) {
		call->late = true;
		arm(call, 1);
	} else {
		og_fail(&call->why, OG_RETRY, "%s within %lld ms", begun ? "nothing more came" : "no answer came",
			(long long)limit);
		finish(call);
	}
}

static void on_bytes(struct og_http_call *call, size_t len)
{
	bool first = call->body_bytes == 0;

	call->body_bytes += len;
	call->last_ms = og_clock_mono_ms();
	if (first && call->limits.idle_ms)
		arm(call, call->limits.idle_ms);
	else if (first)
		uv_timer_stop(&call->timer);
}

/* ---- what curl calls: a return other than the length ends the transfer ---- */

static size_t on_head(char *line, size_t one, size_t len, void *ctx)
{
	struct og_http_call *call = ctx;
	const char *type = NULL;
	long status = 0;

	(void)one;
	if (call->cancelled)
		return 0;
	call->head_bytes += len;
	if (call->head_bytes > HEAD_CAP) {
		og_fail(&call->why, OG_INVALID, "the answer's headers are larger than %zu bytes", HEAD_CAP);
		return 0;
	}
	if (call->status || (strncmp(line, "\r\n", len) != 0 && strncmp(line, "\n", len) != 0))
		return len; /* a trailer, or not yet the empty line */
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		return len; /* "100 Continue" and the like: the final head is to come */
	call->status = (int)status;
	curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
	if (call->handler.on_status)
		call->handler.on_status(call->handler.ctx, call->status, type ? type : "");
	return call->cancelled ? 0 : len;
}

static size_t on_body(char *data, size_t one, size_t len, void *ctx)
{
	struct og_http_call *call = ctx;

	(void)one;
	if (call->cancelled || !len)
		return 0;
	on_bytes(call, len);
	if (call->limits.body_cap && call->body_bytes > call->limits.body_cap) {
		og_fail(&call->why, OG_INVALID, "the answer is larger than %zu bytes", call->limits.body_cap);
		return 0;
	}
	if (call->handler.on_body && call->handler.on_body(call->handler.ctx, data, len) < 0)
		og_fail(&call->why, OG_INVALID, "aborted by the reader");
	return call->cancelled || call->why.kind ? 0 : len;
}

/* The name has been resolved. */
static curl_socket_t on_address(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct og_http_call *call = ctx;

	(void)purpose;
	if (!call->may_connect(&address->addr)) {
		call->refused = true;
		return CURL_SOCKET_BAD;
	}
	call->tried = true;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- starting ---- */

static int check_url(const char *url, struct og_error *err)
{
	CURLU *u = curl_url();
	char *scheme = NULL;
	CURLUcode code = curl_url_set(u, CURLUPART_URL, url, 0);
	int status = 0;

	if (code == CURLUE_OK)
		code = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
	if (code != CURLUE_OK)
		status = og_fail(err, OG_INVALID, "URL \"%s\": %s", url, curl_url_strerror(code));
	else if (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0)
		status = og_fail(err, OG_INVALID, "URL \"%s\": only http and https", url);
	curl_free(scheme);
	curl_url_cleanup(u);
	return status;
}

static void set_headers(struct og_http_call *call, const char *const *headers)
{
	bool typed = false;

	for (; headers && *headers; headers++) {
		typed |= strncasecmp(*headers, "Content-Type:", strlen("Content-Type:")) == 0;
		call->headers = curl_slist_append(call->headers, *headers);
	}
	call->headers = curl_slist_append(call->headers, "Expect:"); /* no "100-continue" before a large body */
	if (!typed)
		call->headers = curl_slist_append(call->headers, "Content-Type:"); /* curl would say it is a form */
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static void set_method(struct og_http_call *call, const struct og_http_request *request)
{
	bool post = strcmp(request->method, "POST") == 0;

	if (post || request->body_len) {
		call->body = og_memdup(request->body, request->body_len);
		curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->body);
		curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
	} else if (strcmp(request->method, "HEAD") == 0) {
		curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
	}
	if (!post)
		curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_options(struct og_http_call *call, const struct og_http_request *request)
{
	CURL *easy = call->easy;
	int64_t connect_ms = request->limits.connect_ms;

	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(
		easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* cancel must close the connection */
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* never wait for the thread that resolves a name */
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_ms ? connect_ms : INT_MAX));
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->limits.total_ms);
	curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
	if (request->may_connect) {
		call->may_connect = request->may_connect;
		call->may_connect_by = request->may_connect_by;
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_address);
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
	}
	if (request->user) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, request->user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, request->password ? request->password : "");
	}
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->words);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	set_method(call, request);
	set_headers(call, request->headers);
}

static struct og_http_call *http_start(struct og_http *base, const struct og_http_request *request,
	const struct og_http_handler *handler, struct og_error *err)
{
	struct client *h = (struct client *)base;
	struct og_http_call *call;

	if (h->closing) {
		og_fail(err, OG_RETRY, "the HTTP client is closing");
		return NULL;
	}
	if (check_url(request->url, err) < 0)
		return NULL;
	call = og_new(struct og_http_call);
	call->client = h;
	call->handler = *handler;
	call->limits = request->limits;
	call->started_ms = og_clock_mono_ms();
	call->easy = curl_easy_init();
	if (!call->easy)
		abort(); /* out of memory */
	uv_timer_init(h->loop, &call->timer);
	call->timer.data = call;
	h->parts++;
	set_options(call, request);
	if (call->limits.first_byte_ms)
		arm(call, call->limits.first_byte_ms);
	LIST_INSERT_HEAD(&h->calls, call, next);
	if (!h->multi->busy)
		settle(h);
	return call;
}

static void http_cancel(struct og_http *base, struct og_http_call *call)
{
	struct client *h = (struct client *)base;

	if (call->ended)
		return; /* from inside its on_end */
	call->cancelled = true;
	if (!h->multi->busy)
		settle(h);
}

static void http_close(struct og_http *base, void (*cb)(void *ctx), void *ctx)
{
	struct client *h = (struct client *)base;
	struct og_http_call *call;

	h->closing = true;
	h->closed_cb = cb;
	h->closed_ctx = ctx;
	LIST_FOREACH(call, &h->calls, next)
	call->cancelled = true;
	if (!h->multi->busy)
		settle(h);
}

struct og_http *og_http_open(uv_loop_t *loop, struct og_error *err)
{
	static const struct og_http_ops ops = {.start = http_start, .cancel = http_cancel, .close = http_close};
	CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
	struct client *h;

	if (code != CURLE_OK) {
		og_fail(err, OG_FATAL, "libcurl cannot be used: %s", curl_easy_strerror(code));
		return NULL;
	}
	og_ignore_sigpipe();
	h = og_new(struct client);
	h->base.ops = &ops;
	h->loop = loop;
	LIST_INIT(&h->calls);
	h->multi = og_http_multi_new(loop, &(struct og_http_multi_events){on_done, settle, part_gone, h});
	h->parts = 1;
	return &h->base;
}
