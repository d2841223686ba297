/* An engine that costs next to nothing: OpenAI's chat completions, whole and streamed, from one thread and without looking at more of the
 * request than it must. What a gateway in front of it takes is then the gateway's own.
 *
 *   bench_engine [--port 0] [--tokens 8]
 *
 * Prints `listening on <port>`. A prompt with `[[stub tokens=20 pace_ms=100]]` gets so many tokens, one every so many ms (0: all in one
 * write, each in a chunk of its own; of a whole answer the pace is its delay). Each token is the word WORD, by which bench_http counts
 * them. It serves any model by any name, on loopback alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/options.h"
#include "bench_word.h"
#include "http1.h"

#define READ_MAX    65536
#define BODY_MAX    (8 << 20)
#define ANSWER_MAX  (8 << 20)
#define TOKENS_MAX  10000
#define PACE_MAX_MS 60000
#define BACKLOG     4096
#define NAME        "stub"
#define IDENTITY    "\"id\":\"chatcmpl-bench\",\"created\":1700000000,\"model\":\"" NAME "\""

struct settings {
	int64_t port, tokens;
};

struct conn {
	uv_tcp_t tcp;
	uv_timer_t pace;
	struct http1 in;
	struct og_buf body, out;
	int64_t tokens, pace_ms, said;
	uint64_t due_ms; /* of the next token, by the loop's clock */
	bool stream, usage, busy;
	int open; /* handles that are not closed yet */
};

struct later {
	uv_write_t write;
	char *data;
};

static struct settings settings = {.tokens = 8};
static char scratch[READ_MAX];

static void closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;

	if (--c->open > 0)
		return;
	http1_done(&c->in);
	og_buf_done(&c->body);
	og_buf_done(&c->out);
	free(c);
}

static void close_conn(struct conn *c)
{
	if (uv_is_closing((uv_handle_t *)&c->tcp))
		return;
	uv_close((uv_handle_t *)&c->tcp, closed);
	uv_close((uv_handle_t *)&c->pace, closed);
}

static void written(uv_write_t *write, int status)
{
	struct later *later = (struct later *)write;

	(void)status; /* a connection that is broken shows at the read */
	free(later->data);
	free(later);
}

/* Sends what is in `out`: at once as far as it goes, the rest when the client reads. */
static void flush(struct conn *c)
{
	uv_buf_t buf = uv_buf_init(c->out.data, (unsigned)c->out.len);
	int sent = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
	size_t from = sent > 0 ? (size_t)sent : 0;

	if (from < c->out.len) {
		struct later *later = og_new(struct later);

		later->data = og_memdup(c->out.data + from, c->out.len - from);
		buf = uv_buf_init(later->data, (unsigned)(c->out.len - from));
		if (uv_write(&later->write, (uv_stream_t *)&c->tcp, &buf, 1, written) < 0)
			written(&later->write, -1);
	}
	og_buf_clear(&c->out);
}

static void answer(struct conn *c, int status, const char *body, size_t len)
{
	og_buf_addf(&c->out, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", status,
		status == 200 ? "OK" : "Not Found", len);
	og_buf_add(&c->out, body, len);
	flush(c);
}

/* An event, in a chunk of HTTP of its own. */
static void say(struct conn *c, const char *json)
{
	og_buf_addf(&c->out, "%zx\r\ndata: %s\n\n\r\n", strlen(json) + 8, json);
}

static void say_delta(struct conn *c, const char *delta, const char *finish)
{
	char json[512];

	snprintf(json, sizeof(json),
		"{" IDENTITY ",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{%s},"
		"\"finish_reason\":%s}]}",
		delta, finish);
	say(c, json);
}

static void say_usage(struct conn *c)
{
	char json[512];

	snprintf(json, sizeof(json),
		"{" IDENTITY ",\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{\"prompt_tokens\":16,"
		"\"completion_tokens\":%d,\"total_tokens\":%d}}",
		(int)c->tokens, (int)c->tokens + 16);
	say(c, json);
}

static void end_stream(struct conn *c)
{
	say_delta(c, "", "\"stop\"");
	if (c->usage)
		say_usage(c);
	say(c, "[DONE]");
	og_buf_adds(&c->out, "0\r\n\r\n");
	c->busy = false;
}

static void say_token(struct conn *c)
{
	say_delta(c, "\"content\":\"" BENCH_WORD " \"", "null");
	if (++c->said == c->tokens)
		end_stream(c);
}

static void whole(struct conn *c)
{
	struct og_buf body;

	og_buf_init(&body, ANSWER_MAX);
	og_buf_adds(&body,
		"{" IDENTITY ",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
		"\"assistant\",\"content\":\"");
	for (int64_t i = 0; i < c->tokens; i++)
		og_buf_adds(&body, BENCH_WORD " ");
	og_buf_addf(&body,
		"\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":16,\"completion_tokens\":%d,\"total_"
		"tokens\":%d}}",
		(int)c->tokens, (int)c->tokens + 16);
	c->busy = false;
	answer(c, 200, body.data, body.len);
	og_buf_done(&body);
}

static void wait_for_next(struct conn *c);

static void on_pace(uv_timer_t *timer)
{
	struct conn *c = timer->data;

	if (c->stream) {
		say_token(c);
		flush(c);
	} else {
		whole(c);
	}
	if (c->busy)
		wait_for_next(c);
}

/* Each falls due a pace after the last one did, not after it was said: what comes late makes the next no later. */
static void wait_for_next(struct conn *c)
{
	uint64_t now = uv_now(c->pace.loop);

	c->due_ms += (uint64_t)c->pace_ms;
	uv_timer_start(&c->pace, on_pace, c->due_ms > now ? c->due_ms - now : 0, 0);
}

static void stream(struct conn *c)
{
	og_buf_adds(
		&c->out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
	say_delta(c, "\"role\":\"assistant\",\"content\":\"\"", "null");
	do
		say_token(c);
	while (c->busy && c->pace_ms == 0);
	flush(c);
}

static bool has(const struct og_buf *body, const char *text)
{
	return memmem(body->data, body->len, text, strlen(text)) != NULL;
}

/* The number behind `key` in the prompt's directives, or `other`. */
static int64_t directive(const char *group, const char *key, int64_t max, int64_t other)
{
	const char *end = group ? strstr(group, "]]") : NULL, *found = group ? strstr(group, key) : NULL;
	int64_t value = found && found < end ? strtoll(found + strlen(key), NULL, 10) : other;

	return value < 0 || value > max ? other : value;
}

static void complete(struct conn *c)
{
	const char *group = strstr(og_buf_str(&c->body), "[[stub ");

	c->tokens = directive(group, "tokens=", TOKENS_MAX, settings.tokens);
	c->tokens = c->tokens > 0 ? c->tokens : 1;
	c->pace_ms = directive(group, "pace_ms=", PACE_MAX_MS, 0);
	c->stream = has(&c->body, "\"stream\":true") || has(&c->body, "\"stream\": true");
	c->usage = has(&c->body, "\"include_usage\":true") || has(&c->body, "\"include_usage\": true");
	c->said = 0;
	c->busy = true;
	if (c->stream)
		stream(c);
	else if (c->pace_ms == 0)
		whole(c);
	if (c->busy) {
		c->due_ms = uv_now(c->pace.loop);
		wait_for_next(c);
	}
}

static void dispatch(struct conn *c)
{
	static const char models[] = "{\"object\":\"list\",\"data\":[{\"id\":\"" NAME
				     "\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"bench\"}]}";
	static const char well[] = "{\"status\":\"ok\"}", lost[] = "{\"error\":{\"message\":\"no such page\"}}";
	const char *line = http1_line(&c->in), *path = strchr(line, ' ');

	path = path ? path + 1 : "";
	if (strncmp(path, "/v1/chat/completions", 20) == 0 && og_buf_str(&c->body)[0])
		complete(c);
	else if (strncmp(path, "/v1/models", 10) == 0)
		answer(c, 200, models, sizeof(models) - 1);
	else if (strncmp(path, "/health", 7) == 0 || strncmp(path, "/ ", 2) == 0)
		answer(c, 200, well, sizeof(well) - 1);
	else
		answer(c, 404, lost, sizeof(lost) - 1);
}

static void on_body(void *arg, const char *data, size_t len)
{
	struct conn *c = arg;

	og_buf_add(&c->body, data, len); /* what is beyond the cap was not needed to know what is wanted */
}

static void alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	(void)handle;
	(void)size;
	*ret = uv_buf_init(scratch, sizeof(scratch));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;
	size_t used = 0, at = 0;
	int rc = 0;

	if (n < 0)
		close_conn(c);
	while (n > 0 && at < (size_t)n && rc >= 0) {
		rc = http1_read(&c->in, buf->base + at, (size_t)n - at, &used);
		at += used;
		if (rc == 1) {
			dispatch(c);
			og_buf_clear(&c->body);
		}
	}
	if (rc < 0)
		close_conn(c);
}

static void on_connection(uv_stream_t *server, int status)
{
	struct conn *c = og_new(struct conn);

	uv_tcp_init(server->loop, &c->tcp);
	uv_timer_init(server->loop, &c->pace);
	c->open = 2;
	c->tcp.data = c->pace.data = c;
	http1_init(&c->in, on_body, c);
	og_buf_init(&c->body, BODY_MAX);
	og_buf_init(&c->out, ANSWER_MAX);
	if (status < 0 || uv_accept(server, (uv_stream_t *)&c->tcp) < 0) {
		close_conn(c);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	uv_read_start((uv_stream_t *)&c->tcp, alloc, on_read);
}

static int serve(uv_loop_t *loop, uv_tcp_t *server)
{
	struct sockaddr_storage at;
	int len = sizeof(at), rc;

	uv_tcp_init(loop, server);
	uv_ip4_addr("127.0.0.1", (int)settings.port, (struct sockaddr_in *)&at);
	rc = uv_tcp_bind(server, (struct sockaddr *)&at, 0);
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)server, BACKLOG, on_connection);
	if (rc == 0)
		rc = uv_tcp_getsockname(server, (struct sockaddr *)&at, &len);
	if (rc < 0) {
		fprintf(stderr, "bench_engine: port %d: %s\n", (int)settings.port, uv_strerror(rc));
		return -1;
	}
	printf("listening on %d\n", ntohs(((struct sockaddr_in *)&at)->sin_port));
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct og_option rows[] = {
		{"port", 0, "N", OG_OPTION_INT, offsetof(struct settings, port), 0, 65535, "0: a free one"},
		{"tokens", 0, "N", OG_OPTION_INT, offsetof(struct settings, tokens), 1, TOKENS_MAX,
			"where the prompt does not say"},
	};
	const struct og_options options = {rows, OG_COUNT(rows), &settings};
	struct og_error err = {0};
	uv_tcp_t server;

	if (og_options_of_program(&options, argc, argv, &err) < 0) {
		fprintf(stderr, "bench_engine: %s\n", err.message);
		return 2;
	}
	if (serve(uv_default_loop(), &server) < 0)
		return 1;
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
