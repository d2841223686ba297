/* A load of chat completions on anything that speaks OpenAI's HTTP, and how long its answers took.
 *
 *   bench_http --url http://127.0.0.1:8080/v1/chat/completions --body FILE --words N [--header 'name: value']…
 *              [--clients C] [--seconds S] [--rate PER_S] [--once] [--stream]
 *
 * Closed loop: C clients, each on a connection that it keeps, ask again as soon as they are answered, for S seconds. Open loop (--rate): a
 * request falls due every 1/rate seconds, and its times count from then, whether or not a client was free. --once: each client asks once.
 * An answer counts when its status is 200 and it has all N words of bench_engine's, and, of a stream, the [DONE] behind them; the first
 * token's time is that of the first word. Prints one JSON object; exits with 1 when nothing could be asked. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/options.h"
#include "bench_word.h"
#include "http1.h"

#define READ_MAX    262144
#define BODY_MAX    (1 << 20)
#define CLIENTS_MAX 20000
#define SAMPLES_MAX 10000000
#define WHY_MAX     300
#define DRAIN_US    20000000 /* beyond the seconds of the load: what is not answered by then has failed */
#define END         "[DONE]"

struct settings {
	const char *url, *body;
	struct og_list headers;
	int64_t words, clients, seconds, rate;
	bool once, stream;
};

struct client {
	struct bench *bench;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	struct http1 in;
	bool connected, busy, asked;
	int64_t due_us, first_us;
	size_t word_at, end_at; /* how far the word, and the end of a stream, have been matched */
	int64_t words;
	bool end, head;
	char said[WHY_MAX]; /* the begin of its body, for the case that it is a refusal */
	size_t said_len;
};

struct bench {
	struct settings set;
	uv_loop_t *loop;
	struct sockaddr_in address;
	struct og_buf request;
	struct client *clients;
	int64_t waiting; /* clients that are not connected yet */
	bool begun, over;

	int timer_fd;
	uv_poll_t due;
	uv_timer_t limit;
	int64_t begin_us, end_us, asked; /* of the load; asked: requests that fell due */
	int64_t last_us;                 /* when the last answer that counts had ended */

	int64_t *total_us, *first_us;
	int64_t ended, failed, busy, open, open_max;
	char why[WHY_MAX * 2]; /* of the first that failed */
};

static char scratch[READ_MAX];

static void ask_next(struct client *c);
static void connect_client(struct client *c);

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench_http: %s: %s\n", what, why);
	exit(1);
}

/* The steps of one byte towards `word`; true where it is whole. Its first letter does not come again in it. */
static bool step(const char *word, size_t len, size_t *at, char byte)
{
	*at = byte == word[*at] ? *at + 1 : byte == word[0];
	if (*at < len)
		return false;
	*at = 0;
	return true;
}

static void on_body(void *arg, const char *data, size_t len)
{
	struct client *c = arg;

	if (!c->head && c->in.status == 200) {
		c->head = true;
		if (++c->bench->open > c->bench->open_max)
			c->bench->open_max = c->bench->open;
	}
	for (size_t i = 0; i < len; i++) {
		if (step(BENCH_WORD, sizeof(BENCH_WORD) - 1, &c->word_at, data[i]) && c->words++ == 0)
			c->first_us = og_clock_mono_us();
		c->end |= step(END, sizeof(END) - 1, &c->end_at, data[i]);
	}
	for (size_t i = 0; i < len && c->said_len < sizeof(c->said) - 1; i++)
		c->said[c->said_len++] = data[i];
}

static void fail(struct client *c, const char *why)
{
	struct bench *b = c->bench;

	c->said[c->said_len] = '\0';
	if (b->failed++ == 0)
		snprintf(b->why, sizeof(b->why), "%s, status %d: %s", why, c->in.status, c->said);
}

static void settle(struct client *c, const char *broken)
{
	struct bench *b = c->bench;
	int64_t now = og_clock_mono_us();

	c->busy = false;
	b->busy--;
	b->open -= c->head;
	if (broken) {
		fail(c, broken);
	} else if (c->in.status != 200 || c->words != b->set.words || (b->set.stream && !c->end)) {
		fail(c, c->in.status != 200 ? "refused" : "not the whole answer");
	} else if (b->ended < SAMPLES_MAX) {
		b->last_us = now;
		b->first_us[b->ended] = c->first_us - c->due_us;
		b->total_us[b->ended++] = now - c->due_us;
	}
}

static int64_t due_of(const struct bench *b, int64_t n)
{
	return b->begin_us + n * 1000000 / b->set.rate;
}

static bool all_asked(const struct bench *b)
{
	if (b->set.rate)
		return due_of(b, b->asked) >= b->end_us;
	return b->set.once ? b->asked == b->set.clients : og_clock_mono_us() >= b->end_us;
}

static void stop(struct bench *b)
{
	if (b->over)
		return;
	b->over = true;
	for (int64_t i = 0; i < b->set.clients; i++)
		if (b->clients[i].busy)
			settle(&b->clients[i], "no end of the answer in time");
	for (; b->set.rate && !all_asked(b); b->asked++) /* no client was free */
		b->failed++;
	uv_stop(b->loop);
}

static void on_limit(uv_timer_t *timer)
{
	stop(timer->data);
}

/* When all is asked and answered there is nothing to wait for. */
static void stop_if_done(struct bench *b)
{
	if (b->busy == 0 && all_asked(b))
		stop(b);
}

static void on_written(uv_write_t *write, int status)
{
	struct client *c = write->data;

	if (status < 0 && c->busy && status != UV_ECANCELED)
		settle(c, uv_strerror(status));
}

static void ask(struct client *c, int64_t due_us)
{
	struct bench *b = c->bench;
	uv_buf_t buf = uv_buf_init(b->request.data, (unsigned)b->request.len);

	c->due_us = due_us;
	c->first_us = c->words = 0;
	c->word_at = c->end_at = c->said_len = 0;
	c->end = c->head = false;
	c->in.status = 0;
	c->busy = true;
	b->busy++;
	c->write.data = c;
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) < 0)
		settle(c, "cannot write");
}

/* The kernel's timer has microseconds where the loop's has milliseconds. */
static void arm(struct bench *b)
{
	int64_t us = due_of(b, b->asked) - og_clock_mono_us();
	struct itimerspec at = {.it_value = {us > 0 ? us / 1000000 : 0, us > 0 ? us % 1000000 * 1000 + 1 : 1}};

	timerfd_settime(b->timer_fd, 0, &at, NULL);
}

/* Open loop: a client that is free takes the oldest request that is due. While one is free the timer is armed for the next;
 * while none is, nothing has to be: who becomes free looks here. */
static void take_due(struct client *c)
{
	struct bench *b = c->bench;
	int64_t due = due_of(b, b->asked);

	if (due >= b->end_us)
		return;
	if (due > og_clock_mono_us()) {
		arm(b);
		return;
	}
	b->asked++;
	ask(c, due);
}

static void on_due(uv_poll_t *poll, int status, int events)
{
	struct bench *b = poll->data;
	uint64_t times;

	(void)status;
	(void)events;
	if (read(b->timer_fd, &times, sizeof(times)) < 0)
		return;
	for (int64_t i = 0; i < b->set.clients; i++)
		if (!b->clients[i].busy && b->clients[i].connected)
			take_due(&b->clients[i]);
	stop_if_done(b);
}

static void ask_next(struct client *c)
{
	struct bench *b = c->bench;
	int64_t now = og_clock_mono_us();

	if (b->over || !b->begun || !c->connected || c->busy)
		return;
	if (b->set.rate) {
		take_due(c);
	} else if (b->set.once ? !c->asked : now < b->end_us) {
		c->asked = true;
		b->asked++;
		ask(c, now);
	}
	stop_if_done(b);
}

static void on_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;

	http1_done(&c->in);
	if (!c->bench->over)
		connect_client(c);
}

/* The next request goes out on a new connection. */
static void reconnect(struct client *c)
{
	c->connected = false;
	if (!uv_is_closing((uv_handle_t *)&c->tcp))
		uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	(void)handle;
	(void)size;
	*ret = uv_buf_init(scratch, sizeof(scratch));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *c = stream->data;
	size_t used;
	int rc = n > 0 ? http1_read(&c->in, buf->base, (size_t)n, &used) : 0;

	if (n == 0 || (rc == 0 && n > 0))
		return;
	if (c->busy)
		settle(c, n < 0 ? uv_strerror((int)n) : rc < 0 ? "no HTTP that this program knows" : NULL);
	if (n < 0 || rc < 0 || c->in.closes)
		reconnect(c);
	ask_next(c);
}

static void begin(struct bench *b)
{
	b->begun = true;
	b->begin_us = og_clock_mono_us();
	b->end_us = b->begin_us + b->set.seconds * 1000000;
	uv_timer_start(&b->limit, on_limit, (uint64_t)(b->set.seconds * 1000 + DRAIN_US / 1000), 0);
	for (int64_t i = 0; i < b->set.clients; i++)
		ask_next(&b->clients[i]);
}

static void on_connect(uv_connect_t *connect, int status)
{
	struct client *c = connect->data;
	struct bench *b = c->bench;

	if (status == UV_ECANCELED)
		return;
	if (status < 0)
		die(b->set.url, uv_strerror(status));
	c->connected = true;
	uv_tcp_nodelay(&c->tcp, 1);
	uv_read_start((uv_stream_t *)&c->tcp, alloc, on_read);
	if (b->begun)
		ask_next(c);
	else if (--b->waiting == 0)
		begin(b);
}

static void connect_client(struct client *c)
{
	int rc;

	uv_tcp_init(c->bench->loop, &c->tcp);
	http1_init(&c->in, on_body, c);
	c->tcp.data = c->connect.data = c;
	rc = uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&c->bench->address, on_connect);
	if (rc < 0)
		die(c->bench->set.url, uv_strerror(rc));
}

/* Address and request of `url`, `http://a.b.c.d:port/path`. */
static void prepare(struct bench *b)
{
	char host[64], *body = NULL;
	int port = 0, path = 0;
	size_t len = 0;
	struct og_error err = {0};

	if (sscanf(b->set.url, "http://%63[0-9.]:%d%n", host, &port, &path) != 2 || b->set.url[path] != '/' ||
		uv_ip4_addr(host, port, &b->address) < 0)
		die(b->set.url, "not of the form http://127.0.0.1:8080/path");
	if (og_file_read(b->set.body, BODY_MAX, &body, &len, &err) < 0)
		die(b->set.body, err.message);
	og_buf_init(&b->request, 2 * BODY_MAX);
	og_buf_addf(&b->request, "POST %s HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\n",
		b->set.url + path, host, port);
	for (size_t i = 0; i < b->set.headers.n; i++)
		og_buf_addf(&b->request, "%s\r\n", b->set.headers.items[i]);
	og_buf_addf(&b->request, "Content-Length: %zu\r\n\r\n", len);
	og_buf_add(&b->request, body, len);
	free(body);
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void print_times(const char *name, int64_t *us, int64_t n)
{
	static const int of_thousand[] = {500, 950, 990};
	double ms[OG_COUNT(of_thousand)] = {0};

	qsort(us, (size_t)n, sizeof(*us), by_size);
	for (size_t i = 0; n > 0 && i < OG_COUNT(of_thousand); i++)
		ms[i] = (double)us[(n - 1) * of_thousand[i] / 1000] / 1000;
	printf(",\"%s\":{\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, ms[0], ms[1], ms[2],
		n > 0 ? (double)us[n - 1] / 1000 : 0);
}

static void print_result(struct bench *b)
{
	og_autofree char *why = og_strdup(b->why);

	for (char *p = why; *p; p++)
		if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = '\'';
	printf("{\"clients\":%" PRId64 ",\"ended\":%" PRId64 ",\"failed\":%" PRId64
	       ",\"why\":\"%s\",\"open_max\":%" PRId64 ",\"per_s\":%.1f",
		b->set.clients, b->ended, b->failed, why, b->open_max,
		b->ended ? (double)b->ended * 1e6 / (double)(b->last_us - b->begin_us) : 0);
	print_times("total_ms", b->total_us, b->ended);
	print_times("first_ms", b->first_us, b->ended);
	printf("}\n");
}

static void run(struct bench *b)
{
	b->loop = uv_default_loop();
	b->clients = og_alloc((size_t)b->set.clients * sizeof(*b->clients));
	b->total_us = og_alloc(SAMPLES_MAX * sizeof(int64_t));
	b->first_us = og_alloc(SAMPLES_MAX * sizeof(int64_t));
	b->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	uv_timer_init(b->loop, &b->limit);
	uv_poll_init(b->loop, &b->due, b->timer_fd);
	b->limit.data = b->due.data = b;
	uv_poll_start(&b->due, UV_READABLE, on_due);
	b->waiting = b->set.clients;
	for (int64_t i = 0; i < b->set.clients; i++) {
		b->clients[i].bench = b;
		connect_client(&b->clients[i]);
	}
	uv_run(b->loop, UV_RUN_DEFAULT);
}

#define AT(field) offsetof(struct settings, field)

int main(int argc, char **argv)
{
	static const struct og_option rows[] = {
		{"url", 0, "URL", OG_OPTION_TEXT, AT(url), 0, 0, "http://<address>:<port>/<path>"},
		{"body", 0, "FILE", OG_OPTION_TEXT, AT(body), 0, 0, "the body of every request"},
		{"header", 0, "LINE", OG_OPTION_LIST, AT(headers), 0, 0, "a header of every request"},
		{"words", 0, "N", OG_OPTION_INT, AT(words), 1, 1000000, "how many a whole answer has"},
		{"clients", 0, "C", OG_OPTION_INT, AT(clients), 1, CLIENTS_MAX, "connections"},
		{"seconds", 0, "S", OG_OPTION_INT, AT(seconds), 1, 3600, "of load"},
		{"rate", 0, "R", OG_OPTION_INT, AT(rate), 1, 1000000, "requests a second (open loop)"},
		{"once", 0, NULL, OG_OPTION_FLAG, AT(once), 0, 0, "each client asks once"},
		{"stream", 0, NULL, OG_OPTION_FLAG, AT(stream), 0, 0, "the answers are streams"},
	};
	static struct bench b = {.set = {.clients = 1, .seconds = 1}};
	const struct og_options options = {rows, OG_COUNT(rows), &b.set};
	struct og_error err = {0};

	if (og_options_of_program(&options, argc, argv, &err) < 0) {
		fprintf(stderr, "bench_http: %s\n", err.message);
		return 2;
	}
	if (!b.set.url || !b.set.body || !b.set.words)
		die("usage", "--url, --body and --words are needed");
	prepare(&b);
	run(&b);
	print_result(&b);
	return b.ended == 0;
}
