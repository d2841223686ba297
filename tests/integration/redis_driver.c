/* Drives one Redis client for test_redis.py: commands are lines of words on stdin, events are JSON objects, one a line.
 *
 *   redis_driver ADDRESS USER PASSWORD TIMEOUT_MS WINDOW
 *
 *   do WORD…               {"event":"reply","reply":…} or {"event":"error","kind":…,"message":…}
 *   size KEY N             SET KEY to N bytes; the same
 *   eval SCRIPT KEY WORD   one of the scripts below; the same
 *   many N KEY [EVERY]     N evaluations of two scripts in turn, each of which appends its number to KEY, all pipelined;
 *                          after each EVERY of them a SCRIPT FLUSH: {"event":"many","ok":…,"retry":…,"refused":…}
 *   gap                    {"event":"gap","ms":…}: the widest gap of a 10 ms tick since the last `gap`
 *   state                  {"event":"state","up":…,"in_flight":…}
 *   close                  {"event":"closed"}, and the program ends when nothing is left on the loop
 *
 * Unasked: {"event":"up"}, {"event":"down","kind":…,"message":…}. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "io/redis.h"

static struct og_redis_script scripts[] = {
	{.name = "append", .text = "redis.call('RPUSH', KEYS[1], ARGV[1]) return 1"},
	{.name = "append-too", .text = "return redis.call('RPUSH', KEYS[1], ARGV[1])"},
	{.name = "set", .text = "return redis.call('SET', KEYS[1], ARGV[1])"},
	{.name = "broken", .text = "return ("},
};

static uv_loop_t loop;
static uv_pipe_t input;
static uv_timer_t tick;
static struct og_buf line;
static struct og_redis *redis;
static int64_t last_tick, widest;
static struct many {
	unsigned left, ok, retry, refused;
} many;

static void event(json_t *object)
{
	json_dumpf(object, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
	puts("");
	fflush(stdout);
	json_decref(object);
}

static void event_error(const char *name, const struct og_error *err)
{
	event(json_pack("{ssssss}", "event", name, "kind", og_kind_name(err->kind), "message", err->message));
}

static json_t *reply_json(const struct og_redis_reply *reply)
{
	json_t *items;

	switch (reply->type) {
	case OG_REPLY_INT:
		return json_integer(reply->integer);
	case OG_REPLY_NIL:
		return json_null();
	case OG_REPLY_ARRAY:
		items = json_array();
		for (size_t i = 0; i < reply->n; i++)
			json_array_append_new(items, reply_json(reply->items[i]));
		return items;
	default:
		return reply->len > 4096 ? json_integer((json_int_t)reply->len) : json_stringn(reply->str, reply->len);
	}
}

static void on_answer(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	(void)ctx;
	if (err)
		event_error("error", err);
	else
		event(json_pack("{ssso}", "event", "reply", "reply", reply_json(reply)));
}

static void taken(int status, const struct og_error *err)
{
	if (status < 0)
		event_error("error", err);
}

static void on_one_of_many(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	(void)ctx;
	many.ok += reply != NULL;
	many.retry += err && err->kind == OG_RETRY;
	if (err && err->kind != OG_RETRY)
		event_error("error", err);
	if (--many.left == 0)
		event(json_pack(
			"{sssisisi}", "event", "many", "ok", many.ok, "retry", many.retry, "refused", many.refused));
}

static void do_many(unsigned n, const char *key, unsigned every)
{
	char number[16];
	const char *argv[] = {key, number};

	many = (struct many){.left = n};
	for (unsigned i = 0; i < n; i++) {
		snprintf(number, sizeof(number), "%u", i);
		if (og_redis_eval(redis, &scripts[i % 2], 1, 2, argv, NULL, on_one_of_many, NULL, NULL) < 0) {
			many.refused++;
			many.left--;
		}
		if (every && i % every == every - 1)
			og_redis_command(redis, 2, (const char *[]){"SCRIPT", "FLUSH"}, NULL, NULL, NULL, NULL);
	}
	if (!many.left)
		event(json_pack("{sssisisi}", "event", "many", "ok", 0, "retry", 0, "refused", many.refused));
}

static void do_size(const char *key, size_t n)
{
	og_autofree char *value = og_alloc(n);
	struct og_error err = {0};

	memset(value, 'x', n);
	taken(og_redis_command(redis, 3, (const char *[]){"SET", key, value}, (const size_t[]){3, strlen(key), n},
		      on_answer, NULL, &err),
		&err);
}

static void do_eval(const char *name, const char *const *argv)
{
	struct og_error err = {0};

	for (size_t i = 0; i < OG_COUNT(scripts); i++)
		if (strcmp(name, scripts[i].name) == 0)
			taken(og_redis_eval(redis, &scripts[i], 1, 2, argv, NULL, on_answer, NULL, &err), &err);
}

static void on_closed(void *ctx)
{
	(void)ctx;
	event(json_pack("{ss}", "event", "closed"));
	uv_close((uv_handle_t *)&tick, NULL);
	uv_close((uv_handle_t *)&input, NULL);
}

static void on_command(char *text)
{
	const char *words[64];
	int n = 0;
	struct og_error err = {0};

	for (char *w = strtok(text, " "); w && n < 64; w = strtok(NULL, " "))
		words[n++] = w;
	if (n > 1 && strcmp(words[0], "do") == 0) {
		taken(og_redis_command(redis, n - 1, words + 1, NULL, on_answer, NULL, &err), &err);
	} else if (n == 3 && strcmp(words[0], "size") == 0) {
		do_size(words[1], strtoul(words[2], NULL, 10));
	} else if (n == 4 && strcmp(words[0], "eval") == 0) {
		do_eval(words[1], words + 2);
	} else if (n >= 3 && strcmp(words[0], "many") == 0) {
		do_many((unsigned)atoi(words[1]), words[2], n > 3 ? (unsigned)atoi(words[3]) : 0);
	} else if (n == 1 && strcmp(words[0], "gap") == 0) {
		event(json_pack("{sssI}", "event", "gap", "ms", (json_int_t)widest));
		widest = 0;
	} else if (n == 1 && strcmp(words[0], "state") == 0) {
		event(json_pack("{sssbsi}", "event", "state", "up", og_redis_is_up(redis), "in_flight",
			og_redis_in_flight(redis)));
	} else if (n == 1 && strcmp(words[0], "close") == 0) {
		og_redis_close(redis, on_closed, NULL);
	} else {
		fprintf(stderr, "redis_driver: what is \"%s\"?\n", n ? words[0] : "");
		exit(2);
	}
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char bytes[4096];

	(void)handle, (void)suggested;
	*buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_input(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	char *end;

	if (n < 0) {
		uv_read_stop(stream);
		return;
	}
	og_buf_add(&line, buf->base, (size_t)n);
	while (line.len && (end = memchr(line.data, '\n', line.len))) {
		*end = '\0';
		on_command(line.data);
		og_buf_drop_head(&line, (size_t)(end + 1 - line.data));
	}
}

static void on_tick(uv_timer_t *timer)
{
	int64_t now = og_clock_mono_ms();

	(void)timer;
	if (last_tick && now - last_tick > widest)
		widest = now - last_tick;
	last_tick = now;
}

static void on_up(void *ctx)
{
	(void)ctx;
	event(json_pack("{ss}", "event", "up"));
}

static void on_down(void *ctx, const struct og_error *why)
{
	(void)ctx;
	event_error("down", why);
}

int main(int argc, char **argv)
{
	const struct og_redis_events events = {on_up, on_down, NULL};
	struct og_redis_config config;
	struct og_error err = {0};

	if (argc != 6) {
		fputs("usage: redis_driver ADDRESS USER PASSWORD TIMEOUT_MS WINDOW\n", stderr);
		return 2;
	}
	config = (struct og_redis_config){argv[1], argv[2], argv[3], atoi(argv[4]), (unsigned)atoi(argv[5])};
	uv_loop_init(&loop);
	og_buf_init(&line, 1 << 20);
	uv_pipe_init(&loop, &input, 0);
	uv_pipe_open(&input, 0);
	uv_read_start((uv_stream_t *)&input, on_alloc, on_input);
	uv_timer_init(&loop, &tick);
	uv_timer_start(&tick, on_tick, 10, 10);
	redis = og_redis_open(&loop, &config, &events, &err);
	if (!redis) {
		fprintf(stderr, "redis_driver: %s\n", err.message);
		return 1;
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	og_buf_done(&line);
	return uv_loop_close(&loop) == 0 ? 0 : 1;
}
