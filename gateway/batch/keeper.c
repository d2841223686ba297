#include "batch/keeper.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "batch/run.h"
#include "model/names.h"

#define LOOK_MS  1000
#define RUNS_MAX 8 /* batches that run here at once */

struct og_batch_keeper {
	struct og_api *api;
	uv_timer_t timer;
	char owner[OG_ID_LEN + 1];
	struct og_batch_run *runs[RUNS_MAX];
	size_t n;
	bool asking, stopped, closed, timer_closed;
};

static void free_when_quiet(struct og_batch_keeper *k)
{
	if (k->closed && k->timer_closed && !k->asking)
		free(k);
}

static void on_over(void *ctx, struct og_batch_run *r)
{
	struct og_batch_keeper *k = ctx;

	for (size_t i = 0; i < k->n; i++) {
		if (k->runs[i] == r) {
			k->runs[i] = k->runs[--k->n];
			return;
		}
	}
}

static struct og_batch_run *run_of(const struct og_batch_keeper *k, const char *id)
{
	for (size_t i = 0; i < k->n; i++)
		if (!strcmp(og_batch_run_id(k->runs[i]), id))
			return k->runs[i];
	return NULL;
}

static bool is_cancelled(const json_t *record)
{
	const char *status = json_string_value(json_object_get(json_object_get(record, "batch"), "status"));

	return status && !strcmp(status, "cancelling");
}

/* What runs here is due where it was cancelled, or where its lease ran out while the store was away: then it goes on. */
static void take(struct og_batch_keeper *k, json_t *record)
{
	const char *id = json_string_value(json_object_get(record, "id"));
	struct og_batch_run *here = id ? run_of(k, id) : NULL;

	if (here && is_cancelled(record)) {
		og_batch_run_cancel(here);
	} else if (here) {
		og_info("batch", "batch=%s status=reclaimed", id);
	} else if (id && k->n < RUNS_MAX) {
		og_info("batch", "batch=%s status=claimed", id);
		k->runs[k->n++] = og_batch_run_start(k->api, record, k->owner, on_over, k);
	}
}

static void on_claimed(void *ctx, json_t *const *records, size_t n, bool more, const struct og_error *err)
{
	struct og_batch_keeper *k = ctx;

	(void)more;
	k->asking = false;
	for (size_t i = 0; i < n && !err && !k->stopped; i++)
		take(k, records[i]);
	free_when_quiet(k);
}

static void on_look(uv_timer_t *timer)
{
	struct og_batch_keeper *k = timer->data;

	if (k->asking || k->n == RUNS_MAX || !og_link_is_up(k->api->link))
		return;
	k->asking = og_records_claim(k->api->store, &k->api->kinds.batches, k->owner, OG_BATCH_LEASE_MS,
			    (int64_t)(RUNS_MAX - k->n), on_claimed, k, NULL) == 0;
}

struct og_batch_keeper *og_batch_keeper_open(struct og_api *api)
{
	struct og_batch_keeper *k = og_new(struct og_batch_keeper);

	k->api = api;
	og_uuid_new(k->owner);
	uv_timer_init(api->loop, &k->timer);
	k->timer.data = k;
	uv_timer_start(&k->timer, on_look, LOOK_MS, LOOK_MS);
	return k;
}

void og_batch_keeper_stop(struct og_batch_keeper *k)
{
	if (k->stopped)
		return;
	k->stopped = true;
	uv_timer_stop(&k->timer);
	while (k->n)
		og_batch_run_drop(k->runs[--k->n]);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct og_batch_keeper *k = handle->data;

	k->timer_closed = true;
	free_when_quiet(k);
}

void og_batch_keeper_close(struct og_batch_keeper *k)
{
	if (!k)
		return;
	og_batch_keeper_stop(k);
	k->closed = true;
	uv_close((uv_handle_t *)&k->timer, on_timer_closed);
}
