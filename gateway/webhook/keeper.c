/* Claims what is due, and hands it to watch.c and deliver.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "webhook/state.h"

#define STANDING     2 /* parts that are there for as long as it is: the timer, the HTTP client */
#define LOOK_MS      250
#define LOOKS_MAX    64  /* watches that are looked at here at once */
#define ATTEMPTS_MAX 256 /* deliveries that are sent from here at once */

void og_webhooks_part_gone(struct og_webhooks *w)
{
	struct og_webhook_tenant *t, *next;

	if (--w->parts)
		return;
	HASH_ITER(hh, w->tenants, t, next)
	{
		HASH_DEL(w->tenants, t);
		free(t);
	}
	free(w);
}

static void came(struct og_webhooks *w, size_t n)
{
	if (n)
		og_webhooks_hurry(w); /* there may be more */
	og_webhooks_part_gone(w);
}

static void on_watches(void *ctx, json_t *const *records, size_t n, bool more, const struct og_error *err)
{
	struct og_webhooks *w = ctx;

	(void)more;
	w->claims_watches = false;
	for (size_t i = 0; i < n && !err && !w->closed; i++)
		og_watch_take(w, records[i]);
	came(w, n);
}

static void on_deliveries(void *ctx, json_t *const *records, size_t n, bool more, const struct og_error *err)
{
	struct og_webhooks *w = ctx;

	(void)more;
	w->claims_deliveries = false;
	for (size_t i = 0; i < n && !err && !w->closed; i++)
		og_delivery_take(w, records[i]);
	came(w, n);
}

static bool claim(struct og_webhooks *w, const struct og_record_kind *kind, size_t limit, og_records_cb *cb)
{
	if (!limit ||
		og_records_claim(w->api->store, kind, w->owner, OG_WEBHOOK_LEASE_MS, (int64_t)limit, cb, w, NULL) < 0)
		return false;
	w->parts++;
	return true;
}

static void on_look(uv_timer_t *timer)
{
	struct og_webhooks *w = timer->data;
	const struct og_kinds *kinds = &w->api->kinds;

	if (!og_store_is_up(w->api->store))
		return;
	if (!w->claims_watches && w->n_looks < LOOKS_MAX)
		w->claims_watches = claim(w, &kinds->watches, LOOKS_MAX - w->n_looks, on_watches);
	if (!w->claims_deliveries && w->n_attempts < ATTEMPTS_MAX)
		w->claims_deliveries = claim(w, &kinds->deliveries, ATTEMPTS_MAX - w->n_attempts, on_deliveries);
}

void og_webhooks_hurry(struct og_webhooks *w)
{
	if (!w->stopped)
		uv_timer_start(&w->timer, on_look, 0, LOOK_MS);
}

struct og_webhooks *og_webhooks_open(struct og_api *api, struct og_error *err)
{
	struct og_http *http = og_http_open(api->loop, err);
	struct og_webhooks *w;

	if (!http)
		return NULL;
	w = og_new(struct og_webhooks);
	*w = (struct og_webhooks){.api = api, .http = http, .parts = STANDING};
	og_uuid_new(w->owner);
	snprintf(w->maker, sizeof(w->maker), "new %s", w->owner);
	uv_timer_init(api->loop, &w->timer);
	w->timer.data = w;
	uv_timer_start(&w->timer, on_look, LOOK_MS, LOOK_MS);
	return w;
}

void og_webhooks_stop(struct og_webhooks *w)
{
	w->stopped = true;
	uv_timer_stop(&w->timer);
}

bool og_webhooks_are_idle(const struct og_webhooks *w)
{
	return w->parts == STANDING;
}

static void on_timer_closed(uv_handle_t *timer)
{
	og_webhooks_part_gone(timer->data);
}

static void on_http_closed(void *ctx)
{
	og_webhooks_part_gone(ctx);
}

void og_webhooks_close(struct og_webhooks *w)
{
	if (!w)
		return;
	og_webhooks_stop(w);
	w->closed = true;
	og_deliveries_drop(w);
	og_http_close(w->http, on_http_closed, w);
	uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}
