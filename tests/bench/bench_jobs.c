/* A load of jobs, as one producer with a window makes it: how many a second come back, and after how long, in one line of JSON.
 *
 *   bench_jobs --config FILE [--jobs N] [--ends N] [--window W] [--body BYTES] [--rate PER_S] [--tier TIER]… [--class CLASS]…
 *              [--timeout S]
 *
 * Closed loop (no --rate): W jobs are out at any time. Open loop: a job falls due every 1/rate seconds, and its latency
 * counts from then, whether or not the window let it out: a stall is charged to all the jobs that had to wait for it.
 * Tiers and classes are taken in turn, each tier in each class. With --ends it is over after so many, and what is still out is
 * left to the scheduler; `ends_per_s` counts from the first end on, so that what was submitted before anything could run does
 * not count. `epochs` has when (CLOCK_MONOTONIC) the first job ended that each leader had placed.
 * Only `done` messages are asked for. Exits with 1 when a job did not end as done. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/options.h"
#include "producer.h"
#include "tally.h"

#define PREFETCH   2000
#define JOBS_MAX   10000000
#define EPOCHS_MAX 16
#define MORE_MAX   65536

struct bench {
	const char *config;
	int64_t ends, timeout_s;
	struct og_list tiers, classes;
	struct tally tally;

	struct producer producer;
	uv_timer_t pace;
	char *text; /* the body of every job */

	int64_t refused, failed;
	int64_t first_end_us;
	struct {
		int64_t epoch, first_us;
	} epochs[EPOCHS_MAX];
	size_t n_epochs;
	bool up, full; /* full: the client's own window is: wait for on_writable */
};

static void pump(struct bench *b);

static int64_t ended(const struct bench *b)
{
	return b->tally.done + b->tally.failed;
}

static void end_one(struct bench *b, int64_t number, bool is_done)
{
	if (is_done)
		tally_end(&b->tally, number);
	else
		tally_fail(&b->tally, number);
	if (!b->first_end_us)
		b->first_end_us = b->tally.last_us;
	if (ended(b) == b->ends)
		producer_close(&b->producer);
	else
		pump(b);
}

static void note_epoch(struct bench *b, int64_t epoch)
{
	if (!epoch || b->n_epochs == EPOCHS_MAX || (b->n_epochs && b->epochs[b->n_epochs - 1].epoch >= epoch))
		return;
	b->epochs[b->n_epochs].epoch = epoch;
	b->epochs[b->n_epochs++].first_us = tally_now_us();
}

static void on_delivery(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct bench *b = ctx;
	struct og_envelope e;
	int64_t number;
	bool is_done;

	if (b->producer.over)
		return;
	number = og_envelope_decode(m, &e, NULL) == 0 && !strcmp(e.type, OG_T_RESPONSE)
	                 ? producer_number(&b->producer, e.id)
	                 : -1;
	og_amqp_ack(b->producer.amqp, epoch, m->delivery_tag);
	if (!tally_is_out(&b->tally, number))
		return;
	note_epoch(b, e.epoch);
	is_done = !strcmp(e.state, og_state_name(OG_STATE_DONE));
	if (!is_done && !b->failed++)
		fprintf(stderr, "first job that failed: %s, %.*s\n", e.state, (int)m->body_len, (const char *)m->body);
	end_one(b, number, is_done);
}

struct publishing {
	struct bench *bench;
	int64_t number;
};

static void on_settled(void *ctx, enum og_settled how)
{
	struct publishing *p = ctx;
	struct bench *b = p->bench;

	if (!b->producer.over && how != OG_CONFIRMED && tally_is_out(&b->tally, p->number)) {
		b->refused++;
		end_one(b, p->number, false);
	}
	free(p);
}

/* False: the client takes no more now. */
static bool send_one(struct bench *b)
{
	struct publishing *p = og_new(struct publishing);
	size_t n = (size_t)b->tally.sent, tiers = b->tiers.n, classes = b->classes.n;
	struct og_envelope e = {.content_type = "application/json",
		.tier = b->tiers.items[n % tiers],
		.class_name = classes ? b->classes.items[n / tiers % classes] : NULL,
		.bundle = OG_BUNDLES_MESSAGES};
	struct og_error err = {0};

	*p = (struct publishing){b, tally_send(&b->tally)};
	if (producer_submit(&b->producer, p->number, &e, b->text, strlen(b->text), on_settled, p, &err) == 0)
		return true;
	tally_take_back(&b->tally);
	free(p);
	return false;
}

static void on_writable(void *ctx)
{
	struct bench *b = ctx;

	b->full = false;
	if (!b->producer.over)
		pump(b);
}

static void pump(struct bench *b)
{
	while (!b->producer.over && !b->full && tally_wait_us(&b->tally) == 0)
		if (!send_one(b)) {
			b->full = true;
			b->producer.amqp->ops->on_writable(b->producer.amqp, on_writable, b);
		}
}

static void on_pace(uv_timer_t *timer)
{
	struct bench *b = timer->data;

	if (b->producer.over)
		uv_close((uv_handle_t *)timer, NULL);
	else
		pump(b);
}

static void on_up(void *ctx, uint64_t epoch)
{
	struct bench *b = ctx;

	(void)epoch;
	if (b->up)
		return;
	b->up = true;
	if (b->tally.rate) {
		uv_timer_init(&b->producer.loop, &b->pace);
		b->pace.data = b;
		uv_timer_start(&b->pace, on_pace, 1, 1);
	}
	pump(b);
}

/* A bench whose connection broke says nothing about speed. */
static void on_down(void *ctx, const struct og_error *why)
{
	struct bench *b = ctx;

	fprintf(stderr, "connection: %s\n", why->message);
	if (b->up || why->kind == OG_FATAL)
		producer_close(&b->producer);
}

static void report(struct bench *b)
{
	struct tally *t = &b->tally;
	double seconds = (double)(t->last_us - b->first_end_us) / 1e6;
	struct og_buf more;

	og_buf_init(&more, MORE_MAX);
	og_buf_addf(&more,
		",\"failed\":%" PRId64 ",\"refused\":%" PRId64 ",\"unanswered\":%" PRId64
		",\"ends_per_s\":%.1f,\"epochs\":[",
		b->failed, b->refused, t->sent - ended(b), seconds > 0 ? (double)(ended(b) - 1) / seconds : 0);
	for (size_t i = 0; i < b->n_epochs; i++)
		og_buf_addf(&more, "%s{\"epoch\":%" PRId64 ",\"first_us\":%" PRId64 "}", i ? "," : "",
			b->epochs[i].epoch, b->epochs[i].first_us);
	og_buf_adds(&more, "]");
	tally_print(t, og_buf_str(&more));
	og_buf_done(&more);
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

static int run(struct bench *b, struct og_error *err)
{
	const struct og_amqp_events events = {.on_up = on_up, .on_down = on_down, .ctx = b};

	if (producer_open(&b->producer, b->config, "bench_jobs", PREFETCH, &events, on_delivery, err) < 0)
		return -1;
	if (producer_run(&b->producer, b->timeout_s) < 0)
		return og_fail(err, OG_FATAL, "something is still open");
	if (b->producer.late)
		fprintf(stderr, "not over after %" PRId64 " s: %" PRId64 " of %" PRId64 " jobs have ended\n",
			b->timeout_s, ended(b), b->ends);
	return 0;
}

#define AT(field) offsetof(struct bench, field)

int main(int argc, char **argv)
{
	static const struct og_option rows[] = {
		{"config", 0, "FILE", OG_OPTION_TEXT, AT(config), 0, 0, "the settings"},
		{"jobs", 0, "N", OG_OPTION_INT, AT(tally.jobs), 1, JOBS_MAX, "how many are submitted"},
		{"ends", 0, "N", OG_OPTION_INT, AT(ends), 1, JOBS_MAX, "it is over after so many"},
		{"window", 0, "W", OG_OPTION_INT, AT(tally.window), 1, JOBS_MAX, "how many are out at any time"},
		{"body", 0, "BYTES", OG_OPTION_INT, AT(tally.body), 1, OG_BODY_MAX, "of each"},
		{"rate", 0, "R", OG_OPTION_INT, AT(tally.rate), 1, 1000000, "jobs a second (open loop)"},
		{"tier", 0, "TIER", OG_OPTION_LIST, AT(tiers), 0, 0, "one of those that are asked for"},
		{"class", 0, "CLASS", OG_OPTION_LIST, AT(classes), 0, 0, "likewise"},
		{"timeout", 0, "S", OG_OPTION_INT, AT(timeout_s), 1, 86400, "seconds until it is given up"},
	};
	struct bench b = {.timeout_s = 300, .tally = {.jobs = 10000, .window = 500, .body = 512}};
	const struct og_options options = {rows, OG_COUNT(rows), &b};
	struct og_error err = {0};

	if (og_options_of_program(&options, argc, argv, &err) < 0) {
		fprintf(stderr, "bench_jobs: %s\n", err.message);
		return 2;
	}
	if (!b.tiers.n)
		og_list_add(&b.tiers, OG_TIER_AUTO, NULL);
	if (!b.ends || b.ends > b.tally.jobs)
		b.ends = b.tally.jobs;
	b.text = make_text(b.tally.body);
	tally_make(&b.tally);
	if (run(&b, &err) < 0) {
		fprintf(stderr, "bench_jobs: %s\n", err.message);
		return 2;
	}
	report(&b);
	producer_done(&b.producer);
	tally_done(&b.tally);
	free(b.text);
	return b.tally.done == b.ends ? 0 : 1;
}
