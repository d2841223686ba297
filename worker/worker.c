#include "worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine.h"
#include "io/amqp.h"
#include "io/http.h"
#include "jobs.h"
#include "peers.h"
#include "pulse.h"
#include "service/service.h"
#include "serving.h"

#define QUOTED_MAX 600

struct og_worker {
	struct og_worker_config config;
	struct og_service *service;
	struct og_identity who;
	int64_t started_ms; /* wall clock */

	struct og_amqp *in, *out;
	bool in_up, out_up, joined;
	char in_trouble[512], out_trouble[512]; /* the last one logged; "": none since it was up */
	char control[OG_KEY_MAX];               /* this epoch's control queue */
	unsigned consumer;                      /* of the tier's queue; 0: nothing is consumed */
	size_t slots;

	struct og_http *http; /* these two NULL where it does not serve */
	struct og_engine *engine;
	struct og_serving serving;
	struct og_jobs jobs;
	struct og_publisher publisher;
	struct og_pulse pulse;
	struct og_peers peers;

	bool draining, leaving;
	int open_connections;
};

/* ---- what is consumed ---- */

static void on_delivery(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_worker *w = ctx;

	og_jobs_take(&w->jobs, m, epoch);
}

static void consume(struct og_worker *w)
{
	char queue[OG_KEY_MAX];

	og_queue_tier(w->serving.choice.tier->key, queue);
	w->consumer = w->in->ops->recipe_consume(w->in, queue, (unsigned)w->slots, 0, on_delivery, w);
}

static bool wants_work(const struct og_worker *w)
{
	return w->serving.ready && !w->draining;
}

/* Begins or ends consuming, as things are now. RabbitMQ 3.10 loses its way when a channel consumes again while it still holds
 * deliveries of a consumer that was cancelled, so after a pause work is taken up only when nothing is held. */
static void consume_or_not(struct og_worker *w)
{
	if (w->consumer && !wants_work(w)) {
		w->in->ops->cancel(w->in, w->consumer);
		w->consumer = 0;
	} else if (!w->consumer && wants_work(w) && !og_jobs_count(&w->jobs)) {
		consume(w);
	} else {
		return;
	}
	og_pulse_change(&w->pulse, OG_PULSE_CHANGE_MS);
}

static void bind_control(struct og_worker *w, const char *scope, const char *name)
{
	struct og_binding b = {.exchange = OG_X_CONTROL};
	char key[OG_WORKER_MAX];

	if (og_name_key(name, key, sizeof(key), NULL) < 0)
		return; /* longer than a key can be: `all` and the tier still reach it */
	snprintf(b.queue, sizeof(b.queue), "%s", w->control);
	if ((size_t)snprintf(b.key, sizeof(b.key), "%s%s", scope, key) < sizeof(b.key))
		w->in->ops->recipe_bind(w->in, &b);
}

static void bind_tier(struct og_worker *w)
{
	bind_control(w, "tier.", w->who.tier);
	bind_control(w, "worker.", w->who.worker);
}

static void hear_members(struct og_worker *w, const struct og_message *m)
{
	og_autofree struct og_member *members = NULL;
	og_autofree char *text = NULL, *line = NULL;
	size_t n, count;
	struct og_error err;

	if (og_membership_decode(m->body, m->body_len, &members, &n, &count, &err) < 0) {
		og_debug("a membership message that cannot be read", NULL);
		return;
	}
	if (!og_peers_hear(&w->peers, w->who.node_id, w->who.node_name, members, n, count))
		return;
	text = og_peers_text(&w->peers);
	line = og_printf("Peers: %s", text);
	og_info(line, NULL);
	if (w->peers.namesake)
		og_warn("Another node has this node's name: give one of them another NODE_NAME", "node_id=%s",
			w->who.node_id);
}

static void on_control(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_worker *w = ctx;

	if (m->type && strcmp(m->type, OG_T_CANCEL) == 0 && m->message_id && og_uuid_valid(m->message_id))
		og_jobs_cancel(&w->jobs, m->message_id);
	else if (m->type && strcmp(m->type, OG_T_MEMBERSHIP) == 0)
		hear_members(w, m);
	og_amqp_ack(w->in, epoch, m->delivery_tag);
}

/* The control queue has a new name on each connection: the broker may hold the old connection, and with it the old exclusive
 * queue, for a while after we have given it up. */
static void write_recipe(struct og_worker *w)
{
	struct og_queue queue;
	char id[OG_ID_LEN + 1];

	w->in->ops->recipe_clear(w->in);
	w->consumer = 0;
	og_uuid_new(id);
	og_topology_control_queue(w->config.credentials->user, id, &queue);
	snprintf(w->control, sizeof(w->control), "%s", queue.name);
	w->in->ops->recipe_queue(w->in, &queue);
	bind_control(w, "", "all");
	bind_control(w, "node.", w->who.node_id);
	if (*w->who.tier)
		bind_tier(w);
	w->in->ops->recipe_consume(w->in, w->control, 0, 0, on_control, w);
	if (wants_work(w))
		consume(w);
}

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
	write_recipe(w);
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
	char quoted[QUOTED_MAX];

	(void)ctx;
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
		bind_tier(w);
	}
	consume_or_not(w);
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

static void on_jobs(void *ctx)
{
	struct og_worker *w = ctx;

	if (w->leaving)
		return;
	if (w->draining && !og_jobs_count(&w->jobs)) {
		og_service_stop(w->service);
		return;
	}
	if (!w->consumer)
		consume_or_not(w);
	og_pulse_change(&w->pulse, OG_PULSE_RUNS_MS);
}

/* ---- presence ---- */

static void fill_presence(void *ctx, struct og_presence *p)
{
	struct og_worker *w = ctx;

	p->serve = w->engine && w->in_up && (w->consumer || w->draining) && !w->leaving;
	memcpy(p->node_id, w->who.node_id, sizeof(p->node_id));
	memcpy(p->node_name, w->who.node_name, sizeof(p->node_name));
	memcpy(p->worker, w->who.worker, sizeof(p->worker));
	memcpy(p->instance, w->who.instance, sizeof(p->instance));
	if (p->serve) {
		memcpy(p->tier, w->who.tier, sizeof(p->tier));
		p->slots = (int64_t)w->slots;
	}
	memcpy(p->model, w->who.engine_model, sizeof(p->model));
	memcpy(p->region, w->who.region, sizeof(p->region));
	snprintf(p->engine, sizeof(p->engine), "%s", w->engine ? w->engine->ops->kind : "");
	snprintf(p->version, sizeof(p->version), "%s", OG_VERSION);
	p->tokens_per_s = w->jobs.tokens_per_s;
	p->started_ms = w->started_ms;
	p->draining = w->draining;
	p->leaving = w->leaving;
	p->running = og_jobs_list(&w->jobs, &p->n_running);
}

static const char *state_name(const struct og_worker *w)
{
	if (w->draining || w->leaving)
		return "draining";
	if (!w->engine)
		return "peer";
	return w->consumer ? "serving" : "not serving";
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
	json_object_set_new(status, "busy", json_integer((json_int_t)og_jobs_count(&w->jobs)));
	json_object_set_new(status, "tokens_per_s", json_real(w->jobs.tokens_per_s));
	json_object_set_new(status, "broker",
		json_pack("{s:s, s:b, s:s}", "endpoint", w->in->ops->endpoint(w->in), "connected",
			w->in_up && w->out_up, "why", *w->in_trouble ? w->in_trouble : w->out_trouble));
	json_object_set_new(status, "jobs",
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "done", (json_int_t)c->done, "failed",
			(json_int_t)c->failed, "cancelled", (json_int_t)c->cancelled, "expired", (json_int_t)c->expired,
			"redelivered", (json_int_t)c->redelivered, "chunks_dropped",
			(json_int_t)w->publisher.chunks_dropped));
	json_object_set_new(status, "peers", peers);
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

static int open_connections(struct og_worker *w, uv_loop_t *loop, struct og_error *err)
{
	const struct og_amqp_events in = {
		.on_up = on_in_up, .on_down = on_in_down, .on_cancelled = on_cancelled, .ctx = w};
	const struct og_amqp_events out = {
		.on_up = on_out_up, .on_down = on_out_down, .on_blocked = on_blocked, .ctx = w};
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

static void close_engine(struct og_worker *w)
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

int og_worker_start(struct og_worker *w, uv_loop_t *loop, struct og_service *service, struct og_error *err)
{
	if (w->config.settings->serve && open_engine(w, loop, err) < 0)
		return -1;
	if (open_connections(w, loop, err) < 0) {
		close_engine(w);
		return -1;
	}
	w->service = service;
	w->open_connections = 2;
	og_publisher_init(&w->publisher, w->out, &w->who);
	w->jobs = (struct og_jobs){.in = w->in,
		.out = &w->publisher,
		.engine = w->engine,
		.who = &w->who,
		.on_change = on_jobs,
		.on_ran = on_ran,
		.ctx = w};
	og_jobs_init(&w->jobs, loop);
	w->pulse = (struct og_pulse){.out = w->out, .fill = fill_presence, .ctx = w};
	og_pulse_init(&w->pulse, loop);
	write_recipe(w);
	if (w->engine)
		start_serving(w, loop);
	return 0;
}

void og_worker_drain(void *ctx)
{
	struct og_worker *w = ctx;

	w->draining = true;
	og_info("Draining", "running=%zu", og_jobs_count(&w->jobs));
	consume_or_not(w);
	og_pulse_beat(&w->pulse);
	if (!og_jobs_count(&w->jobs))
		og_service_stop(w->service);
}

static void on_closed(void *ctx)
{
	struct og_worker *w = ctx;

	if (--w->open_connections)
		return;
	og_jobs_done(&w->jobs);
	og_publisher_done(&w->publisher);
}

void og_worker_stop(void *ctx)
{
	struct og_worker *w = ctx;

	if (!w->open_connections)
		return;
	og_info("Leaving", "unfinished=%zu", og_jobs_count(&w->jobs));
	w->leaving = true;
	og_jobs_abort(&w->jobs);
	if (w->engine)
		og_serving_stop(&w->serving);
	close_engine(w);
	og_pulse_beat(&w->pulse);
	og_pulse_stop(&w->pulse);
	og_amqp_close(w->in, on_closed, w);
	og_amqp_close(w->out, on_closed, w);
}

void og_worker_free(struct og_worker *w)
{
	if (!w)
		return;
	og_peers_done(&w->peers);
	free(w);
}
