#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "worker_state.h"

#define IDLE_MS 1000 /* without a job, until it may change the priority of its consumer */

/* ---- the connections ---- */

static void connection_up(struct og_worker *w)
{
	og_autofree char *joined = og_printf("Joined cluster %s", w->config.settings->cluster);
	char quoted[QUOTED_MAX];

	if (!w->in_up || !w->out_up || w->leaving)
		return;
	if (w->joined) {
		og_info("Back in the cluster", "broker=%s", w->in->ops->endpoint(w->in));
		og_pulse_beat(&w->pulse);
		return;
	}
	w->joined = true;
	og_info(joined, "node=%s node_id=%s broker=%s", og_log_quote(w->who.node_name, quoted, sizeof(quoted)),
		w->who.node_id, w->in->ops->endpoint(w->in));
	og_info("Listening for peers", NULL);
	og_service_ready(w->service, joined);
	og_pulse_beat(&w->pulse);
}

/* Each new trouble is told once, not each attempt. */
static void connection_down(const char *which, char trouble[static 512], const struct og_error *why)
{
	char quoted[QUOTED_MAX];

	if (strcmp(trouble, why->message) == 0)
		return;
	snprintf(trouble, 512, "%s", why->message);
	og_log(why->kind == OG_FATAL ? OG_LOG_ERROR : OG_LOG_WARN, "No connection to the broker, trying on",
		"connection=%s why=%s", which, og_log_quote(why->message, quoted, sizeof(quoted)));
}

static void on_in_up(void *ctx, uint64_t epoch)
{
	struct og_worker *w = ctx;

	(void)epoch;
	w->in_up = true;
	*w->in_trouble = '\0';
	connection_up(w);
}

static void on_in_down(void *ctx, const struct og_error *why)
{
	struct og_worker *w = ctx;

	w->in_up = false;
	connection_down("in", w->in_trouble, why);
	if (!w->leaving)
		og_worker_write_recipe(w);
	og_worker_end_if_drained(w);
}

static void on_out_up(void *ctx, uint64_t epoch)
{
	struct og_worker *w = ctx;

	(void)epoch;
	w->out_up = true;
	*w->out_trouble = '\0';
	connection_up(w);
}

static void on_out_down(void *ctx, const struct og_error *why)
{
	struct og_worker *w = ctx;

	w->out_up = false;
	connection_down("out", w->out_trouble, why);
}

static void on_blocked(void *ctx, bool blocked, const char *reason)
{
	struct og_worker *w = ctx;
	char quoted[QUOTED_MAX];

	og_pulse_blocked(&w->pulse, blocked);
	if (blocked)
		og_warn("The broker takes nothing now: results wait", "reason=%s",
			og_log_quote(reason ? reason : "", quoted, sizeof(quoted)));
	else
		og_info("The broker takes messages again", NULL);
}

static void on_cancelled(void *ctx, const char *queue)
{
	(void)ctx;
	og_warn("A queue was deleted under this worker", "queue=%s", queue);
}

/* ---- the engine and the jobs ---- */

static void on_serving(void *ctx)
{
	struct og_worker *w = ctx;
	const struct og_serving *s = &w->serving;
	int64_t slots = w->config.settings->slots ? w->config.settings->slots : s->slots;

	if (s->ready) {
		w->slots = slots < 1 ? 1 : slots > OG_SLOTS_MAX ? OG_SLOTS_MAX : (size_t)slots;
		w->jobs.slots = w->slots;
		snprintf(w->who.engine_model, sizeof(w->who.engine_model), "%s", s->choice.model);
	}
	if (s->ready && !*w->who.tier) {
		snprintf(w->who.tier, sizeof(w->who.tier), "%s", s->choice.tier->id);
		snprintf(w->who.worker, sizeof(w->who.worker), "%s/%s/%ld", w->who.node_name, w->who.tier,
			w->config.instance);
		og_worker_bind_tier(w);
	}
	og_worker_consume_or_not(w);
}

static bool is_busy(void *ctx)
{
	struct og_worker *w = ctx;

	return og_jobs_count(&w->jobs) > 0;
}

static void on_ran(void *ctx, enum og_fault fault)
{
	struct og_worker *w = ctx;

	if (!fault)
		og_serving_trust(&w->serving);
	else if (og_fault_doubts_engine(fault))
		og_serving_doubt(&w->serving);
}

/* A burst leaves the heap full of holes: they are given back to the system when it is over. */
static void on_idle(uv_timer_t *timer)
{
	struct og_worker *w = timer->data;

	og_worker_rank(w);
	if (!og_jobs_count(&w->jobs))
		malloc_trim(0);
}

static void on_jobs(void *ctx)
{
	struct og_worker *w = ctx;

	if (w->leaving) {
		og_worker_leave_if_done(w);
		return;
	}
	if (!w->tier.consumer || !w->own.consumer)
		og_worker_consume_or_not(w);
	og_worker_end_if_drained(w);
	if (!w->leaving && !og_jobs_count(&w->jobs))
		uv_timer_start(&w->idle, on_idle, IDLE_MS, 0);
	if (!w->leaving)
		og_pulse_change(&w->pulse, OG_PULSE_RUNS_MS);
}

/* ---- life ---- */

static void fill_identity(struct og_worker *w)
{
	const struct og_worker_config *c = &w->config;

	snprintf(w->who.node_id, sizeof(w->who.node_id), "%s", c->node->id);
	snprintf(w->who.node_name, sizeof(w->who.node_name), "%s", c->node->name);
	snprintf(w->who.worker, sizeof(w->who.worker), "%s/peer/%ld", c->node->name, c->instance);
	snprintf(w->who.region, sizeof(w->who.region), "%s", c->settings->region);
	og_uuid_new(w->who.instance);
}

static int open_engine(struct og_worker *w, uv_loop_t *loop, struct og_error *err)
{
	const struct og_settings *s = w->config.settings;
	const struct og_engine_config engine = {
		.kind = s->engine_kind,
		.url = s->engine_url,
		.key_file = s->engine_key_file,
		.limits = {.connect_ms = s->engine_connect_timeout_ms,
			.first_byte_ms = s->engine_first_byte_timeout_ms,
			.idle_ms = s->engine_idle_timeout_ms,
			.total_ms = s->engine_total_timeout_ms},
	};

	w->http = og_http_open(loop, err);
	if (!w->http)
		return -1;
	w->engine = og_engine_open(loop, w->http, &engine, err);
	if (w->engine)
		return 0;
	og_http_close(OG_TAKE(w->http), NULL, NULL);
	return -1;
}

struct og_amqp_events og_worker_in_events(struct og_worker *w)
{
	return (struct og_amqp_events){
		.on_up = on_in_up, .on_down = on_in_down, .on_cancelled = on_cancelled, .ctx = w};
}

struct og_amqp_events og_worker_out_events(struct og_worker *w)
{
	return (struct og_amqp_events){.on_up = on_out_up, .on_down = on_out_down, .on_blocked = on_blocked, .ctx = w};
}

static int open_connections(struct og_worker *w, uv_loop_t *loop, struct og_error *err)
{
	const struct og_amqp_events in = og_worker_in_events(w), out = og_worker_out_events(w);
	og_autofree char *in_name = og_printf("og-worker %s: work", w->who.node_name);
	og_autofree char *out_name = og_printf("og-worker %s: results", w->who.node_name);

	if (og_service_amqp(loop, w->config.settings, "worker", in_name, false, &in, &w->in, err) < 0)
		return -1;
	if (og_service_amqp(loop, w->config.settings, "worker", out_name, true, &out, &w->out, err) == 0)
		return 0;
	og_amqp_close(OG_TAKE(w->in), NULL, NULL);
	return -1;
}

struct og_worker *og_worker_new(const struct og_worker_config *config)
{
	struct og_worker *w = og_new(struct og_worker);

	w->config = *config;
	w->started_ms = og_clock_wall_ms();
	fill_identity(w);
	return w;
}

void og_worker_close_engine(struct og_worker *w)
{
	if (w->engine)
		w->engine->ops->close(w->engine);
	og_http_close(w->http, NULL, NULL);
	w->engine = NULL;
	w->http = NULL;
}

static void start_serving(struct og_worker *w, uv_loop_t *loop)
{
	const struct og_worker_config *c = &w->config;

	w->serving = (struct og_serving){.engine = w->engine,
		.catalogue = c->catalogue,
		.profile = c->profile,
		.wish = {c->settings->tier, c->settings->engine_model},
		.is_busy = is_busy,
		.on_change = on_serving,
		.ctx = w};
	og_serving_start(&w->serving, loop);
}

void og_worker_begin(struct og_worker *w, uv_loop_t *loop)
{
	og_publisher_init(&w->publisher, w->out, &w->who);
	w->jobs = (struct og_jobs){.in = w->in,
		.out = &w->publisher,
		.engine = w->engine,
		.who = &w->who,
		.on_change = on_jobs,
		.on_ran = on_ran,
		.ctx = w};
	og_jobs_init(&w->jobs, loop);
	w->pulse = (struct og_pulse){.out = w->out, .fill = og_worker_fill_presence, .ctx = w};
	og_pulse_init(&w->pulse, loop);
	uv_timer_init(loop, &w->pause_over);
	uv_timer_init(loop, &w->leave_by);
	uv_timer_init(loop, &w->idle);
	w->pause_over.data = w->leave_by.data = w->idle.data = w;
	og_worker_write_recipe(w);
}

int og_worker_start(struct og_worker *w, uv_loop_t *loop, struct og_service *service, struct og_error *err)
{
	if (w->config.settings->serve && open_engine(w, loop, err) < 0)
		return -1;
	if (open_connections(w, loop, err) < 0) {
		og_worker_close_engine(w);
		return -1;
	}
	w->service = service;
	og_worker_begin(w, loop);
	if (w->engine)
		start_serving(w, loop);
	return 0;
}

void og_worker_free(struct og_worker *w)
{
	if (!w)
		return;
	og_peers_done(&w->peers);
	free(w);
}
