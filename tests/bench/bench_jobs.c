/* A load of jobs, as one producer with a window makes it: how many a second come back, and after how long.
 *
 *   bench_jobs --config FILE [--jobs N] [--ends N] [--window W] [--body BYTES] [--rate PER_S] [--tier TIER,…]
 *              [--class CLASS,…] [--timeout S] [--json]
 *
 * Closed loop (no --rate): W jobs are out at any time. Open loop: a job falls due every 1/rate seconds, and its latency
 * counts from then, whether or not the window let it out: a stall is charged to all the jobs that had to wait for it.
 * Tiers and classes are taken in turn, each tier in each class. With --ends it is over after so many, and what is still out is
 * left to the scheduler; `ends_per_s` counts from the first end on, so that what was submitted before anything could run does
 * not count. `epochs` has when (CLOCK_MONOTONIC) the first job ended that each leader had placed.
 * Only `done` messages are asked for. Exits with 1 when a job did not end as done. */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "producer.h"

#define PREFETCH   2000
#define JOBS_MAX   10000000
#define WORDS_MAX  64
#define EPOCHS_MAX 16

/* Words with commas between, taken in turn. */
struct words {
	char *text;
	const char *word[WORDS_MAX];
	size_t n;
};

struct bench {
	int64_t jobs, ends, window, body, rate, timeout_s;
	struct words tiers, classes;

	uv_loop_t loop;
	uv_timer_t pace, limit;
	struct producer producer;
	char *text; /* the body of every job */

	int64_t sent, ended, done, refused, failed;
	int64_t first_us, first_end_us, last_us;
	struct {
		int64_t epoch, first_us;
	} epochs[EPOCHS_MAX];
	size_t n_epochs;
	int64_t *began_us; /* by the job's number; 0: ended, or not begun */
	int64_t *took_us;  /* of those that are done */
	bool full;         /* the client's own window is: wait for on_writable */
	bool over;
	struct og_error why;
};

static void pump(struct bench *b);

static void finish(struct bench *b)
{
	if (b->over)
		return;
	b->over = true;
	uv_close((uv_handle_t *)&b->pace, NULL);
	uv_close((uv_handle_t *)&b->limit, NULL);
	og_amqp_close(b->producer.amqp, NULL, NULL);
}

static void end_one(struct bench *b, int64_t number, bool is_done)
{
	b->last_us = og_clock_mono_us();
	if (!b->ended)
		b->first_end_us = b->last_us;
	if (is_done)
		b->took_us[b->done++] = b->last_us - b->began_us[number];
	b->began_us[number] = 0;
	if (++b->ended == b->ends)
		finish(b);
	else
		pump(b);
}

/* The number of a job of ours that has not ended, else -1. */
static int64_t number_of(const struct bench *b, const char *id)
{
	int64_t number = producer_number(&b->producer, id);

	return number >= 0 && number < b->jobs && b->began_us[number] ? number : -1;
}

static void note_epoch(struct bench *b, int64_t epoch)
{
	if (!epoch || b->n_epochs == EPOCHS_MAX || (b->n_epochs && b->epochs[b->n_epochs - 1].epoch >= epoch))
		return;
	b->epochs[b->n_epochs].epoch = epoch;
	b->epochs[b->n_epochs++].first_us = og_clock_mono_us();
}

static void on_delivery(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct bench *b = ctx;
	struct og_envelope e;
	int64_t number;

	if (b->over)
		return;
	if (og_envelope_decode(m, &e, NULL) == 0 && !strcmp(e.type, OG_T_RESPONSE) &&
		(number = number_of(b, e.id)) >= 0) {
		bool is_done = !strcmp(e.state, og_state_name(OG_STATE_DONE));

		note_epoch(b, e.epoch);
		if (!is_done && !b->failed++)
			fprintf(stderr, "first job that failed: %s, %.*s\n", e.state, (int)m->body_len,
				(const char *)m->body);
		og_amqp_ack(b->producer.amqp, epoch, m->delivery_tag);
		end_one(b, number, is_done);
		return;
	}
	og_amqp_ack(b->producer.amqp, epoch, m->delivery_tag);
}

struct publishing {
	struct bench *bench;
	int64_t number;
};

static void on_settled(void *ctx, enum og_settled how)
{
	struct publishing *p = ctx;
	struct bench *b = p->bench;

	if (!b->over && how != OG_CONFIRMED && b->began_us[p->number]) {
		b->refused++;
		end_one(b, p->number, false);
	}
	free(p);
}

/* False: the client takes no more now. */
static bool send_one(struct bench *b, int64_t number, int64_t began_us)
{
	struct publishing *p = og_new(struct publishing);
	size_t n = (size_t)number, tiers = b->tiers.n, classes = b->classes.n;
	struct og_envelope e = {.content_type = "application/json",
		.tier = b->tiers.word[n % tiers],
		.class_name = classes ? b->classes.word[n / tiers % classes] : NULL,
		.bundle = OG_BUNDLES_MESSAGES};

	*p = (struct publishing){b, number};
	b->began_us[number] = began_us;
	if (producer_submit(&b->producer, number, &e, b->text, strlen(b->text), on_settled, p, &b->why) == 0)
		return true;
	b->began_us[number] = 0;
	free(p);
	return false;
}

static void on_writable(void *ctx)
{
	struct bench *b = ctx;

	b->full = false;
	if (!b->over)
		pump(b);
}

static void pump(struct bench *b)
{
	while (!b->over && !b->full && b->sent < b->jobs && b->sent - b->ended < b->window) {
		int64_t now = og_clock_mono_us();
		int64_t due = b->rate ? b->first_us + b->sent * 1000000 / b->rate : now;

		if (due > now)
			return;
		if (!send_one(b, b->sent, due)) {
			b->full = true;
			b->producer.amqp->ops->on_writable(b->producer.amqp, on_writable, b);
			return;
		}
		b->sent++;
	}
}

static void on_pace(uv_timer_t *timer)
{
	pump(timer->data);
}

static void on_limit(uv_timer_t *timer)
{
	struct bench *b = timer->data;

	fprintf(stderr, "not over after %" PRId64 " s: %" PRId64 " of %" PRId64 " jobs have ended\n", b->timeout_s,
		b->ended, b->ends);
	finish(b);
}

static void on_up(void *ctx, uint64_t epoch)
{
	struct bench *b = ctx;

	(void)epoch;
	if (b->first_us)
		return;
	b->first_us = og_clock_mono_us();
	if (b->rate)
		uv_timer_start(&b->pace, on_pace, 1, 1);
	pump(b);
}

/* A bench whose connection broke says nothing about speed. */
static void on_down(void *ctx, const struct og_error *why)
{
	struct bench *b = ctx;

	fprintf(stderr, "connection: %s\n", why->message);
	if (b->first_us || why->kind == OG_FATAL)
		finish(b);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double percentile_ms(const struct bench *b, int64_t per_cent)
{
	return b->done ? (double)b->took_us[(b->done - 1) * per_cent / 100] / 1000 : 0;
}

static double seconds_between(int64_t from_us, int64_t to_us)
{
	return to_us > from_us ? (double)(to_us - from_us) / 1e6 : 0;
}

static double rate(int64_t n, double seconds)
{
	return seconds > 0 ? (double)n / seconds : 0;
}

static void report_json(const struct bench *b, double seconds)
{
	double ending = seconds_between(b->first_end_us, b->last_us);

	printf("{\"done\":%" PRId64 ",\"jobs\":%" PRId64 ",\"failed\":%" PRId64 ",\"refused\":%" PRId64
	       ",\"unanswered\":%" PRId64 ",\"jobs_per_s\":%.1f,\"ends_per_s\":%.1f,\"seconds\":%.3f,\"p50_ms\":%.3f,"
	       "\"p95_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"epochs\":[",
		b->done, b->jobs, b->failed, b->refused, b->sent - b->ended, rate(b->done, seconds),
		rate(b->ended - 1, ending), seconds, percentile_ms(b, 50), percentile_ms(b, 95), percentile_ms(b, 99),
		percentile_ms(b, 100));
	for (size_t i = 0; i < b->n_epochs; i++)
		printf("%s{\"epoch\":%" PRId64 ",\"first_us\":%" PRId64 "}", i ? "," : "", b->epochs[i].epoch,
			b->epochs[i].first_us);
	puts("]}");
}

static void report(struct bench *b, bool json)
{
	double seconds = seconds_between(b->first_us, b->last_us);

	qsort(b->took_us, (size_t)b->done, sizeof(*b->took_us), by_value);
	if (json) {
		report_json(b, seconds);
		return;
	}
	printf("%" PRId64 " of %" PRId64 " jobs done, %" PRId64 " failed, %" PRId64 " refused, %" PRId64 " unanswered\n"
	       "%.1f jobs/s over %.3f s; p50 %.2f ms, p95 %.2f ms, p99 %.2f ms, max %.2f ms\n",
		b->done, b->jobs, b->failed, b->refused, b->sent - b->ended, rate(b->done, seconds), seconds,
		percentile_ms(b, 50), percentile_ms(b, 95), percentile_ms(b, 99), percentile_ms(b, 100));
}

/* A request of just so many bytes (at least the frame of one). */
static char *make_text(int64_t bytes)
{
	static const char head[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"", tail[] = "\"}]}";
	int64_t fill = bytes - (int64_t)(sizeof(head) + sizeof(tail) - 2);
	og_autofree char *prompt = og_alloc((size_t)(fill > 1 ? fill : 1) + 1);

	memset(prompt, 'x', (size_t)(fill > 1 ? fill : 1));
	return og_printf("%s%s%s", head, prompt, tail);
}

static int run(struct bench *b, const char *config, struct og_error *err)
{
	const struct og_amqp_events events = {.on_up = on_up, .on_down = on_down, .ctx = b};

	b->began_us = og_alloc((size_t)b->jobs * sizeof(*b->began_us));
	b->took_us = og_alloc((size_t)b->jobs * sizeof(*b->took_us));
	b->text = make_text(b->body);
	uv_loop_init(&b->loop);
	if (producer_open(&b->producer, &b->loop, config, "bench_jobs", PREFETCH, &events, on_delivery, err) < 0)
		return -1;
	uv_timer_init(&b->loop, &b->pace);
	uv_timer_init(&b->loop, &b->limit);
	b->pace.data = b->limit.data = b;
	uv_timer_start(&b->limit, on_limit, (uint64_t)b->timeout_s * 1000, 0);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	return uv_loop_close(&b->loop);
}

/* -1: there are none, or too many. */
static int split(const char *text, struct words *ret, struct og_error *err)
{
	char *rest = ret->text = og_strdup(text), *word;

	while ((word = strsep(&rest, ",")) != NULL) {
		if (!*word || ret->n == WORDS_MAX)
			return og_fail(
				err, OG_INVALID, "'%s' is not 1 to %d words with commas between", text, WORDS_MAX);
		ret->word[ret->n++] = word;
	}
	return 0;
}

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"jobs", required_argument, NULL, 'n'},
	{"ends", required_argument, NULL, 'e'},
	{"window", required_argument, NULL, 'w'},
	{"body", required_argument, NULL, 'b'},
	{"rate", required_argument, NULL, 'r'},
	{"tier", required_argument, NULL, 't'},
	{"class", required_argument, NULL, 'k'},
	{"timeout", required_argument, NULL, 'l'},
	{"json", no_argument, NULL, 'j'},
	{NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
	struct bench b = {.jobs = 10000, .window = 500, .body = 512, .timeout_s = 300};
	const char *config = NULL;
	struct og_error err = {0};
	bool json = false;
	int option, rc = 0;

	while (!rc && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			config = optarg;
			break;
		case 'n':
			rc = og_parse_int(optarg, 1, JOBS_MAX, &b.jobs, &err);
			break;
		case 'e':
			rc = og_parse_int(optarg, 1, JOBS_MAX, &b.ends, &err);
			break;
		case 'w':
			rc = og_parse_int(optarg, 1, JOBS_MAX, &b.window, &err);
			break;
		case 'b':
			rc = og_parse_bytes(optarg, 1, OG_BODY_MAX, &b.body, &err);
			break;
		case 'r':
			rc = og_parse_int(optarg, 1, 1000000, &b.rate, &err);
			break;
		case 't':
			rc = split(optarg, &b.tiers, &err);
			break;
		case 'k':
			rc = split(optarg, &b.classes, &err);
			break;
		case 'l':
			rc = og_parse_int(optarg, 1, 86400, &b.timeout_s, &err);
			break;
		case 'j':
			json = true;
			break;
		default:
			return 2;
		}
	}
	if (!rc && !b.tiers.n)
		rc = split(OG_TIER_AUTO, &b.tiers, &err);
	if (!b.ends || b.ends > b.jobs)
		b.ends = b.jobs;
	if (rc || run(&b, config, &err) < 0) {
		fprintf(stderr, "bench_jobs: %s\n", err.message);
		return 2;
	}
	report(&b, json);
	producer_done(&b.producer);
	free(b.tiers.text);
	free(b.classes.text);
	free(b.began_us);
	free(b.took_us);
	free(b.text);
	return b.done == b.ends ? 0 : 1;
}
