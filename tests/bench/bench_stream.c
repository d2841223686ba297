/* What the path adds to an engine's stream: the same request, asked of the engine directly and through the network, in turn, in one process.
 * Prints one JSON object: time to first token and tokens/s of both, and the differences.
 *
 *   bench_stream --engine http://127.0.0.1:18080 [--rounds 50] [--tokens 32] [--prompt TEXT] [--tier TIER]
 *
 * The settings are those of OPENGATEWAY_POC_ROOT. A round is one direct request and one job, the order changing each round, so that what the
 * machine does meanwhile hits both alike. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "io/http.h"
#include "io/sse.h"
#include "producer.h"

#define ROUNDS_MAX 10000

struct sample {
	int64_t start_us, first_us, last_us;
	int tokens;
};

struct bench {
	uv_loop_t *loop;
	struct og_http *http;
	struct producer producer;
	const char *engine, *prompt, *tier;
	int rounds, tokens, round;
	bool path_next, second;
	struct og_sse sse;
	int64_t job;
	struct sample now;
	struct sample *direct, *path;
};

static void next(struct bench *b);

static void die(const char *what, const struct og_error *err)
{
	fprintf(stderr, "bench_stream: %s: %s\n", what, err ? err->message : "failed");
	exit(1);
}

/* One event of the engine's, whichever way it came: counts it if it carries text. */
static void event(struct bench *b, const char *data, size_t len)
{
	json_t *root = json_loadb(data, len, 0, NULL);
	json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
	const char *text = json_string_value(json_object_get(json_object_get(choice, "delta"), "content"));

	if (text && *text) {
		b->now.last_us = og_clock_mono_us();
		if (b->now.tokens++ == 0)
			b->now.first_us = b->now.last_us;
	}
	json_decref(root);
}

static void ended(struct bench *b, struct sample *into)
{
	if (b->now.tokens == 0)
		die("a stream without a token", NULL);
	into[b->round] = b->now;
	if (b->second)
		b->round++;
	else
		b->path_next = !b->path_next;
	b->second = !b->second;
	next(b);
}

static char *body(const struct bench *b, bool stream)
{
	json_t *root = json_pack("{s:[{s:s,s:s}],s:i,s:i,s:i}", "messages", "role", "user", "content", b->prompt,
		"max_tokens", b->tokens, "temperature", 0, "seed", 1);
	char *text;

	if (stream) {
		json_object_set_new(root, "stream", json_true());
		json_object_set_new(root, "stream_options", json_pack("{s:b}", "include_usage", 1));
	}
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

static int on_sse(void *ctx, const struct og_sse_event *e)
{
	event(ctx, e->data, e->len);
	return 0;
}

static int on_body(void *ctx, const char *data, size_t len)
{
	struct bench *b = ctx;
	struct og_error err = {0};

	if (og_sse_push(&b->sse, data, len, &err) < 0)
		die("the engine's stream", &err);
	return 0;
}

static void on_end(void *ctx, int status, const struct og_error *err)
{
	struct bench *b = ctx;

	if (err || status != 200)
		die("the engine", err);
	og_sse_done(&b->sse);
	ended(b, b->direct);
}

static void ask_engine(struct bench *b)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	og_autofree char *url = og_printf("%s/v1/chat/completions", b->engine);
	og_autofree char *text = body(b, true);
	struct og_http_request request = {
		.method = "POST", .url = url, .headers = headers, .body = text, .body_len = strlen(text)};
	struct og_http_handler handler = {.on_body = on_body, .on_end = on_end, .ctx = b};
	struct og_error err = {0};

	og_sse_init(&b->sse, OG_SSE_EVENTS, 1 << 20, on_sse, b);
	b->now.start_us = og_clock_mono_us();
	if (!b->http->ops->start(b->http, &request, &handler, &err))
		die("the engine", &err);
}

static void ask_network(struct bench *b)
{
	og_autofree char *text = body(b, false);
	struct og_envelope e = {.tier = b->tier, .stream = 1, .max_tokens = b->tokens};
	struct og_error err = {0};

	b->now.start_us = og_clock_mono_us();
	if (producer_submit(&b->producer, ++b->job, &e, text, strlen(text), NULL, NULL, &err) < 0)
		die("publish", &err);
}

static void on_reply(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct bench *b = ctx;
	struct og_envelope e;
	struct og_error err = {0};

	og_amqp_ack(b->producer.amqp, epoch, m->delivery_tag);
	if (og_envelope_decode(m, &e, &err) < 0)
		die("a reply", &err);
	if (producer_number(&b->producer, e.id) != b->job) /* a ping is of no job */
		return;
	if (strcmp(e.type, OG_T_CHUNK) == 0) {
		event(b, m->body, m->body_len);
	} else if (strcmp(e.type, OG_T_RESPONSE) == 0) {
		if (strcmp(e.state, "done") != 0) {
			fprintf(stderr, "bench_stream: the job ended %s: %.*s\n", e.state, (int)m->body_len,
				(const char *)m->body);
			exit(1);
		}
		ended(b, b->path);
	}
}

static void next(struct bench *b)
{
	if (b->round == b->rounds) {
		og_amqp_close(b->producer.amqp, NULL, NULL);
		b->http->ops->close(b->http, NULL, NULL);
		return;
	}
	b->now = (struct sample){0};
	if (b->path_next)
		ask_network(b);
	else
		ask_engine(b);
}

static void on_up(void *ctx, uint64_t epoch)
{
	if (epoch == 1)
		next(ctx);
}

static void on_down(void *ctx, const struct og_error *why)
{
	const struct bench *b = ctx;

	if (b->round < b->rounds)
		die("the broker", why);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of n values, sorted in place: the q-quantile (nearest rank). */
static double quantile(double *values, int n, double q)
{
	qsort(values, (size_t)n, sizeof(*values), by_value);
	return values[(int)(q * (n - 1) + 0.5)];
}

static double first_ms(const struct sample *s)
{
	return (double)(s->first_us - s->start_us) / 1e3;
}

static double rate(const struct sample *s)
{
	return s->tokens < 2 ? 0 : (s->tokens - 1) * 1e6 / (double)(s->last_us - s->first_us);
}

static json_t *quantiles(double *values, int n)
{
	return json_pack("{s:f,s:f,s:f}", "p50", quantile(values, n, 0.5), "p95", quantile(values, n, 0.95), "p99",
		quantile(values, n, 0.99));
}

static void report(const struct bench *b)
{
	og_autofree double *direct = og_alloc(sizeof(double) * (size_t)b->rounds);
	og_autofree double *path = og_alloc(sizeof(double) * (size_t)b->rounds);
	og_autofree double *added = og_alloc(sizeof(double) * (size_t)b->rounds);
	og_autofree double *direct_rate = og_alloc(sizeof(double) * (size_t)b->rounds);
	og_autofree double *path_rate = og_alloc(sizeof(double) * (size_t)b->rounds);
	json_t *root;

	for (int i = 0; i < b->rounds; i++) {
		direct[i] = first_ms(&b->direct[i]);
		path[i] = first_ms(&b->path[i]);
		added[i] = path[i] - direct[i];
		direct_rate[i] = rate(&b->direct[i]);
		path_rate[i] = rate(&b->path[i]);
	}
	root = json_pack("{s:i,s:o,s:o,s:o,s:f,s:f}", "rounds", b->rounds, "first_token_ms_direct",
		quantiles(direct, b->rounds), "first_token_ms_path", quantiles(path, b->rounds), "added_ms",
		quantiles(added, b->rounds), "tokens_per_s_direct", quantile(direct_rate, b->rounds, 0.5),
		"tokens_per_s_path", quantile(path_rate, b->rounds, 0.5));
	json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(root);
}

static void options(struct bench *b, int argc, char **argv)
{
	static const struct option rows[] = {{"engine", 1, NULL, 'e'}, {"rounds", 1, NULL, 'r'},
		{"tokens", 1, NULL, 't'}, {"prompt", 1, NULL, 'p'}, {"tier", 1, NULL, 'i'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "", rows, NULL)) != -1) {
		switch (c) {
		case 'e':
			b->engine = optarg;
			break;
		case 'r':
			b->rounds = atoi(optarg);
			break;
		case 't':
			b->tokens = atoi(optarg);
			break;
		case 'p':
			b->prompt = optarg;
			break;
		case 'i':
			b->tier = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (!b->engine || b->rounds < 1 || b->rounds > ROUNDS_MAX || b->tokens < 2) {
		fprintf(stderr, "bench_stream: needs --engine URL; --rounds 1 to %d; --tokens from 2\n", ROUNDS_MAX);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct bench b = {.rounds = 50, .tokens = 32, .prompt = "Tell me a story about a river.", .tier = OG_TIER_AUTO};
	struct og_amqp_events events = {.on_up = on_up, .on_down = on_down, .ctx = &b};
	struct og_error err = {0};

	options(&b, argc, argv);
	b.direct = og_alloc(sizeof(struct sample) * (size_t)b.rounds);
	b.path = og_alloc(sizeof(struct sample) * (size_t)b.rounds);
	b.loop = uv_default_loop();
	if (!(b.http = og_http_open(b.loop, &err)) ||
		producer_open(&b.producer, b.loop, NULL, "bench_stream", 0, &events, on_reply, &err) < 0)
		die("start", &err);
	uv_run(b.loop, UV_RUN_DEFAULT);
	report(&b);
	free(b.direct);
	free(b.path);
	producer_done(&b.producer);
	return 0;
}
