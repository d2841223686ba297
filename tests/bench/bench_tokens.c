/* Streams into one producer's reply queue: how many events of engines come a second, AMQP alone, and how late.
 *
 *   bench_tokens --config FILE [--streams 1000] [--tokens 250] [--pace MS] [--tier TIER] [--timeout S]
 *
 * The engine is bench_engine, which is told by the prompt how many tokens it writes and how fast. Prints one JSON object. An
 * event is one of the engine's; several may come in one message. `steady_per_s` is of the time in which all streams were
 * open. A stream is late by what it took, from its first event to its last, beyond its pace. `missing` are events that
 * its worker sent and that did not come. Exits with 1 when a stream did not end as done. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "producer.h"

#define PREFETCH    2000
#define STREAMS_MAX 100000

struct stream {
	int64_t first_us, last_us, events;
	bool ended;
};

struct bench {
	int64_t streams, tokens, pace_ms, timeout_s;
	const char *tier;
	uv_loop_t loop;
	uv_timer_t limit;
	struct producer producer;
	struct stream *of;
	int64_t sent, begun, ended, failed, events, messages, missing;
	int64_t all_open_us, all_open_events;   /* when the last had begun */
	int64_t first_end_us, first_end_events; /* when the first had ended */
	int64_t first_us, last_us;              /* events */
	uint64_t tag;                           /* of the message that came last */
	bool full, over;
};

static void finish(struct bench *b)
{
	if (b->over)
		return;
	b->over = true;
	uv_close((uv_handle_t *)&b->limit, NULL);
	og_amqp_close(b->producer.amqp, NULL, NULL);
}

static void on_chunk(struct bench *b, struct stream *s, int64_t n)
{
	int64_t now = og_clock_mono_us();

	s->events += n;
	b->events += n;
	s->last_us = b->last_us = now;
	if (s->first_us)
		return;
	s->first_us = now;
	if (!b->first_us)
		b->first_us = now;
	if (++b->begun == b->streams) {
		b->all_open_us = now;
		b->all_open_events = b->events;
	}
}

static void on_end(struct bench *b, struct stream *s, const struct og_envelope *e, const struct og_message *m)
{
	if (s->ended)
		return;
	s->ended = true;
	if (strcmp(e->state, og_state_name(OG_STATE_DONE)) != 0 && !b->failed++)
		fprintf(stderr, "first stream that failed: %s, %.*s\n", e->state, (int)m->body_len,
			(const char *)m->body);
	b->missing += e->seq - s->events;
	if (!b->ended++) {
		b->first_end_us = og_clock_mono_us();
		b->first_end_events = b->events;
	}
	if (b->ended == b->streams)
		finish(b);
}

static void on_delivery(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct bench *b = ctx;
	struct og_envelope e;
	int64_t number;

	if (b->over)
		return;
	if (m->delivery_tag != b->tag) /* the parts of a bundle have that of their bundle */
		b->messages++;
	b->tag = m->delivery_tag;
	if (og_envelope_decode(m, &e, NULL) == 0 && (number = producer_number(&b->producer, e.id)) >= 0 &&
		number < b->streams) {
		if (!strcmp(e.type, OG_T_CHUNK))
			on_chunk(b, &b->of[number], e.bundle ? e.bundle : 1);
		else if (!strcmp(e.type, OG_T_RESPONSE))
			on_end(b, &b->of[number], &e, m);
	}
	og_amqp_ack(b->producer.amqp, epoch, m->delivery_tag);
}

static void pump(struct bench *b);

static void on_writable(void *ctx)
{
	struct bench *b = ctx;

	b->full = false;
	pump(b);
}

/* One that does not reach the intake never ends, which the time limit tells. */
static void pump(struct bench *b)
{
	og_autofree char *text = og_printf("{\"messages\":[{\"role\":\"user\",\"content\":\"[[stub tokens=%" PRId64
					   " pace_ms=%" PRId64 "]]\"}]}",
		b->tokens, b->pace_ms);

	while (!b->over && !b->full && b->sent < b->streams) {
		struct og_envelope e = {
			.tier = b->tier, .stream = 1, .max_tokens = b->tokens, .bundle = OG_BUNDLES_MESSAGES};
		struct og_error err = {0};

		if (producer_submit(&b->producer, b->sent, &e, text, strlen(text), NULL, NULL, &err) < 0) {
			b->full = true;
			b->producer.amqp->ops->on_writable(b->producer.amqp, on_writable, b);
			return;
		}
		b->sent++;
	}
}

static void on_up(void *ctx, uint64_t epoch)
{
	if (epoch == 1)
		pump(ctx);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct bench *b = ctx;

	fprintf(stderr, "connection: %s\n", why->message);
	if (b->sent || why->kind == OG_FATAL)
		finish(b);
}

static void on_limit(uv_timer_t *timer)
{
	struct bench *b = timer->data;

	fprintf(stderr, "not over after %" PRId64 " s: %" PRId64 " of %" PRId64 " streams have ended\n", b->timeout_s,
		b->ended, b->streams);
	finish(b);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorted, in ms, of those that have ended; how many there are. */
static size_t lateness(const struct bench *b, double *ret)
{
	size_t n = 0;

	for (int64_t i = 0; i < b->streams; i++) {
		const struct stream *s = &b->of[i];

		if (s->ended && s->first_us)
			ret[n++] = (double)(s->last_us - s->first_us) / 1e3 - (double)((b->tokens - 1) * b->pace_ms);
	}
	qsort(ret, n, sizeof(*ret), by_value);
	return n;
}

static double per_s(int64_t n, int64_t us)
{
	return us > 0 ? (double)n * 1e6 / (double)us : 0;
}

static void report(const struct bench *b)
{
	og_autofree double *late = og_alloc(sizeof(double) * (size_t)b->streams);
	size_t n = lateness(b, late);
	int64_t steady_us = b->all_open_us ? b->first_end_us - b->all_open_us : 0;
	json_t *root = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f}", "streams", (json_int_t)b->streams,
		"done", (json_int_t)(b->ended - b->failed), "failed", (json_int_t)b->failed, "events",
		(json_int_t)b->events, "messages", (json_int_t)b->messages, "missing", (json_int_t)b->missing,
		"events_per_s", per_s(b->events, b->last_us - b->first_us), "steady_per_s",
		per_s(b->first_end_events - b->all_open_events, steady_us), "steady_s",
		steady_us > 0 ? (double)steady_us / 1e6 : 0.0, "late_p50_ms", n ? late[n / 2] : 0.0, "late_p99_ms",
		n ? late[(n - 1) * 99 / 100] : 0.0);

	json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(root);
}

static int run(struct bench *b, const char *config, struct og_error *err)
{
	const struct og_amqp_events events = {.on_up = on_up, .on_down = on_down, .ctx = b};

	b->of = og_alloc((size_t)b->streams * sizeof(*b->of));
	uv_loop_init(&b->loop);
	if (producer_open(&b->producer, &b->loop, config, "bench_tokens", PREFETCH, &events, on_delivery, err) < 0)
		return -1;
	uv_timer_init(&b->loop, &b->limit);
	b->limit.data = b;
	uv_timer_start(&b->limit, on_limit, (uint64_t)b->timeout_s * 1000, 0);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	return uv_loop_close(&b->loop);
}

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"streams", required_argument, NULL, 's'},
	{"tokens", required_argument, NULL, 'n'},
	{"pace", required_argument, NULL, 'p'},
	{"tier", required_argument, NULL, 't'},
	{"timeout", required_argument, NULL, 'l'},
	{NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
	struct bench b = {.streams = 1000, .tokens = 250, .pace_ms = 20, .timeout_s = 120, .tier = OG_TIER_AUTO};
	const char *config = NULL;
	struct og_error err = {0};
	int option, rc = 0;

	while (!rc && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			config = optarg;
			break;
		case 's':
			rc = og_parse_int(optarg, 1, STREAMS_MAX, &b.streams, &err);
			break;
		case 'n':
			rc = og_parse_int(optarg, 1, 10000, &b.tokens, &err);
			break;
		case 'p':
			rc = og_parse_int(optarg, 0, 60000, &b.pace_ms, &err);
			break;
		case 't':
			b.tier = optarg;
			break;
		case 'l':
			rc = og_parse_int(optarg, 1, 86400, &b.timeout_s, &err);
			break;
		default:
			return 2;
		}
	}
	if (rc || run(&b, config, &err) < 0) {
		fprintf(stderr, "bench_tokens: %s\n", err.message);
		return 2;
	}
	report(&b);
	producer_done(&b.producer);
	free(b.of);
	return b.ended == b.streams && !b.failed ? 0 : 1;
}
