/* /healthz, /readyz, /metrics: for load balancers and for those who look after the gateway. */
#include "api/health.h"

#include <string.h>

#include "base/buf.h"

#define METRICS_MAX (64u * 1024)

void og_healthz(struct og_api *api, struct og_web_call *c)
{
	(void)api;
	og_web_reply(c, 200, "text/plain; charset=utf-8", "ok\n", 3);
}

static json_t *ready(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	(void)api;
	(void)c;
	return json_pack(
		"{s:b, s:O?}", "ready", 1, "scheduler", json_object_get(json_object_get(answer, "scheduler"), "state"));
}

/* A real round trip: through the broker to the leading scheduler and back. Without the store no key can be looked up. */
void og_readyz(struct og_api *api, struct og_web_call *c)
{
	struct og_refusal why;

	if (!og_store_is_up(api->store) && !api->settings->gateway_loopback_without_key) {
		og_refuse_with(&why, 503, "unavailable", "the store cannot be reached: API keys cannot be looked up");
		why.retry_after_s = OG_STORE_RETRY_S;
		og_refuse(c, &why);
		return;
	}
	og_api_ask(api, c, "status", NULL, ready);
}

void og_metrics_page(struct og_api *api, struct og_web_call *c)
{
	const struct og_gauges now = {.calls = og_web_calls(api->web),
		.connections = og_web_connections(api->web),
		.jobs = og_link_jobs(api->link),
		.broker_up = og_link_is_up(api->link),
		.store_up = og_store_is_up(api->store)};
	struct og_buf out;
	size_t len;

	og_buf_init(&out, METRICS_MAX);
	og_metrics_write(&api->metrics, &now, &out);
	len = out.len;
	og_web_reply_owned(c, 200, "text/plain; version=0.0.4", og_buf_take(&out), len);
}
