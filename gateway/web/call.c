/* One request: its head and body as they come, its answer as it goes out. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "web/web_state.h"

#define HEADERS_MAX (8u * 1024)
#define NOTES_MAX   2048
#define BLOCK       1024 /* libmicrohttpd's buffer of a stream; it copies more into the connection's memory */

/* ── life ── */

static const char *method_of(const char *name)
{
	static const char *const known[] = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"};

	for (size_t i = 0; i < OG_COUNT(known); i++)
		if (!strcmp(known[i], name))
			return known[i];
	return "?";
}

static void find_peer(struct og_web_call *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *a = info ? info->client_addr : NULL;

	if (a && a->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, c->peer, sizeof(c->peer));
	else if (a && a->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)a)->sin6_addr, c->peer, sizeof(c->peer));
}

static struct og_web_call *begin(struct og_web *w, struct MHD_Connection *mhd, const char *url, const char *method)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct og_web_call *c = og_new(struct og_web_call);

	c->w = w;
	c->mhd = mhd;
	c->on = info ? info->socket_context : NULL;
	if (c->on)
		c->on->call = c;
	c->method = method_of(method);
	c->path = og_web_target(url, &c->host);
	c->since_us = og_clock_mono_us();
	c->since_ms = c->since_us / 1000;
	og_uuid_new(c->id);
	og_buf_init(&c->body, w->config.body_max);
	og_buf_init(&c->out, w->config.stream_max);
	og_buf_init(&c->headers, HEADERS_MAX);
	og_buf_init(&c->notes, NOTES_MAX);
	find_peer(c);
	og_web_set_header(c, "x-request-id", c->id);
	DL_APPEND(w->calls, c);
	w->n_calls++;
	return c;
}

static void call_free(struct og_web_call *c)
{
	if (c->kept_done)
		c->kept_done(c->kept);
	if (c->response)
		MHD_destroy_response(c->response);
	for (size_t i = 0; i < OG_WEB_PARTS_MAX; i++)
		free(c->parts[i]);
	og_web_form_free(c->form);
	c->w->bodies -= c->body.len;
	og_buf_done(&c->body);
	og_buf_done(&c->out);
	og_buf_done(&c->headers);
	og_buf_done(&c->notes);
	free(c->content_type);
	free(c->path);
	free(c->host);
	free(c);
}

/* The handler's part in it is over: its client has gone. */
static void tell_gone(struct og_web_call *c)
{
	if (c->phase != OG_WEB_WAITS && c->phase != OG_WEB_STREAMS)
		return;
	c->phase = OG_WEB_CUT;
	c->lost = true;
	if (c->on_gone)
		c->on_gone(c->gone_ctx);
}

void og_web_gone(struct og_web_call *c)
{
	tell_gone(c);
	og_web_resume(c);
}

void og_web_on_completed(void *ctx, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode how)
{
	struct og_web *w = ctx;
	struct og_web_call *c = *state;

	(void)mhd;
	if (!c)
		return;
	*state = NULL;
	c->suspended = false;
	og_web_unwatch(c);
	if (how != MHD_REQUEST_TERMINATED_COMPLETED_OK && c->phase != OG_WEB_CUT)
		c->lost = true;
	tell_gone(c);
	if (c->on) {
		c->on->call = NULL;
		c->on->since_ms = og_clock_mono_ms();
	}
	DL_DELETE(w->calls, c);
	w->n_calls--;
	if (w->config.hooks.ended)
		w->config.hooks.ended(w->config.hooks.ctx, c);
	call_free(c);
}

/* ── the answer, to libmicrohttpd ── */

static void add_headers(const struct og_web_call *c, struct MHD_Response *response)
{
	const char *at = og_buf_str(&c->headers), *end = at + c->headers.len;

	while (at < end) {
		const char *value = at + strlen(at) + 1;

		MHD_add_response_header(response, at, value);
		at = value + strlen(value) + 1;
	}
	if (c->content_type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, c->content_type);
	if (c->w->stopping)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static ssize_t read_stream(void *ctx, uint64_t at, char *to, size_t max)
{
	struct og_web_call *c = ctx;
	size_t left = c->out.len - c->sent_of_out;

	(void)at;
	if (c->phase == OG_WEB_CUT)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (left) {
		size_t n = left < max ? left : max;

		memcpy(to, c->out.data + c->sent_of_out, n);
		c->sent_of_out += n;
		c->sent += n;
		if (c->sent_of_out == c->out.len) {
			og_buf_clear(&c->out);
			c->sent_of_out = 0;
		}
		return (ssize_t)n;
	}
	if (c->phase == OG_WEB_DRAINS)
		return MHD_CONTENT_READER_END_OF_STREAM;
	c->suspended = true;
	MHD_suspend_connection(c->mhd);
	return 0;
}

static enum MHD_Result queue(struct og_web_call *c)
{
	struct MHD_Response *response = OG_TAKE(c->response);
	enum MHD_Result rc;

	if (!response)
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, c, NULL);
	add_headers(c, response);
	rc = MHD_queue_response(c->mhd, (unsigned)c->status, response);
	MHD_destroy_response(response);
	return rc;
}

/* ── the request, from libmicrohttpd ── */

static uint64_t body_max(const struct og_web_call *c)
{
	return c->route && c->route->form_max ? (uint64_t)c->route->form_max : c->w->config.body_max;
}

static bool is_too_large(const struct og_web_call *c)
{
	const char *expect = og_web_header(c, MHD_HTTP_HEADER_EXPECT);
	const char *length = og_web_header(c, MHD_HTTP_HEADER_CONTENT_LENGTH);
	int64_t n;

	return expect && length && og_parse_int(length, 0, INT64_MAX, &n, NULL) == 0 && (uint64_t)n > body_max(c);
}

/* Above the connection's memory libmicrohttpd refuses it by itself, in HTML. */
static bool has_large_head(const struct og_web_call *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info && info->header_size > OG_WEB_HEAD_MAX;
}

static void refuse(struct og_web_call *c, enum og_web_why why)
{
	c->w->config.hooks.refuse(c->w->config.hooks.ctx, c, why);
}

/* What can be refused before its body has come. Only who asks before sending it is told at once. The others are let send it, into
 * nowhere: most clients read no answer before they have written all, and take a closed connection for our fault. */
static void judge_head(struct og_web_call *c)
{
	const struct og_web_config *config = &c->w->config;
	enum og_web_why why;

	if (og_web_is_ambiguous(c->mhd)) {
		og_web_set_header(c, MHD_HTTP_HEADER_CONNECTION, "close");
		refuse(c, OG_WEB_AMBIGUOUS);
		c->handled = true; /* nobody knows where its body ends */
		return;
	}
	if (og_web_cors(c))
		return;
	c->route = og_web_route_find(config->routes, config->n_routes, c->method, c->path, c->parts, &why);
	if (c->w->stopping)
		refuse(c, OG_WEB_STOPPING);
	else if (has_large_head(c))
		refuse(c, OG_WEB_HEAD_TOO_LARGE);
	else if (!c->route)
		refuse(c, why);
	else if (is_too_large(c))
		refuse(c, OG_WEB_TOO_LARGE);
	else if (config->hooks.admits && !config->hooks.admits(config->hooks.ctx, c))
		c->unkept = true;
	else if (c->route->form_max)
		og_web_form_begin(c);
}

static void drop_body(struct og_web_call *c)
{
	c->w->bodies -= c->body.len;
	og_buf_done(&c->body);
}

/* What cannot be kept is refused, and the rest of it read and forgotten: an answer may only follow a whole body. */
static void keep(struct og_web_call *c, const char *data, size_t len)
{
	bool full = c->w->bodies + len > c->w->config.bodies_max;

	if (!full && og_buf_add(&c->body, data, len) == 0) {
		c->w->bodies += len;
		return;
	}
	drop_body(c);
	refuse(c, full ? OG_WEB_FULL : OG_WEB_TOO_LARGE);
}

static void take(struct og_web_call *c, const char *data, size_t len)
{
	c->received += (int64_t)len;
	if (c->status)
		return;
	if ((uint64_t)c->received > body_max(c)) {
		drop_body(c);
		refuse(c, OG_WEB_TOO_LARGE);
	} else if (c->form) {
		og_web_form_take(c, data, len);
	} else if (!c->route->form_max && !c->unkept) {
		keep(c, data, len);
	}
}

static enum MHD_Result go_on(struct og_web_call *c)
{
	switch (c->phase) {
	case OG_WEB_WAITS:
		c->suspended = true;
		MHD_suspend_connection(c->mhd);
		return MHD_YES;
	case OG_WEB_CUT:
		return MHD_NO;
	default:
		return queue(c);
	}
}

enum MHD_Result og_web_on_access(void *ctx, struct MHD_Connection *mhd, const char *url, const char *method,
	const char *version, const char *data, size_t *len, void **state)
{
	struct og_web_call *c = *state;
	struct og_web *w = ctx;

	(void)version;
	if (w->closed) /* what is suspended now would never be resumed */
		return MHD_NO;
	if (!c) {
		*state = c = begin(w, mhd, url, method);
		judge_head(c);
		c->handled = c->handled || (c->status && og_web_header(c, MHD_HTTP_HEADER_EXPECT));
		return c->handled ? queue(c) : MHD_YES;
	}
	if (*len) {
		take(c, data, *len);
		*len = 0;
		return MHD_YES;
	}
	if (!c->handled) {
		c->handled = true;
		if (!c->status) {
			c->phase = OG_WEB_WAITS;
			og_web_form_end(c);
			c->route->handle(c->w->config.ctx, c);
		}
	}
	return go_on(c);
}

const char *og_web_method(const struct og_web_call *c)
{
	return c->method;
}

const char *og_web_path(const struct og_web_call *c)
{
	return c->path;
}

const char *og_web_part(const struct og_web_call *c, size_t i)
{
	return i < OG_WEB_PARTS_MAX && c->parts[i] ? c->parts[i] : "";
}

const void *og_web_more(const struct og_web_call *c)
{
	return c->route ? c->route->more : NULL;
}

void og_web_keep(struct og_web_call *c, void *data, void (*done)(void *data))
{
	c->kept = data;
	c->kept_done = done;
}

void *og_web_kept(const struct og_web_call *c)
{
	return c->kept;
}

const char *og_web_query(const struct og_web_call *c, const char *name)
{
	return MHD_lookup_connection_value(c->mhd, MHD_GET_ARGUMENT_KIND, name);
}

const char *og_web_header(const struct og_web_call *c, const char *name)
{
	return MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, name);
}

const char *og_web_body(const struct og_web_call *c, size_t *ret_len)
{
	*ret_len = c->body.len;
	return og_buf_str(&c->body);
}

bool og_web_from_loopback(const struct og_web_call *c)
{
	return !strncmp(c->peer, "127.", 4) || !strcmp(c->peer, "::1") || !strncmp(c->peer, "::ffff:127.", 11);
}

const char *og_web_peer(const struct og_web_call *c)
{
	return c->peer;
}

const char *og_web_request_id(const struct og_web_call *c)
{
	return c->id;
}

int64_t og_web_since_us(const struct og_web_call *c)
{
	return c->since_us;
}
