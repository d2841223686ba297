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
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "driver.h"
#include "io/redis.h"

static struct og_redis_script scripts[] = {
	{.name = "append", .text = "redis.call('RPUSH', KEYS[1], ARGV[1]) return 1"},
	{.name = "append-too", .text = "return redis.call('RPUSH', KEYS[1], ARGV[1])"},
	{.name = "set", .text = "return redis.call('SET', KEYS[1], ARGV[1])"},
	{.name = "broken", .text = "return ("},
};

static struct og_redis *redis;
static struct many {
	unsigned left, ok, retry, refused;
} many;

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
	driver_end();
}

static void on_command(char *text, size_t len)
{
	const char *words[64];
	int n = 0;
	struct og_error err = {0};

	(void)len;
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
		driver_tell_gap();
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
	driver_begin(on_command, NULL);
	driver_watch_gaps();
	redis = og_redis_open(&driver.loop, &config, &events, &err);
	if (!redis) {
		fprintf(stderr, "redis_driver: %s\n", err.message);
		return 1;
	}
	return driver_run();
}
