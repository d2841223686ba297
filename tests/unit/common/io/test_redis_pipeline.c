#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "io/redis_pipeline.h"

TestSuite(redis_pipeline, .timeout = 60);

static struct og_redis_pipeline p;
static struct og_buf sent, answers; /* the commands as they went out, and what the callbacks got: "a b;c;" */
static struct og_redis_script one = {.name = "one", .text = "return 1"};
static struct og_redis_script two = {.name = "two", .text = "return 2"};

/* Writes down the arguments of the commands in `bytes`, a script's sha1 as its name, LOAD's text as well. */
static void note_sent(void *ctx, const void *bytes, size_t len)
{
	redisReader *reader = redisReaderCreate();
	void *command;

	(void)ctx;
	redisReaderFeed(reader, bytes, len);
	cr_assert_eq(redisReaderGetReply(reader, &command), REDIS_OK);
	for (size_t i = 0; i < ((redisReply *)command)->elements; i++) {
		const char *arg = ((redisReply *)command)->element[i]->str;

		if (strcmp(arg, one.sha1) == 0 || strcmp(arg, one.text) == 0)
			arg = "#1";
		else if (strcmp(arg, two.sha1) == 0 || strcmp(arg, two.text) == 0)
			arg = "#2";
		og_buf_addf(&sent, "%s%s", i ? " " : "", arg);
	}
	og_buf_adds(&sent, ";");
	freeReplyObject(command);
	redisReaderFree(reader);
}

static void forget(void *ctx, const void *bytes, size_t len)
{
	(void)ctx, (void)bytes, (void)len;
}

static void note_answer(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	cr_assert_neq(!reply, !err);
	og_buf_addf(&answers, "%s=", (const char *)ctx);
	if (err)
		og_buf_addf(&answers, "%s(%s);", og_kind_name(err->kind), err->message);
	else if (reply->type == OG_REPLY_INT)
		og_buf_addf(&answers, "%d;", (int)reply->integer);
	else
		og_buf_addf(&answers, "%s;", reply->str);
}

static void setup(void)
{
	og_redis_pipeline_init(&p);
	p.send = note_sent;
	p.window = 100;
	p.timeout_ms = 1000;
	og_buf_init(&sent, 1 << 20);
	og_buf_init(&answers, 1 << 20);
}

static void teardown(void)
{
	og_redis_pipeline_done(&p);
	og_buf_done(&sent);
	og_buf_done(&answers);
}

static void check(struct og_buf *seen, const char *expected)
{
	cr_expect_str_eq(og_buf_str(seen), expected, "got %s", og_buf_str(seen));
	og_buf_clear(seen);
}

static int get(const char *key, int64_t now)
{
	return og_redis_pipeline_command(
		&p, now, 2, (const char *[]){"GET", key}, NULL, note_answer, (void *)key, NULL);
}

static int call(struct og_redis_script *script, const char *arg)
{
	return og_redis_pipeline_eval(&p, 0, script, 0, 1, (const char *[]){arg}, NULL, note_answer, (void *)arg, NULL);
}

static int reply(const char *wire)
{
	redisReader *reader = redisReaderCreate();
	void *parsed;
	int status;

	redisReaderFeed(reader, wire, strlen(wire));
	cr_assert_eq(redisReaderGetReply(reader, &parsed), REDIS_OK);
	status = og_redis_pipeline_reply(&p, parsed);
	freeReplyObject(parsed);
	redisReaderFree(reader);
	return status;
}

static void noscript(void)
{
	cr_assert_eq(reply("-NOSCRIPT No matching script. Please use EVAL.\r\n"), 0);
}

Test(redis_pipeline, answers_in_order, .init = setup, .fini = teardown)
{
	get("a", 0);
	get("b", 0);
	check(&sent, "GET a;GET b;");
	cr_assert_eq(p.in_flight, 2);
	cr_assert_eq(reply("$1\r\nx\r\n"), 0);
	cr_assert_eq(reply("-WRONGTYPE no\r\n"), 0);
	check(&answers, "a=x;b=invalid(WRONGTYPE no);");
	cr_assert_eq(p.in_flight, 0);
	cr_assert_eq(p.bytes, 0);
	cr_assert_eq(reply("+OK\r\n"), -1);
}

Test(redis_pipeline, a_script_is_loaded_before_its_first_use_on_a_connection, .init = setup, .fini = teardown)
{
	call(&one, "a");
	call(&one, "b");
	call(&two, "c");
	cr_assert_str_eq(one.sha1, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"); /* redis-cli SCRIPT LOAD "return 1" */
	check(&sent, "SCRIPT LOAD #1;EVALSHA #1 0 a;EVALSHA #1 0 b;SCRIPT LOAD #2;EVALSHA #2 0 c;");
	cr_assert_eq(p.in_flight, 3);
	reply("$3\r\nsha\r\n");
	reply(":1\r\n");
	reply(":2\r\n");
	reply("$3\r\nsha\r\n");
	reply(":3\r\n");
	check(&answers, "a=1;b=2;c=3;");
	og_redis_pipeline_connected(&p);
	call(&one, "d");
	check(&sent, "SCRIPT LOAD #1;EVALSHA #1 0 d;");
	reply("$3\r\nsha\r\n");
	reply(":4\r\n");
}

Test(redis_pipeline, noscript_is_repaired_in_order, .init = setup, .fini = teardown)
{
	call(&one, "a");
	call(&two, "b");
	for (int i = 0; i < 4; i++)
		reply(":0\r\n");
	check(&answers, "a=0;b=0;");
	check(&sent, "SCRIPT LOAD #1;EVALSHA #1 0 a;SCRIPT LOAD #2;EVALSHA #2 0 b;");

	/* The server forgets; three calls are on their way, and a plain command between them. */
	call(&one, "c");
	call(&two, "d");
	get("e", 0);
	call(&one, "f");
	check(&sent, "EVALSHA #1 0 c;EVALSHA #2 0 d;GET e;EVALSHA #1 0 f;");
	noscript();
	call(&one, "g"); /* parked, and so is what comes behind it */
	get("h", 0);
	noscript();
	reply("$1\r\nx\r\n");
	check(&answers, "e=x;");
	check(&sent, "");
	noscript();
	check(&sent,
		"SCRIPT LOAD #1;EVALSHA #1 0 c;SCRIPT LOAD #2;EVALSHA #2 0 d;EVALSHA #1 0 f;EVALSHA #1 0 g;GET h;");
	cr_assert_eq(p.in_flight, 5);
	reply("$3\r\nsha\r\n");
	reply(":1\r\n");
	reply("$3\r\nsha\r\n");
	reply(":2\r\n");
	reply(":3\r\n");
	reply(":4\r\n");
	reply("$1\r\ny\r\n");
	check(&answers, "c=1;d=2;f=3;g=4;h=y;");
	cr_assert_eq(p.in_flight, 0);
}

Test(redis_pipeline, noscript_without_end_is_told, .init = setup, .fini = teardown)
{
	call(&one, "a");
	for (int i = 0; i < 4; i++) {
		check(&sent, "SCRIPT LOAD #1;EVALSHA #1 0 a;");
		reply("$3\r\nsha\r\n");
		noscript();
	}
	check(&sent, "");
	check(&answers, "a=retry(one: NOSCRIPT No matching script. Please use EVAL.);");
}

Test(redis_pipeline, a_script_that_cannot_be_loaded_fails_with_the_servers_words, .init = setup, .fini = teardown)
{
	call(&one, "a");
	call(&one, "b");
	call(&two, "c");
	reply("-ERR Error compiling script\r\n");
	noscript();
	noscript();
	reply("$3\r\nsha\r\n");
	reply(":1\r\n");
	check(&answers, "a=invalid(one: cannot be loaded: ERR Error compiling script);"
			"b=invalid(one: cannot be loaded: ERR Error compiling script);c=1;");
	og_buf_clear(&sent);
	call(&one, "d"); /* tried anew: the reason may have been a passing one */
	check(&sent, "SCRIPT LOAD #1;EVALSHA #1 0 d;");
	reply("$3\r\nsha\r\n");
	reply(":1\r\n");
	check(&answers, "d=1;");
}

Test(redis_pipeline, window_and_bytes_are_bounded, .init = setup, .fini = teardown)
{
	static char large[40 << 20];
	const char *argv[] = {"SET", "k", large};
	const size_t lens[] = {3, 1, sizeof(large)};
	struct og_error err = {0}, gone = {.kind = OG_RETRY, .message = "gone"};

	p.window = 2;
	cr_assert_eq(get("a", 0), 0);
	cr_assert_eq(call(&one, "b"), 0);
	cr_assert_eq(og_redis_pipeline_command(&p, 0, 1, (const char *[]){"PING"}, NULL, NULL, NULL, &err), -1);
	cr_assert_eq(err.kind, OG_BUSY);
	og_redis_pipeline_fail(&p, &gone);
	check(&answers, "a=retry(gone);b=retry(gone);");

	p.send = forget;
	cr_assert_eq(og_redis_pipeline_command(&p, 0, 3, argv, lens, NULL, NULL, &err), 0);
	cr_assert_eq(og_redis_pipeline_command(&p, 0, 3, argv, lens, NULL, NULL, &err), -1);
	cr_assert_eq(err.kind, OG_BUSY);
	reply("+OK\r\n");
	cr_assert_eq(p.bytes, 0);
}

Test(redis_pipeline, the_oldest_is_the_first_to_be_late, .init = setup, .fini = teardown)
{
	struct og_error gone = {.kind = OG_RETRY, .message = "gone"};
	int64_t deadline = -1;
	const void *first;

	cr_assert_null(og_redis_pipeline_oldest(&p, &deadline));
	call(&one, "a");
	reply("$3\r\nsha\r\n");
	first = og_redis_pipeline_oldest(&p, &deadline);
	cr_assert_eq(deadline, 1000);
	get("b", 500);
	noscript(); /* now it waits in another queue */
	cr_assert_eq(og_redis_pipeline_oldest(&p, &deadline), first);
	cr_assert_eq(deadline, 1000);
	get("c", 700);
	reply("$1\r\nx\r\n");
	og_redis_pipeline_oldest(&p, &deadline); /* the LOAD, as old as its call */
	cr_assert_eq(deadline, 1000);
	reply("$3\r\nsha\r\n");
	reply(":1\r\n");
	og_redis_pipeline_oldest(&p, &deadline);
	cr_assert_eq(deadline, 1700);
	og_redis_pipeline_fail(&p, &gone);
	check(&answers, "b=x;a=1;c=retry(gone);");
	cr_assert_null(og_redis_pipeline_oldest(&p, &deadline));
}
