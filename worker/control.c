/* What a worker consumes: its control queue always, its tier's and its own while it serves. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "priority.h"
#include "worker_state.h"

#define RANK_MS 60000 /* at least, between two changes of the consumer's priority */

static void on_tier_delivery(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_worker *w = ctx;

	og_jobs_take(&w->jobs, m, epoch, OG_FROM_TIER);
}

static void on_own_delivery(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_worker *w = ctx;

	og_jobs_take(&w->jobs, m, epoch, OG_FROM_OWN);
}

static void consume(struct og_worker *w)
{
	char queue[OG_KEY_MAX];

	og_queue_tier(w->serving.choice.tier->key, queue);
	w->priority = og_consumer_priority(w->jobs.tokens_per_s);
	w->consuming_since_ms = og_clock_mono_ms();
	w->tier.consumer =
		w->in->ops->recipe_consume(w->in, queue, (unsigned)w->slots, w->priority, on_tier_delivery, w);
}

/* As many as there are slots, or the jobs of a region, of a session … would run one after another. The scheduler puts no
 * more there than it knows slots to be free; where it erred a job waits in line, where its deadline is kept. */
static void consume_own(struct og_worker *w)
{
	char key[OG_NAME_MAX], queue[OG_KEY_MAX];

	if (og_name_key(w->who.worker, key, sizeof(key), NULL) < 0)
		return; /* longer than a queue's name can be: nobody can have made it */
	og_queue_node(w->config.credentials->user, key, queue);
	w->own.consumer = w->in->ops->recipe_consume(w->in, queue, (unsigned)w->slots, 0, on_own_delivery, w);
}

static bool wants_any(const struct og_worker *w)
{
	return w->serving.ready && !w->draining && !w->drained;
}

static bool wants_work(const struct og_worker *w)
{
	return wants_any(w) && !w->paused;
}

static bool wants_own(const struct og_worker *w)
{
	return wants_any(w) && w->own_queue;
}

static void on_stopped(struct og_worker *w, struct og_reading *r)
{
	r->stopping = false;
	og_worker_consume_or_not(w);
	og_worker_end_if_drained(w);
}

static void on_tier_stopped(void *ctx)
{
	struct og_worker *w = ctx;

	on_stopped(w, &w->tier);
}

static void on_own_stopped(void *ctx)
{
	struct og_worker *w = ctx;

	on_stopped(w, &w->own);
}

/* What is on its way comes still: sent back to its queue it would be charged a delivery, as if a worker had died of
 * it. */
static void stop_reading(struct og_worker *w, struct og_reading *r)
{
	void (*cb)(void *ctx) = r == &w->tier ? on_tier_stopped : on_own_stopped;
	unsigned consumer = r->consumer;

	r->consumer = 0;
	r->stopping = w->in->ops->stop(w->in, consumer, cb, w);
}

static bool follow(struct og_worker *w, struct og_reading *r, bool wanted, enum og_source source,
	void (*begin)(struct og_worker *w))
{
	if (r->consumer && !wanted) {
		stop_reading(w, r);
		return true;
	}
	if (r->consumer || r->stopping || !wanted || og_runs_count_from(&w->jobs.runs, source))
		return false;
	begin(w);
	return r->consumer != 0;
}

/* An order that was taken back is in force for as long as what was held then keeps the queue from being read. */
static void show_orders(struct og_worker *w)
{
	bool shows = w->pause_shows || w->drain_shows;
	bool waits =
		shows && !w->tier.consumer && (w->tier.stopping || og_runs_count_from(&w->jobs.runs, OG_FROM_TIER));

	w->pause_shows = w->paused || (w->pause_shows && waits);
	w->drain_shows = w->drained || (w->drain_shows && waits);
}

/* Begins or ends consuming, as things are now. RabbitMQ 3.10 loses its way when a channel consumes again while it
 * still holds deliveries of a consumer that was cancelled, so after a pause a queue is read again only when nothing of
 * it is held or on its way. */
void og_worker_consume_or_not(struct og_worker *w)
{
	bool tier = follow(w, &w->tier, wants_work(w), OG_FROM_TIER, consume);
	bool own = follow(w, &w->own, wants_own(w), OG_FROM_OWN, consume_own);

	w->jobs.draining = w->draining || w->drained;
	show_orders(w);
	if (tier || own)
		og_pulse_change(&w->pulse, OG_PULSE_CHANGE_MS);
}

/* Consumes anew where the priority would be another: seldom, and only by one that has had nothing to do for a while,
 * because its queue must not be sending just then (amqp.h, stop). If it is all the same, the connection is lost and
 * made again, and one job has a redelivery. */
void og_worker_rank(struct og_worker *w)
{
	if (!w->tier.consumer || og_consumer_priority(w->jobs.tokens_per_s) == w->priority ||
		og_clock_mono_ms() - w->consuming_since_ms < RANK_MS || og_jobs_count(&w->jobs))
		return;
	stop_reading(w, &w->tier);
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

void og_worker_bind_tier(struct og_worker *w)
{
	bind_control(w, "tier.", w->who.tier);
	bind_control(w, "worker.", w->who.worker);
}

/* The control queue has a new name on each connection: the broker may hold the old connection, and with it the old
 * exclusive queue, for a while after we have given it up. The own queue is not in it: it may have been what took the
 * connection down, and who made it says so again when a heartbeat no longer tells that it is read. */
void og_worker_write_recipe(struct og_worker *w)
{
	struct og_queue queue;
	char id[OG_ID_LEN + 1];

	w->in->ops->recipe_clear(w->in);
	w->tier = w->own = (struct og_reading){0};
	w->own_queue = false;
	og_uuid_new(id);
	og_topology_control_queue(w->config.credentials->user, id, &queue);
	snprintf(w->control, sizeof(w->control), "%s", queue.name);
	w->in->ops->recipe_queue(w->in, &queue);
	bind_control(w, "", "all");
	bind_control(w, "node.", w->who.node_id);
	if (*w->who.tier)
		og_worker_bind_tier(w);
	w->in->ops->recipe_consume(w->in, w->control, 0, 0, og_worker_on_control, w);
	if (wants_work(w))
		consume(w);
	show_orders(w);
}
