#include "serving.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define STILL_THERE_MS 10000
#define AGAIN_BASE_MS  500
#define AGAIN_CAP_MS   10000

static void ask(struct og_serving *s);

static void on_timer(uv_timer_t *timer)
{
	ask(timer->data);
}

static void ask_in(struct og_serving *s, int64_t ms)
{
	uv_timer_start(&s->timer, on_timer, (uint64_t)ms, 0);
}

static void ask_again(struct og_serving *s)
{
	ask_in(s, og_backoff_next(&s->backoff, og_random()));
}

static void not_ready(struct og_serving *s, const char *why)
{
	char quoted[600];
	bool news = s->ready || strcmp(s->why, why) != 0;

	s->ready = false;
	snprintf(s->why, sizeof(s->why), "%s", why);
	if (!news)
		return;
	og_warn("Not serving", "why=%s", og_log_quote(why, quoted, sizeof(quoted)));
	s->on_change(s->ctx);
}

static void ready(struct og_serving *s, const struct og_tier_choice *choice, const struct og_serves *serves)
{
	char quoted[300];

	if (!s->choice.tier && *choice->warning)
		og_warn("Serving a tier that this machine is not eligible for", "tier=%s why=%s", choice->tier->id,
			og_log_quote(choice->warning, quoted, sizeof(quoted)));
	s->ready = true;
	s->choice = *choice;
	s->slots = serves->slots;
	s->context = serves->context;
	*s->why = '\0';
	snprintf(s->tier_id, sizeof(s->tier_id), "%s", choice->tier->id);
	s->wish.tier = s->tier_id;
	og_info("Serving", "tier=%s model=%s engine=%s", choice->tier->id, choice->model, s->engine->ops->kind);
	s->on_change(s->ctx);
}

static void on_probed(void *ctx, const struct og_serves *serves, const struct og_error *why)
{
	struct og_serving *s = ctx;
	struct og_tier_choice choice;
	struct og_error err;

	if (why)
		err = *why;
	if (why || og_tier_choose(s->catalogue, s->profile, serves, &s->wish, &choice, &err) < 0) {
		ask_again(s);
		not_ready(s, err.message);
		return;
	}
	ask_in(s, STILL_THERE_MS);
	if (!s->ready) {
		ready(s, &choice, serves);
	} else if (s->context != serves->context) { /* started anew between two looks */
		s->context = serves->context;
		s->on_change(s->ctx);
	}
}

static void ask(struct og_serving *s)
{
	struct og_error err;

	if (s->ready && !s->failures && s->is_busy(s->ctx)) {
		ask_in(s, STILL_THERE_MS);
		return;
	}
	if (s->engine->ops->probe(s->engine, on_probed, s, &err) < 0) {
		ask_again(s);
		not_ready(s, err.message);
	}
}

void og_serving_start(struct og_serving *s, uv_loop_t *loop)
{
	s->backoff = (struct og_backoff){.base_ms = AGAIN_BASE_MS, .cap_ms = AGAIN_CAP_MS};
	snprintf(s->why, sizeof(s->why), "the engine has not been asked yet");
	uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	ask(s);
}

void og_serving_stop(struct og_serving *s)
{
	uv_close((uv_handle_t *)&s->timer, NULL);
}

void og_serving_doubt(struct og_serving *s)
{
	s->failures++;
	if (!s->ready)
		return;
	if (s->failures < OG_SERVING_FAILURES_MAX) {
		ask_in(s, 0);
		return;
	}
	ask_again(s);
	not_ready(s, "the engine failed several runs in a row");
}

void og_serving_trust(struct og_serving *s)
{
	s->failures = 0;
	og_backoff_reset(&s->backoff);
}
