/* What a worker says of itself: to the schedulers (presence), and to whoever asks on its control socket. */
#include <stdio.h>
#include <string.h>

#include "worker_state.h"

void og_worker_fill_presence(void *ctx, struct og_presence *p)
{
	struct og_worker *w = ctx;

	bool may = w->tier.consumer || w->draining;
	bool will = w->serving.ready && (w->tier.stopping || w->pause_shows || w->drain_shows);

	p->serve = w->engine && w->in_up && (may || will) && !w->leaving;
	memcpy(p->node_id, w->who.node_id, sizeof(p->node_id));
	memcpy(p->node_name, w->who.node_name, sizeof(p->node_name));
	memcpy(p->worker, w->who.worker, sizeof(p->worker));
	memcpy(p->instance, w->who.instance, sizeof(p->instance));
	if (p->serve) {
		memcpy(p->tier, w->who.tier, sizeof(p->tier));
		p->slots = (int64_t)w->slots;
		p->context = w->serving.context;
	}
	memcpy(p->model, w->who.engine_model, sizeof(p->model));
	memcpy(p->region, w->who.region, sizeof(p->region));
	snprintf(p->engine, sizeof(p->engine), "%s", w->engine ? w->engine->ops->kind : "");
	snprintf(p->version, sizeof(p->version), "%s", OG_VERSION);
	p->tokens_per_s = w->jobs.tokens_per_s;
	p->started_ms = w->started_ms;
	p->draining = w->draining || w->drain_shows;
	p->paused = w->pause_shows;
	p->node_queue = w->own.consumer != 0;
	p->leaving = w->leaving;
	p->running = og_jobs_list(&w->jobs, &p->n_running);
}

static const char *state_name(const struct og_worker *w)
{
	if (w->draining || w->leaving || w->drain_shows)
		return "draining";
	if (!w->engine)
		return "peer";
	if (w->serving.ready && w->pause_shows)
		return "paused";
	return w->tier.consumer ? "serving" : "not serving";
}

void og_worker_status(void *ctx, json_t *status)
{
	struct og_worker *w = ctx;
	const struct og_jobs_counts *c = &w->jobs.counts;
	json_t *peers = json_array();

	for (size_t i = 0; i < w->peers.n; i++)
		json_array_append_new(peers, json_string(w->peers.names[i]));
	json_object_set_new(status, "cluster", json_string(w->config.settings->cluster));
	json_object_set_new(status, "node", json_pack("{s:s, s:s}", "id", w->who.node_id, "name", w->who.node_name));
	json_object_set_new(status, "worker", json_string(w->who.worker));
	json_object_set_new(status, "state", json_string(state_name(w)));
	json_object_set_new(status, "why", json_string(w->engine && !w->serving.ready ? w->serving.why : ""));
	json_object_set_new(status, "tier", json_string(w->who.tier));
	json_object_set_new(status, "model", json_string(w->who.engine_model));
	json_object_set_new(status, "engine",
		json_pack("{s:s, s:s}", "kind", w->engine ? w->engine->ops->kind : "", "url",
			w->engine ? w->config.settings->engine_url : ""));
	json_object_set_new(status, "slots", json_integer((json_int_t)w->slots));
	json_object_set_new(status, "context", json_integer((json_int_t)w->serving.context));
	json_object_set_new(status, "busy", json_integer((json_int_t)og_jobs_count(&w->jobs)));
	json_object_set_new(status, "tokens_per_s", json_real(w->jobs.tokens_per_s));
	json_object_set_new(status, "paused", json_boolean(w->pause_shows));
	json_object_set_new(status, "paused_until_ms", json_integer((json_int_t)(w->paused ? w->paused_until_ms : 0)));
	json_object_set_new(status, "node_queue", json_boolean(w->own.consumer != 0));
	json_object_set_new(status, "kept_bytes", json_integer((json_int_t)w->jobs.kept.bytes));
	json_object_set_new(status, "broker",
		json_pack("{s:s, s:b, s:s}", "endpoint", w->in->ops->endpoint(w->in), "connected",
			w->in_up && w->out_up, "why", *w->in_trouble ? w->in_trouble : w->out_trouble));
	json_object_set_new(status, "jobs",
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "done", (json_int_t)c->done, "failed",
			(json_int_t)c->failed, "cancelled", (json_int_t)c->cancelled, "expired", (json_int_t)c->expired,
			"handed_back", (json_int_t)c->handed_back, "redelivered", (json_int_t)c->redelivered,
			"chunks_dropped", (json_int_t)w->publisher.chunks_dropped, "remembered",
			(json_int_t)w->jobs.recent.n));
	json_object_set_new(status, "peers", peers);
}
