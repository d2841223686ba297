#include <criterion/criterion.h>
#include <string.h>

#include "base/buf.h"
#include "io/redis.h"

TestSuite(redis_memory, .timeout = 60);

static uv_loop_t loop;
static struct og_redis *r;
static struct og_buf seen;                    /* what was asked, answered and told, in order */
static char next[] = "next", eval[] = "eval"; /* contexts are not const */
static struct og_redis_script script = {.name = "place", .text = "return 1"};

static int answer(void *ctx, int argc, const char *const *argv, const size_t *lens, struct og_redis_reply *ret,
	struct og_error *err)
{
	(void)ctx;
	for (int i = 0; i < argc; i++) {
		cr_assert_eq(strlen(argv[i]), lens[i]);
		og_buf_addf(&seen, "%s%s", i ? " " : "", argv[i]);
	}
	og_buf_adds(&seen, ";");
	if (strcmp(argv[0], "FAIL") == 0)
		return og_fail(err, OG_INVALID, "told to");
	*ret = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = argc};
	return 0;
}

static void on_up(void *ctx)
{
	(void)ctx;
	og_buf_adds(&seen, "up;");
}

static void on_down(void *ctx, const struct og_error *why)
{
	(void)ctx;
	og_buf_addf(&seen, "down(%s);", og_kind_name(why->kind));
}

static void on_closed(void *ctx)
{
	(void)ctx;
	og_buf_adds(&seen, "closed;");
}

static void note(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	if (reply)
		og_buf_addf(&seen, "%s=%d;", (const char *)ctx, (int)reply->integer);
	else
		og_buf_addf(&seen, "%s=%s;", (const char *)ctx, og_kind_name(err->kind));
}

static void note_and_ask(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	note(ctx, reply, err);
	og_redis_command(r, 1, (const char *[]){"NEXT"}, NULL, note, next, NULL);
}

static void note_and_close(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	note(ctx, reply, err);
	og_redis_close(r, on_closed, NULL);
}

static int ask(const char *name, og_redis_cb *cb)
{
	return og_redis_command(r, 1, &name, NULL, cb, (void *)name, NULL);
}

static void setup(void)
{
	const struct og_redis_memory memory = {.answer = answer};
	const struct og_redis_events events = {on_up, on_down, NULL};

	og_buf_init(&seen, 1 << 16);
	uv_loop_init(&loop);
	r = og_redis_memory_open(&loop, &memory, &events);
}

static void check(const char *expected)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_str_eq(og_buf_str(&seen), expected, "got %s", og_buf_str(&seen));
	og_buf_clear(&seen);
}

static void end(void)
{
	og_redis_close(r, on_closed, NULL);
	check("closed;");
	cr_assert_eq(uv_loop_close(&loop), 0);
	og_buf_done(&seen);
}

Test(redis_memory, answers_in_order_and_from_the_loop, .init = setup)
{
	ask("GET", note_and_ask);
	ask("FAIL", note);
	og_redis_eval(r, &script, 1, 2, (const char *[]){"key", "arg"}, NULL, note, eval, NULL);
	ask("MUTE", NULL);
	cr_assert_eq(og_redis_in_flight(r), 4);
	cr_assert_eq(seen.len, 0);
	check("up;GET;GET=1;FAIL;FAIL=invalid;place key arg;eval=3;MUTE;NEXT;next=1;");
	cr_assert_eq(og_redis_in_flight(r), 0);
	end();
}

Test(redis_memory, down_and_up, .init = setup)
{
	struct og_error err = {0};

	check("up;");
	ask("GET", note);
	og_redis_memory_set_up(r, false);
	cr_assert_eq(og_redis_command(r, 1, (const char *[]){"GET"}, NULL, NULL, NULL, &err), -1);
	cr_assert_eq(err.kind, OG_RETRY);
	cr_assert_not(og_redis_is_up(r));
	check("GET=retry;down(retry);");
	og_redis_memory_set_up(r, true);
	ask("GET", note);
	check("up;GET;GET=1;");
	end();
}

Test(redis_memory, closed_in_a_callback, .init = setup)
{
	ask("GET", note_and_close);
	ask("SET", note);
	check("up;GET;GET=1;SET=retry;closed;");
	cr_assert_eq(uv_loop_close(&loop), 0);
	og_buf_done(&seen);
}
