/* What there is: peers, tiers, the scheduler itself. */
#include <stdlib.h>

#include "base/clock.h"
#include "model/json.h"
#include "plan/view.h"
#include "shell/dying.h"
#include "shell/records.h"
#include "shell/rpc.h"

#define PEERS_TOLD 1000

static json_t *worker_object(const struct og_worker *w, int64_t now)
{
	const struct og_presence *p = &w->said;

	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:f, s:b, s:b, s:I, s:I}", "worker", og_json_text(p->worker),
		"tier", og_json_text(p->tier), "model", og_json_text(p->model), "engine", og_json_text(p->engine),
		"slots", (json_int_t)p->slots, "busy", (json_int_t)p->n_running, "tokens_per_s", p->tokens_per_s,
		"draining", p->draining, "paused", p->paused, "started_ms", (json_int_t)p->started_ms, "seen_ms_ago",
		(json_int_t)(now - w->seen));
}

void og_rpc_peers(struct og_question *q, const json_t *args)
{
	const struct og_nodes *nodes = &q->s->plan.nodes;
	int64_t now = og_clock_mono_ms();
	json_t *peers = json_array(), *workers_of = json_object(), *answer;
	int more = 0;

	(void)args;
	for (const struct og_node *n = nodes->nodes; n; n = n->hh.next) {
		json_t *workers;

		if (json_array_size(peers) == PEERS_TOLD) {
			more++;
			continue;
		}
		workers = json_array();

		json_object_set_new(workers_of, n->id, workers);
		json_array_append_new(
			peers, json_pack("{s:s, s:o, s:b, s:o, s:O}", "id", n->id, "name", og_json_text(n->name),
				       "serve", n->serving > 0, "region", og_json_text(n->region), "workers", workers));
	}
	for (const struct og_worker *w = nodes->workers; w; w = w->hh.next)
		if (w->said.serve) /* nothing where its node is not told */
			json_array_append_new(json_object_get(workers_of, w->node->id), worker_object(w, now));
	json_decref(workers_of);
	answer = json_pack("{s:o}", "peers", peers);
	if (more)
		json_object_set_new(answer, "more", json_integer(more));
	og_rpc_answer(q, answer);
}

static json_t *tier_object(const struct og_scheduler *s, unsigned i)
{
	const struct og_tier *t = &s->catalogue->tiers[i];
	const struct og_capacity *c = &s->plan.nodes.tiers[i];
	const struct og_tier_index *x = &s->plan.index->tiers[i];
	json_t *aliases = json_array();
	unsigned waiting = 0;

	for (size_t k = 0; k < t->n_aliases; k++)
		json_array_append_new(aliases, json_string(t->aliases[k]));
	for (int k = 0; k < OG_CLASSES; k++)
		waiting += x->waiting[k];
	return json_pack("{s:s, s:o, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f}", "id", t->id, "aliases", aliases,
		"workers", c->workers, "slots", c->slots, "busy", c->busy, "waiting", waiting, "placed", x->placed,
		"cpu_cores", t->cpu_cores, "ram_gib", t->ram_gib, "vram_gib", t->vram_gib, "disk_gib", t->disk_gib);
}

void og_rpc_tiers(struct og_question *q, const json_t *args)
{
	json_t *tiers = json_array();

	(void)args;
	for (unsigned i = 0; i < q->s->catalogue->n; i++)
		json_array_append_new(tiers, tier_object(q->s, i));
	og_rpc_answer(q, json_pack("{s:o}", "tiers", tiers));
}

static json_t *queue_object(const struct og_scheduler *s, unsigned i)
{
	const struct og_capacity *c = &s->plan.nodes.tiers[i];
	const struct og_ask ask = {.tier = i, .class = OG_CLASS_NORMAL};
	struct og_queue_view v;
	json_t *waiting = json_object();

	json_t *queue;

	og_view_queue(&s->plan, i, og_clock_mono_ms(), og_clock_wall_ms(), &v);
	for (int k = 0; k < OG_CLASSES; k++)
		json_object_set_new(waiting, og_class_name((enum og_class)k), json_integer(v.waiting[k]));
	queue = json_pack("{s:s, s:b, s:i, s:i, s:i, s:i, s:o, s:I, s:I, s:f}", "id", s->catalogue->tiers[i].id,
		"paused", s->plan.paused[i], "workers", c->workers, "slots", c->slots, "busy", c->busy, "placed",
		s->plan.index->tiers[i].placed, "waiting", waiting, "waiting_bytes", (json_int_t)v.waiting_bytes,
		"oldest_ms", (json_int_t)v.oldest_ms, "per_min", v.per_min);
	if (c->slots && !s->plan.paused[i]) /* else nobody can tell */
		json_object_set_new(
			queue, "eta_ms", json_integer(og_plan_eta_new_ms(&s->plan, &ask, og_clock_mono_ms())));
	return queue;
}

void og_rpc_queues(struct og_question *q, const json_t *args)
{
	const struct og_scheduler *s = q->s;
	json_t *tiers = json_array();

	(void)args;
	for (unsigned i = 0; i < s->catalogue->n; i++)
		json_array_append_new(tiers, queue_object(s, i));
	og_rpc_answer(q,
		json_pack("{s:o, s:I, s:I, s:I}", "tiers", tiers, "waiting_bytes",
			(json_int_t)s->plan.index->waiting_bytes, "waiting_max_bytes",
			(json_int_t)s->settings->waiting_max_bytes, "dead_waiting", (json_int_t)og_dying_waiting(s)));
}

static void answer_status(struct og_question *q, const struct og_redis_reply *reply)
{
	json_t *answer = json_object(), *counters = json_object();

	og_scheduler_status(q->s, answer);
	for (size_t i = 0; reply && i + 1 < reply->n; i += 2)
		json_object_set_new(counters, og_record_text(reply, i), json_integer(og_record_number(reply, i + 1)));
	json_object_set_new(answer, "counters", counters);
	og_rpc_answer(q, answer);
}

static void on_counters(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_question *q = og_rpc_current(ctx);

	(void)err;
	if (q)
		answer_status(q, reply);
}

void og_rpc_status(struct og_question *q, const json_t *args)
{
	(void)args;
	if (og_records_counters(q->s, on_counters, q) != 0)
		answer_status(q, NULL);
}
