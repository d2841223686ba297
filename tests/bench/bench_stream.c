/* Streams, so many at a time: of each when its first token was there, and how fast the answer came. Of an engine, or of what stands before
 * it, over HTTP (OpenAI's chat completions); without --url by the path: broker, scheduler, worker.
 *
 *   bench_stream [--url URL [--header LINE]… [--model NAME]] [--config FILE] [--tier TIER] [--streams 1] [--each 1] [--tokens 32]
 *                [--prompt TEXT] [--spread MS]
 *
 * Each of the streams asks once to connect and to warm what is behind it, which does not count, and then --each times more, as soon as its
 * last answer has ended. They begin spread evenly over --spread ms, so that not all tokens fall due at the same moment. Prints one JSON
 * object, a figure an answer: first_ms, from asking to the first token; per_s, tokens a second from asking to the answer's end; and of all
 * together the number of `tokens`. Exits with 1 when an answer was none. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/options.h"
#include "io/http.h"
#include "io/sse.h"
#include "producer.h"

#define STREAMS_MAX 10000
#define EACH_MAX    10000
#define EVENT_MAX   (1 << 20)

struct stream {
	struct bench *bench;
	uv_timer_t begin;
	struct og_sse sse;
	int64_t asked; /* answers, the one that does not count too */
	int64_t start_us, first_us, tokens;
};

struct bench {
	const char *url, *model, *config, *tier, *prompt;
	struct og_list headers;
	int64_t streams, each, tokens, spread_ms;
	uv_loop_t *loop;
	struct producer producer; /* of the two one is used */
	struct og_http *http;
	char *body;
	struct stream *of;
	int64_t going; /* streams that have not asked their last */
	json_t *first_ms, *per_s;
	int64_t counted; /* tokens */
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench_stream: %s: %s\n", what, why);
	exit(1);
}

static int64_t number_of(const struct stream *s)
{
	return s - s->bench->of + s->asked * s->bench->streams;
}

/* One event of the engine's, whichever way it came: counts it if it carries text. */
static void event(struct stream *s, const char *data, size_t len)
{
	json_t *root = json_loadb(data, len, 0, NULL);
	json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
	const char *text = json_string_value(json_object_get(json_object_get(choice, "delta"), "content"));

	if (text && *text && s->tokens++ == 0)
		s->first_us = og_clock_mono_us();
	json_decref(root);
}

static int on_sse(void *ctx, const struct og_sse_event *e)
{
	event(ctx, e->data, e->len);
	return 0;
}

static int on_body(void *ctx, const char *data, size_t len)
{
	struct stream *s = ctx;
	struct og_error err = {0};

	if (og_sse_push(&s->sse, data, len, &err) < 0)
		die("a stream", err.message);
	return 0;
}

static void ended(struct stream *s);

static void on_end(void *ctx, int status, const struct og_error *err)
{
	struct stream *s = ctx;
	char number[16];

	snprintf(number, sizeof(number), "%d", status);
	if (err || status != 200)
		die(s->bench->url, err ? err->message : number);
	og_sse_done(&s->sse);
	ended(s);
}

static void ask_url(struct stream *s)
{
	struct bench *b = s->bench;
	const struct og_http_request request = {.method = "POST",
		.url = b->url,
		.headers = b->headers.items,
		.body = b->body,
		.body_len = strlen(b->body)};
	const struct og_http_handler handler = {.on_body = on_body, .on_end = on_end, .ctx = s};
	struct og_error err = {0};

	og_sse_init(&s->sse, OG_SSE_EVENTS, EVENT_MAX, on_sse, s);
	if (!og_http_start(b->http, &request, &handler, &err))
		die(b->url, err.message);
}

static void ask_path(struct stream *s)
{
	struct bench *b = s->bench;
	struct og_envelope e = {.tier = b->tier, .stream = 1, .max_tokens = b->tokens, .bundle = OG_BUNDLES_MESSAGES};
	struct og_error err = {0};

	if (producer_submit(&b->producer, number_of(s), &e, b->body, strlen(b->body), NULL, NULL, &err) < 0)
		die("publish", err.message);
}

static void ask(struct stream *s)
{
	s->tokens = 0;
	s->start_us = og_clock_mono_us();
	if (s->bench->url)
		ask_url(s);
	else
		ask_path(s);
}

static void count(struct stream *s, int64_t end_us)
{
	struct bench *b = s->bench;

	json_array_append_new(b->first_ms, json_real((double)(s->first_us - s->start_us) / 1e3));
	json_array_append_new(b->per_s, json_real((double)s->tokens * 1e6 / (double)(end_us - s->start_us)));
	b->counted += s->tokens;
}

static void finish(struct bench *b)
{
	if (b->url)
		og_http_close(b->http, NULL, NULL);
	else
		producer_close(&b->producer);
}

static void ended(struct stream *s)
{
	struct bench *b = s->bench;

	if (!s->tokens)
		die("an answer", "it has no token");
	if (s->asked++)
		count(s, og_clock_mono_us());
	if (s->asked <= b->each)
		ask(s);
	else if (--b->going == 0)
		finish(b);
}

/* Several chunks may come in one message, a line each. */
static void chunks(struct stream *s, const char *data, size_t len)
{
	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t line = end ? (size_t)(end - data) : len;

		event(s, data, line);
		line += end != NULL;
		data += line;
		len -= line;
	}
}

static void on_reply(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct bench *b = ctx;
	struct og_envelope e;
	struct og_error err = {0};
	struct stream *s;
	int64_t number;

	og_amqp_ack(b->producer.amqp, epoch, m->delivery_tag);
	if (og_envelope_decode(m, &e, &err) < 0)
		die("a reply", err.message);
	number = producer_number(&b->producer, e.id);
	if (number < 0) /* a ping is of no job */
		return;
	s = &b->of[number % b->streams];
	if (number != number_of(s))
		return;
	if (strcmp(e.type, OG_T_CHUNK) == 0) {
		chunks(s, m->body, m->body_len);
	} else if (strcmp(e.type, OG_T_RESPONSE) == 0) {
		if (strcmp(e.state, og_state_name(OG_STATE_DONE)) != 0) {
			fprintf(stderr, "bench_stream: the job ended %s: %.*s\n", e.state, (int)m->body_len,
				(const char *)m->body);
			exit(1);
		}
		ended(s);
	}
}

static void on_begin(uv_timer_t *timer)
{
	struct stream *s = timer->data;

	uv_close((uv_handle_t *)timer, NULL);
	ask(s);
}

static void begin(struct bench *b)
{
	for (int64_t i = 0; i < b->streams; i++) {
		struct stream *s = &b->of[i];

		s->bench = b;
		s->begin.data = s;
		uv_timer_init(b->loop, &s->begin);
		uv_timer_start(&s->begin, on_begin, (uint64_t)(i * b->spread_ms / b->streams), 0);
	}
}

static void on_up(void *ctx, uint64_t epoch)
{
	if (epoch == 1)
		begin(ctx);
}

static void on_down(void *ctx, const struct og_error *why)
{
	const struct bench *b = ctx;

	if (b->going)
		die("the broker", why->message);
}

static char *make_body(const struct bench *b)
{
	json_t *root = json_pack("{s:s*,s:[{s:s,s:s}],s:I,s:i,s:i}", "model", b->model, "messages", "role", "user",
		"content", b->prompt, "max_tokens", (json_int_t)b->tokens, "temperature", 0, "seed", 1);
	char *text;

	if (b->url) {
		json_object_set_new(root, "stream", json_true());
		json_object_set_new(root, "stream_options", json_pack("{s:b}", "include_usage", 1));
	}
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

static void run_url(struct bench *b)
{
	struct og_error err = {0};

	b->loop = uv_default_loop();
	if (!(b->http = og_http_open(b->loop, &err)))
		die("start", err.message);
	begin(b);
	uv_run(b->loop, UV_RUN_DEFAULT);
}

static void run_path(struct bench *b)
{
	const struct og_amqp_events events = {.on_up = on_up, .on_down = on_down, .ctx = b};
	struct og_error err = {0};

	b->loop = &b->producer.loop;
	if (producer_open(&b->producer, b->config, "bench_stream", 0, &events, on_reply, &err) < 0)
		die("start", err.message);
	producer_run(&b->producer, 0);
	producer_done(&b->producer);
}

static void report(const struct bench *b)
{
	json_t *root = json_pack(
		"{s:I,s:O,s:O}", "tokens", (json_int_t)b->counted, "first_ms", b->first_ms, "per_s", b->per_s);

	json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(root);
}

#define AT(field) offsetof(struct bench, field)

int main(int argc, char **argv)
{
	static const struct og_option rows[] = {
		{"url", 0, "URL", OG_OPTION_TEXT, AT(url), 0, 0, "http://<address>:<port>/<path>; none: by the path"},
		{"header", 0, "LINE", OG_OPTION_LIST, AT(headers), 0, 0, "a header of every request"},
		{"model", 0, "NAME", OG_OPTION_TEXT, AT(model), 0, 0, "that is asked for over HTTP"},
		{"config", 0, "FILE", OG_OPTION_TEXT, AT(config), 0, 0, "the settings"},
		{"tier", 0, "TIER", OG_OPTION_TEXT, AT(tier), 0, 0, "that is asked for by the path"},
		{"prompt", 0, "TEXT", OG_OPTION_TEXT, AT(prompt), 0, 0, "of every request"},
		{"streams", 0, "N", OG_OPTION_INT, AT(streams), 1, STREAMS_MAX, "at a time"},
		{"each", 0, "N", OG_OPTION_INT, AT(each), 1, EACH_MAX, "answers of a stream that count"},
		{"tokens", 0, "N", OG_OPTION_INT, AT(tokens), 1, 100000, "of an answer, at most"},
		{"spread", 0, "MS", OG_OPTION_INT, AT(spread_ms), 0, 60000, "over which the streams begin"},
	};
	struct bench b = {.streams = 1,
		.each = 1,
		.tokens = 32,
		.prompt = "Tell me a story about a river.",
		.tier = OG_TIER_AUTO};
	const struct og_options options = {rows, OG_COUNT(rows), &b};
	struct og_error err = {0};

	if (og_options_of_program(&options, argc, argv, &err) < 0 ||
		og_list_add(&b.headers, "Content-Type: application/json", &err) < 0) {
		fprintf(stderr, "bench_stream: %s\n", err.message);
		return 2;
	}
	b.going = b.streams;
	b.of = og_alloc((size_t)b.streams * sizeof(*b.of));
	b.body = make_body(&b);
	b.first_ms = json_array();
	b.per_s = json_array();
	if (b.url)
		run_url(&b);
	else
		run_path(&b);
	report(&b);
	json_decref(b.first_ms);
	json_decref(b.per_s);
	free(b.body);
	free(b.of);
	return 0;
}
