#include "gateway.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/background.h"
#include "api/orphans.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "batch/keeper.h"
#include "files/keeper.h"
#include "store/ledger.h"
#include "webhook/admin.h"
#include "webhook/webhooks.h"

#define DRAIN_LOOK_MS 50

struct og_gateway {
	struct og_gateway_config config;
	struct og_store_dialer store_dialer;
	char *first_key; /* path of the file of the store's first key */
	bool store_told; /* that the store is away has been logged */
	struct og_api api;
	struct og_web_route *routes;
	struct og_batch_keeper *batches;
	struct og_file_keeper *files;
	uv_timer_t drain;
	bool stopping;
};

/* ── hooks of the server ── */

static void refuse(void *ctx, struct og_web_call *c, enum og_web_why why)
{
	struct og_gateway *g = ctx;
	const struct og_settings *s = g->api.settings;
	const struct og_api_route *route = og_web_more(c);
	struct og_refusal r;
	char bytes[32];
	bool form;

	switch (why) {
	case OG_WEB_NOT_FOUND:
		og_refuse_with(&r, 404, "not_found", "there is nothing at %s %.200s", og_web_method(c), og_web_path(c));
		break;
	case OG_WEB_METHOD_NOT_ALLOWED:
		og_refuse_with(
			&r, 405, "method_not_allowed", "%.200s does not take %s", og_web_path(c), og_web_method(c));
		break;
	case OG_WEB_TOO_LARGE:
		form = route && route->need == OG_NEED_KEY_FORM;
		og_refuse_with(&r, 413, "too_large", "the body is larger than %s (gateway.%s): %s",
			og_format_bytes(form ? s->gateway_file_max : s->gateway_body_max, bytes, sizeof(bytes)),
			form ? "file_max" : "body_max",
			form ? "split the file, or have the operator raise it" : "send less");
		break;
	case OG_WEB_HEAD_TOO_LARGE:
		og_refuse_with(&r, 431, "too_large", "the request's line and headers are more than 16 KiB");
		break;
	case OG_WEB_AMBIGUOUS:
		og_refuse_with(&r, 400, "invalid_request",
			"its headers can be read in two ways: send one Host, one Content-Length or "
			"`Transfer-Encoding: chunked` alone, no space in a header's name");
		break;
	case OG_WEB_FULL:
		og_refuse_with(&r, 503, "busy", "so much is being sent to this gateway that it takes no more now");
		r.retry_after_s = 1;
		break;
	case OG_WEB_STOPPING:
		og_refuse_with(&r, 503, "unavailable", "this gateway is being stopped: ask again");
		r.retry_after_s = 1;
		break;
	}
	og_api_head(c);
	og_refuse(c, &r);
}

static bool admits(void *ctx, const struct og_web_call *c)
{
	struct og_gateway *g = ctx;

	return og_api_admits(&g->api, c);
}

static void on_ended(void *ctx, const struct og_web_call *c)
{
	struct og_gateway *g = ctx;
	int status = og_web_status(c), class = og_web_was_cut(c) && !status ? 0 : status / 100;
	char path[256];

	g->api.metrics.requests[class >= 0 && class <= 5 ? class : 0]++;
	og_info("request", "request=%s peer=%s method=%s path=%s status=%d ms=%" PRId64 " bytes=%" PRIu64 "%s%s",
		og_web_request_id(c), og_web_peer(c), og_web_method(c),
		og_log_quote(og_web_path(c), path, sizeof(path)), status,
		(og_clock_mono_us() - og_web_since_us(c)) / 1000, og_web_sent(c), og_web_was_cut(c) ? " cut=1" : "",
		og_web_notes(c));
}

/* ── the line ── */

static void on_line(void *ctx, bool up, const struct og_error *why)
{
	struct og_gateway *g = ctx;
	og_autofree char *text = up ? og_printf("Serving at %s", g->config.settings->gateway_listen)
	                            : og_printf("Without the broker: %s", why->message);

	g->config.on_state(g->config.ctx, up, text);
}

static void on_refused(void *ctx, const struct og_error *why)
{
	struct og_gateway *g = ctx;

	g->config.on_refused(g->config.ctx, why);
}

/* ── the store ── */

static void on_orphans(void *ctx, const struct og_orphan *orphans, size_t n)
{
	struct og_gateway *g = ctx;

	og_orphans_settle(&g->api, orphans, n);
}

static void on_store_up(void *ctx)
{
	struct og_gateway *g = ctx;

	g->store_told = false;
	og_info("The store is reached", NULL);
}

/* Each failed try comes here: the first is told. */
static void on_store_down(void *ctx, const struct og_error *why)
{
	struct og_gateway *g = ctx;

	if (!g->store_told)
		og_error_log(why->message, "hint=\"without the store no key can be looked up\"");
	g->store_told = true;
}

static void on_first_key(void *ctx, const char *secret, const struct og_error *err)
{
	struct og_gateway *g = ctx;

	if (secret || err)
		g->config.on_first_key(g->config.ctx, secret, g->first_key, err);
}

static int open_store(struct og_gateway *g, uv_loop_t *loop, struct og_error *err)
{
	const struct og_settings *s = g->config.settings;
	const struct og_store_config store = {.cluster = s->cluster,
		.dial = og_store_dial,
		.dial_ctx = &g->store_dialer,
		.on_up = on_store_up,
		.on_down = on_store_down,
		.on_orphans = on_orphans,
		.ctx = g};

	g->store_dialer = (struct og_store_dialer){loop, s, g->config.credentials};
	g->api.store = og_store_open(loop, &store, err);
	if (!g->api.store)
		return og_fail_in(err, "store.address");
	g->first_key = og_path_join(s->secrets, "gateway.key");
	og_keys_first(g->api.store, g->first_key, on_first_key, g);
	return 0;
}

bool og_gateway_ask(struct og_gateway *g, const char *verb, const json_t *request, struct og_control_ask *ask)
{
	return og_webhook_control(&g->api, verb, request, ask) || og_store_control(g->api.store, verb, request, ask);
}

/* ── life ── */

static struct og_web_route *web_routes(const struct og_settings *s)
{
	struct og_web_route *routes = og_alloc(og_api_n_routes * sizeof(*routes));

	for (size_t i = 0; i < og_api_n_routes; i++)
		routes[i] = (struct og_web_route){.method = og_api_routes[i].method,
			.path = og_api_routes[i].path,
			.handle = og_api_dispatch,
			.form_max = og_api_routes[i].need == OG_NEED_KEY_FORM ? s->gateway_file_max : 0,
			.more = &og_api_routes[i]};
	return routes;
}

static int listen_on(struct og_gateway *g, uv_loop_t *loop, struct og_error *err)
{
	const struct og_settings *s = g->config.settings;
	const struct og_web_config web = {.listen = s->gateway_listen,
		.cert = s->gateway_tls_cert,
		.key = s->gateway_tls_key,
		.cors_origins = s->gateway_cors_origins,
		.body_max = (size_t)s->gateway_body_max,
		.bodies_max = (size_t)s->gateway_bodies_max,
		.form_dir = s->gateway_files,
		.stream_max = (size_t)s->gateway_stream_max,
		.connections_max = (unsigned)s->gateway_connections_max,
		.idle_ms = s->gateway_idle_ms,
		.body_ms = s->gateway_body_ms,
		.routes = g->routes,
		.n_routes = og_api_n_routes,
		.ctx = &g->api,
		.hooks = {.refuse = refuse, .admits = admits, .ended = on_ended, .ctx = g}};

	g->api.web = og_web_open(loop, &web, err);
	return g->api.web ? 0 : -1;
}

static int open_line(struct og_gateway *g, uv_loop_t *loop, struct og_error *err)
{
	const struct og_link_config link = {.session = {.settings = g->config.settings,
						    .user = g->config.credentials->user,
						    .dial = og_session_dial},
		.on_state = on_line,
		.on_refused = on_refused,
		.ctx = g};

	g->api.link = og_link_open(loop, &link, err);
	return g->api.link ? 0 : -1;
}

static int open_webhooks(struct og_gateway *g, struct og_error *err)
{
	g->api.webhooks = og_webhooks_open(&g->api, err);
	return g->api.webhooks ? 0 : -1;
}

void og_gateway_free(struct og_gateway *g)
{
	if (!g)
		return;
	free(g->routes);
	free(g->first_key);
	free(g);
}

int og_gateway_start(
	uv_loop_t *loop, const struct og_gateway_config *config, struct og_gateway **ret, struct og_error *err)
{
	struct og_gateway *g = og_new(struct og_gateway);

	g->config = *config;
	g->api = (struct og_api){.loop = loop,
		.settings = config->settings,
		.catalogue = config->catalogue,
		.started_s = og_clock_wall_ms() / 1000};
	og_kinds_init(&g->api.kinds, config->settings);
	g->routes = web_routes(config->settings);
	if (og_background_check(config->settings->gateway_background, err) < 0)
		goto fail;
	if (og_mkdir_p(config->settings->gateway_files, 0700, err) < 0 || listen_on(g, loop, err) < 0)
		goto fail;
	if (open_line(g, loop, err) < 0 || open_store(g, loop, err) < 0 || open_webhooks(g, err) < 0) {
		og_web_close(g->api.web, NULL, NULL);
		if (g->api.link)
			og_link_close(g->api.link, NULL, NULL);
		og_store_close(g->api.store, NULL, NULL);
		goto fail; /* the caller's loop ends them: they know nothing of us any more */
	}
	g->batches = og_batch_keeper_open(&g->api);
	g->files = og_file_keeper_open(&g->api);
	uv_timer_init(loop, &g->drain);
	g->drain.data = g;
	*ret = g;
	return 0;
fail:
	og_gateway_free(g);
	return -1;
}

int og_gateway_port(const struct og_gateway *g)
{
	return og_web_port(g->api.web);
}

void og_gateway_status(struct og_gateway *g, json_t *status)
{
	json_object_set_new(status, "gateway",
		json_pack("{s:s, s:i, s:b, s:b, s:I, s:I, s:I}", "listen", g->config.settings->gateway_listen, "port",
			og_web_port(g->api.web), "broker", og_link_is_up(g->api.link), "store",
			og_store_is_up(g->api.store), "requests", (json_int_t)og_web_calls(g->api.web), "connections",
			(json_int_t)og_web_connections(g->api.web), "jobs", (json_int_t)og_link_jobs(g->api.link)));
}

static void on_look(uv_timer_t *timer)
{
	struct og_gateway *g = timer->data;

	if (og_web_calls(g->api.web) || og_link_jobs(g->api.link))
		return;
	if (og_store_is_up(g->api.store) && !og_ledger_is_idle(g->api.store))
		return;
	if (!og_webhooks_are_idle(g->api.webhooks))
		return;
	uv_timer_stop(timer);
	g->config.on_drained(g->config.ctx);
}

void og_gateway_drain(struct og_gateway *g)
{
	og_web_quiesce(g->api.web);
	og_batch_keeper_stop(g->batches);
	og_webhooks_stop(g->api.webhooks);
	uv_timer_start(&g->drain, on_look, 0, DRAIN_LOOK_MS);
}

/* What comes back from a thread after this (a file that was synced, a host that was looked up) finds none. */
static void on_store_closed(void *ctx)
{
	struct og_gateway *g = ctx;

	g->api.store = NULL;
}

void og_gateway_stop(struct og_gateway *g)
{
	if (g->stopping)
		return;
	g->stopping = true;
	uv_close((uv_handle_t *)&g->drain, NULL);
	og_file_keeper_close(g->files);
	og_batch_keeper_close(g->batches);
	og_webhooks_close(g->api.webhooks);
	og_web_close(g->api.web, NULL, NULL);
	og_link_close(g->api.link, NULL, NULL);
	og_store_close(g->api.store, on_store_closed, g);
}
