/* A load of jobs, as one producer with a window makes it: how many a second come back, and after how long.
 *
 *   bench_jobs --config FILE [--jobs N] [--window W] [--body BYTES] [--rate PER_S] [--tier TIER] [--timeout S] [--json]
 *
 * Closed loop (no --rate): W jobs are out at any time. Open loop: a job falls due every 1/rate seconds, and its latency
 * counts from then, whether or not the window let it out: a stall is charged to all the jobs that had to wait for it.
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
#include "io/amqp.h"
#include "model/envelope.h"
#include "model/names.h"
#include "model/settings.h"
#include "model/topology.h"
#include "service/service.h"

#define ROLE     "producer"
#define PREFETCH 2000
#define ID_HEAD  24 /* characters of a UUID before its last group, which holds the job's number */
#define JOBS_MAX 10000000

struct bench {
	struct og_settings settings;
	int64_t jobs, window, body, rate, timeout_s;
	const char *tier;

	uv_loop_t loop;
	uv_timer_t pace, limit;
	struct og_amqp *amqp;
	char reply[OG_KEY_MAX], head[OG_ID_LEN + 1];
	char *text; /* the body of every job */

	int64_t sent, ended, done, refused, failed;
	int64_t first_us, last_us;
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
	og_amqp_close(b->amqp, NULL, NULL);
}

static void end_one(struct bench *b, int64_t number, bool is_done)
{
	b->last_us = og_clock_mono_us();
	if (is_done)
		b->took_us[b->done++] = b->last_us - b->began_us[number];
	b->began_us[number] = 0;
	if (++b->ended == b->jobs)
		finish(b);
	else
		pump(b);
}

/* The number of a job of ours that has not ended, else -1. */
static int64_t number_of(const struct bench *b, const char *id)
{
	int64_t number;

	if (!id || strncmp(id, b->head, ID_HEAD) != 0)
		return -1;
	number = strtoll(id + ID_HEAD, NULL, 16);
	return number < b->jobs && b->began_us[number] ? number : -1;
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

		if (!is_done && !b->failed++)
			fprintf(stderr, "first job that failed: %s, %.*s\n", e.state, (int)m->body_len,
				(const char *)m->body);
		og_amqp_ack(b->amqp, epoch, m->delivery_tag);
		end_one(b, number, is_done);
		return;
	}
	og_amqp_ack(b->amqp, epoch, m->delivery_tag);
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
	char id[OG_ID_LEN + 1];
	struct og_message m = {.exchange = OG_X_JOBS,
		.routing_key = OG_K_INTAKE,
		.persistent = true,
		.body = b->text,
		.body_len = strlen(b->text)};
	struct og_envelope e = {.type = OG_T_REQUEST,
		.id = id,
		.reply_to = b->reply,
		.content_type = "application/json",
		.tier = b->tier,
		.bundle = OG_BUNDLES_MESSAGES};

	snprintf(id, sizeof(id), "%.*s%012" PRIx64, ID_HEAD, b->head, (uint64_t)number);
	og_envelope_encode(&e, &m);
	*p = (struct publishing){b, number};
	b->began_us[number] = began_us;
	if (og_amqp_publish(b->amqp, &m, OG_PUBLISH_MANDATORY | OG_PUBLISH_BUNDLE, on_settled, p, &b->why) == 0)
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
			b->amqp->ops->on_writable(b->amqp, on_writable, b);
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
		b->ended, b->jobs);
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

static int connect_broker(struct bench *b, struct og_error *err)
{
	const struct og_amqp_events events = {.on_up = on_up, .on_down = on_down, .ctx = b};
	struct og_credentials credentials;
	struct og_binding binding;
	struct og_queue queue;

	if (og_credentials_load(&b->settings, ROLE, &credentials, err) < 0 ||
		og_service_amqp(&b->loop, &b->settings, ROLE, "bench_jobs", false, &events, &b->amqp, err) < 0)
		return -1;
	og_reply_new(credentials.user, b->reply);
	og_topology_reply_queue(b->reply, &b->settings.limits, &queue);
	b->amqp->ops->recipe_queue(b->amqp, &queue);
	snprintf(binding.exchange, sizeof(binding.exchange), "%s", OG_X_REPLIES);
	snprintf(binding.queue, sizeof(binding.queue), "%s", queue.name);
	og_key_reply(b->reply, "*", binding.key);
	b->amqp->ops->recipe_bind(b->amqp, &binding);
	b->amqp->ops->recipe_consume(b->amqp, queue.name, PREFETCH, 0, on_delivery, b);
	return 0;
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

static void report(struct bench *b, bool json)
{
	static const char *const formats[] = {
		"%" PRId64 " of %" PRId64 " jobs done, %" PRId64 " failed, %" PRId64 " refused, %" PRId64
		" unanswered\n"
		"%.1f jobs/s over %.3f s; p50 %.2f ms, p95 %.2f ms, p99 %.2f ms, max %.2f ms\n",
		"{\"done\":%" PRId64 ",\"jobs\":%" PRId64 ",\"failed\":%" PRId64 ",\"refused\":%" PRId64
		",\"unanswered\":%" PRId64 ",\"jobs_per_s\":%.1f,\"seconds\":%.3f,\"p50_ms\":%.3f,\"p95_ms\":%.3f,"
		"\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
	};
	double seconds = b->last_us ? (double)(b->last_us - b->first_us) / 1e6 : 0;

	qsort(b->took_us, (size_t)b->done, sizeof(*b->took_us), by_value);
	printf(formats[json], b->done, b->jobs, b->failed, b->refused, b->jobs - b->ended,
		seconds > 0 ? (double)b->done / seconds : 0, seconds, percentile_ms(b, 50), percentile_ms(b, 95),
		percentile_ms(b, 99), percentile_ms(b, 100));
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
	b->began_us = og_alloc((size_t)b->jobs * sizeof(*b->began_us));
	b->took_us = og_alloc((size_t)b->jobs * sizeof(*b->took_us));
	b->text = make_text(b->body);
	og_uuid_new(b->head);
	uv_loop_init(&b->loop);
	if (connect_broker(b, err) < 0)
		return -1;
	uv_timer_init(&b->loop, &b->pace);
	uv_timer_init(&b->loop, &b->limit);
	b->pace.data = b->limit.data = b;
	uv_timer_start(&b->limit, on_limit, (uint64_t)b->timeout_s * 1000, 0);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	return uv_loop_close(&b->loop);
}

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"jobs", required_argument, NULL, 'n'},
	{"window", required_argument, NULL, 'w'},
	{"body", required_argument, NULL, 'b'},
	{"rate", required_argument, NULL, 'r'},
	{"tier", required_argument, NULL, 't'},
	{"timeout", required_argument, NULL, 'l'},
	{"json", no_argument, NULL, 'j'},
	{NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
	struct bench b = {.jobs = 10000, .window = 500, .body = 512, .timeout_s = 300, .tier = OG_TIER_AUTO};
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
		case 'w':
			rc = og_parse_int(optarg, 1, 1000000, &b.window, &err);
			break;
		case 'b':
			rc = og_parse_bytes(optarg, 1, OG_BODY_MAX, &b.body, &err);
			break;
		case 'r':
			rc = og_parse_int(optarg, 1, 1000000, &b.rate, &err);
			break;
		case 't':
			b.tier = optarg;
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
	if (rc || og_settings_load(config, NULL, &b.settings, &err) < 0 || run(&b, &err) < 0) {
		fprintf(stderr, "bench_jobs: %s\n", err.message);
		return 2;
	}
	report(&b, json);
	og_settings_done(&b.settings);
	free(b.began_us);
	free(b.took_us);
	free(b.text);
	return b.done == b.jobs ? 0 : 1;
}
