/* The end of a worker: it drains (what waits goes back, what runs may end), then it leaves (what still runs goes back
 * too), then it closes its connections. */
#include "base/alloc.h"
#include "base/log.h"
#include "worker_state.h"

#define GIVE_BACK_MS 1000 /* for the broker's confirm of what is handed back; closing `out` gives it another second */

void og_worker_drain(void *ctx)
{
	struct og_worker *w = ctx;

	w->draining = true;
	og_info("Draining", "running=%zu", og_jobs_count(&w->jobs));
	og_worker_consume_or_not(w);
	og_jobs_give_back_waiting(&w->jobs);
	og_pulse_beat(&w->pulse);
	og_worker_end_if_drained(w);
}

void og_worker_end_if_drained(struct og_worker *w)
{
	bool idle = !og_jobs_count(&w->jobs) && !w->tier.stopping && !w->own.stopping;

	if (w->draining && !w->leaving && idle)
		og_service_stop(w->service);
}

static void on_in_closed(void *ctx)
{
	struct og_worker *w = ctx;

	w->in = NULL;
	og_jobs_done(&w->jobs);
	og_publisher_done(&w->publisher);
}

static void on_out_closed(void *ctx)
{
	struct og_worker *w = ctx;

	w->out = NULL;
	og_amqp_close(w->in, on_in_closed, w);
}

/* `in` outlives `out`: a result that is confirmed while `out` says goodbye is acked there, and not run twice. */
static void part(struct og_worker *w)
{
	if (w->parted)
		return;
	w->parted = true;
	uv_close((uv_handle_t *)&w->pause_over, NULL);
	uv_close((uv_handle_t *)&w->leave_by, NULL);
	uv_close((uv_handle_t *)&w->idle, NULL);
	og_jobs_abort(&w->jobs);
	og_pulse_stop(&w->pulse);
	og_amqp_close(w->out, on_out_closed, w);
}

static void on_late(uv_timer_t *timer)
{
	part(timer->data);
}

void og_worker_leave_if_done(struct og_worker *w)
{
	if (!og_jobs_count(&w->jobs))
		part(w);
}

/* Nothing more is taken from the broker meanwhile. Where it does not listen there is nothing to wait for: it has the
 * deliveries back. */
void og_worker_stop(void *ctx)
{
	struct og_worker *w = ctx;

	if (!w->in || w->leaving)
		return;
	og_info("Leaving", "unfinished=%zu", og_jobs_count(&w->jobs));
	w->leaving = true;
	w->in->ops->recipe_clear(w->in);
	w->tier = w->own = (struct og_reading){0};
	og_jobs_give_back_all(&w->jobs);
	if (w->engine)
		og_serving_stop(&w->serving);
	og_worker_close_engine(w);
	if (og_jobs_count(&w->jobs) && w->out_up)
		uv_timer_start(&w->leave_by, on_late, GIVE_BACK_MS, 0);
	else
		part(w);
}
