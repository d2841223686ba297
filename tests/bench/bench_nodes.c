/* Nodes that only say that they are there: the heartbeats of many workers, from one process and one connection.
 *
 *   bench_nodes --config FILE [--nodes 250] [--slots 4] [--tier TIER] [--first 0]
 *
 * Each speaks every 2 s, as a worker does, spread evenly over the time; `first` is the number of the first, which is in its name.
 * Prints `speaking` when each has spoken once, and goes on until SIGTERM, when it says `leaving` for none of them: they are
 * lost, as nodes are. A user of the broker may speak for 256 at most. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/options.h"
#include "io/amqp.h"
#include "model/envelope.h"
#include "model/presence.h"
#include "model/settings.h"
#include "service/service.h"

#define ROLE    "worker"
#define TICK_MS 20

struct bench {
	const char *config, *tier;
	int64_t nodes, slots, first;
	struct og_settings settings;
	uv_loop_t loop;
	uv_timer_t tick;
	uv_signal_t term;
	struct og_amqp *amqp;
	struct og_presence *of;
	int64_t began_ms, spoken; /* heartbeats of all since it is up */
	int status;
};

static void finish(struct bench *b)
{
	if (uv_is_closing((uv_handle_t *)&b->tick))
		return;
	uv_close((uv_handle_t *)&b->tick, NULL);
	uv_close((uv_handle_t *)&b->term, NULL);
	og_amqp_close(b->amqp, NULL, NULL);
}

static void speak(struct bench *b, const struct og_presence *p)
{
	og_autofree char *body = og_presence_encode(p);
	const struct og_envelope e = {.type = OG_T_PRESENCE, .content_type = "application/json"};
	struct og_message m = {.exchange = OG_X_PRESENCE, .routing_key = "", .body = body, .body_len = strlen(body)};
	struct og_error err = {0};

	og_envelope_encode(&e, &m);
	if (og_amqp_publish(b->amqp, &m, 0, NULL, NULL, &err) < 0) /* it is busy: the next one tells the same */
		return;
}

static void on_tick(uv_timer_t *timer)
{
	struct bench *b = timer->data;
	int64_t due = (og_clock_mono_ms() - b->began_ms) * b->nodes / OG_PRESENCE_PERIOD_MS;

	for (; b->spoken < due; b->spoken++) {
		speak(b, &b->of[b->spoken % b->nodes]);
		if (b->spoken + 1 == b->nodes) {
			puts("speaking");
			fflush(stdout);
		}
	}
}

static void on_up(void *ctx, uint64_t epoch)
{
	struct bench *b = ctx;

	if (epoch > 1)
		return;
	b->began_ms = og_clock_mono_ms();
	uv_timer_start(&b->tick, on_tick, 0, TICK_MS);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct bench *b = ctx;

	fprintf(stderr, "bench_nodes: the connection: %s\n", why->message);
	b->status = 1;
	finish(b);
}

static void on_term(uv_signal_t *signal, int number)
{
	(void)number;
	finish(signal->data);
}

static void make_nodes(struct bench *b)
{
	b->of = og_alloc((size_t)b->nodes * sizeof(*b->of));
	for (int64_t i = 0; i < b->nodes; i++) {
		struct og_presence *p = &b->of[i];

		*p = (struct og_presence){
			.serve = true, .slots = b->slots, .tokens_per_s = 10, .started_ms = og_clock_wall_ms()};
		og_uuid_new(p->node_id);
		og_uuid_new(p->instance);
		snprintf(p->node_name, sizeof(p->node_name), "sim%lld", (long long)(b->first + i));
		snprintf(p->worker, sizeof(p->worker), "%s/%s/1", p->node_name, b->tier);
		snprintf(p->tier, sizeof(p->tier), "%s", b->tier);
		snprintf(p->model, sizeof(p->model), "%s", b->tier);
		snprintf(p->engine, sizeof(p->engine), "echo");
		snprintf(p->version, sizeof(p->version), "bench");
	}
}

static int run(struct bench *b, struct og_error *err)
{
	const struct og_amqp_events events = {.on_up = on_up, .on_down = on_down, .ctx = b};

	if (og_settings_load(b->config, NULL, &b->settings, err) < 0)
		return -1;
	make_nodes(b);
	uv_loop_init(&b->loop);
	if (og_service_amqp(&b->loop, &b->settings, ROLE, "bench_nodes", false, &events, &b->amqp, err) < 0)
		return -1;
	uv_timer_init(&b->loop, &b->tick);
	uv_signal_init(&b->loop, &b->term);
	b->tick.data = b->term.data = b;
	uv_signal_start(&b->term, on_term, SIGTERM);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	return uv_loop_close(&b->loop);
}

#define AT(field) offsetof(struct bench, field)

int main(int argc, char **argv)
{
	static const struct og_option rows[] = {
		{"config", 0, "FILE", OG_OPTION_TEXT, AT(config), 0, 0, "the settings"},
		{"nodes", 0, "N", OG_OPTION_INT, AT(nodes), 1, 256, "how many"},
		{"slots", 0, "N", OG_OPTION_INT, AT(slots), 0, OG_SLOTS_MAX, "of each"},
		{"first", 0, "N", OG_OPTION_INT, AT(first), 0, 1000000, "the number of the first"},
		{"tier", 0, "TIER", OG_OPTION_TEXT, AT(tier), 0, 0, "that they serve"},
	};
	struct bench b = {.nodes = 250, .slots = 4, .tier = "SmolLM2-135M"};
	const struct og_options options = {rows, OG_COUNT(rows), &b};
	struct og_error err = {0};

	if (og_options_of_program(&options, argc, argv, &err) < 0 || run(&b, &err) < 0) {
		fprintf(stderr, "bench_nodes: %s\n", err.message);
		return 2;
	}
	og_settings_done(&b.settings);
	free(b.of);
	return b.status;
}
