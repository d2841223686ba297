/* Streams into one producer's reply queue: how many events of engines come a second, AMQP alone, and how late.
 *
 *   bench_tokens --config FILE [--streams 1000] [--tokens 250] [--pace MS] [--tier TIER] [--timeout S]
 *
 * The engine is bench_engine, which is told by the prompt how many tokens it writes and how fast. Prints one JSON object. An
 * event is one of the engine's; several may come in one message. `steady_per_s` is of the time in which all streams were
 * open. A stream is late by what it took, from its first event to its last, beyond its pace. `missing` are events that
 * its worker sent and that did not come. Exits with 1 when a stream did not end as done. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/options.h"
#include "producer.h"

#define PREFETCH    2000
#define STREAMS_MAX 100000

struct stream {
	int64_t first_us, last_us, events;
	bool ended;
};

struct bench {
	const char *config, *tier;
	int64_t streams, tokens, pace_ms, timeout_s;
	struct producer producer;
	struct stream *of;
	int64_t sent, begun, ended, failed, events, messages, missing;
	int64_t all_open_us, all_open_events;   /* when the last had begun */
	int64_t first_end_us, first_end_events; /* when the first had ended */
	int64_t first_us, last_us;              /* events */
	uint64_t tag;                           /* of the message that came last */
	bool full;
};

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
		producer_close(&b->producer);
}

static void on_delivery(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct bench *b = ctx;
	struct og_envelope e;
	int64_t number;

	if (b->producer.over)
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

	while (!b->producer.over && !b->full && b->sent < b->streams) {
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
		producer_close(&b->producer);
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

static int run(struct bench *b, struct og_error *err)
{
	const struct og_amqp_events events = {.on_up = on_up, .on_down = on_down, .ctx = b};

	b->of = og_alloc((size_t)b->streams * sizeof(*b->of));
	if (producer_open(&b->producer, b->config, "bench_tokens", PREFETCH, &events, on_delivery, err) < 0)
		return -1;
	if (producer_run(&b->producer, b->timeout_s) < 0)
		return og_fail(err, OG_FATAL, "something is still open");
	if (b->producer.late)
		fprintf(stderr, "not over after %" PRId64 " s: %" PRId64 " of %" PRId64 " streams have ended\n",
			b->timeout_s, b->ended, b->streams);
	return 0;
}

#define AT(field) offsetof(struct bench, field)

int main(int argc, char **argv)
{
	static const struct og_option rows[] = {
		{"config", 0, "FILE", OG_OPTION_TEXT, AT(config), 0, 0, "the settings"},
		{"streams", 0, "N", OG_OPTION_INT, AT(streams), 1, STREAMS_MAX, "how many, all at a time"},
		{"tokens", 0, "N", OG_OPTION_INT, AT(tokens), 1, 10000, "of each"},
		{"pace", 0, "MS", OG_OPTION_INT, AT(pace_ms), 0, 60000, "between two of them"},
		{"tier", 0, "TIER", OG_OPTION_TEXT, AT(tier), 0, 0, "that is asked for"},
		{"timeout", 0, "S", OG_OPTION_INT, AT(timeout_s), 1, 86400, "seconds until it is given up"},
	};
	struct bench b = {.streams = 1000, .tokens = 250, .pace_ms = 20, .timeout_s = 120, .tier = OG_TIER_AUTO};
	const struct og_options options = {rows, OG_COUNT(rows), &b};
	struct og_error err = {0};

	if (og_options_of_program(&options, argc, argv, &err) < 0 || run(&b, &err) < 0) {
		fprintf(stderr, "bench_tokens: %s\n", err.message);
		return 2;
	}
	report(&b);
	producer_done(&b.producer);
	free(b.of);
	return b.ended == b.streams && !b.failed ? 0 : 1;
}
