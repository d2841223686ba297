#include <criterion/criterion.h>
#include <string.h>

#include "io/redis_reply.h"

TestSuite(redis_reply, .timeout = 60);

Test(redis_reply, every_type_nested)
{
	static const char wire[] = "*6\r\n:-7\r\n$3\r\na\0b\r\n+OK\r\n$-1\r\n-ERR no\r\n*2\r\n:1\r\n*0\r\n";
	redisReader *reader = redisReaderCreate();
	struct og_redis_reply view;
	void *reply;

	redisReaderFeed(reader, wire, sizeof(wire) - 1);
	cr_assert_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
	og_redis_view(reply, &view);
	cr_assert_eq(view.type, OG_REPLY_ARRAY);
	cr_assert_eq(view.n, 6);
	cr_assert_eq(view.items[0]->type, OG_REPLY_INT);
	cr_assert_eq(view.items[0]->integer, -7);
	cr_assert_eq(view.items[1]->type, OG_REPLY_STRING);
	cr_assert_eq(view.items[1]->len, 3);
	cr_assert_eq(memcmp(view.items[1]->str, "a\0b", 4), 0);
	cr_assert_eq(view.items[2]->type, OG_REPLY_STATUS);
	cr_assert_str_eq(view.items[2]->str, "OK");
	cr_assert_eq(view.items[3]->type, OG_REPLY_NIL);
	cr_assert_eq(view.items[4]->type, OG_REPLY_ERROR);
	cr_assert_str_eq(view.items[4]->str, "ERR no");
	cr_assert_eq(view.items[5]->n, 2);
	cr_assert_eq(view.items[5]->items[0]->integer, 1);
	cr_assert_eq(view.items[5]->items[1]->type, OG_REPLY_ARRAY);
	cr_assert_eq(view.items[5]->items[1]->n, 0);
	og_redis_view_done(&view);
	freeReplyObject(reply);
	redisReaderFree(reader);
}

Test(redis_reply, kinds_of_errors)
{
	cr_expect_eq(og_redis_error_kind("OOM command not allowed when used memory > 'maxmemory'."), OG_RETRY);
	cr_expect_eq(og_redis_error_kind("LOADING Redis is loading the dataset in memory"), OG_RETRY);
	cr_expect_eq(og_redis_error_kind("READONLY You can't write against a read only replica."), OG_RETRY);
	cr_expect_eq(og_redis_error_kind("BUSY Redis is busy running a script."), OG_RETRY);
	cr_expect_eq(og_redis_error_kind("BUSYGROUP Consumer Group name already exists"), OG_INVALID);
	cr_expect_eq(og_redis_error_kind("ERR unknown command 'OOM '"), OG_INVALID);
	cr_expect_eq(og_redis_error_kind("NOPERM this user has no permissions"), OG_INVALID);

	cr_expect_eq(og_redis_refusal_kind("WRONGPASS invalid username-password pair or user is disabled."), OG_FATAL);
	cr_expect_eq(og_redis_refusal_kind("NOAUTH Authentication required."), OG_FATAL);
	cr_expect_eq(og_redis_refusal_kind("ERR AUTH <password> called without any password configured"), OG_FATAL);
	cr_expect_eq(og_redis_refusal_kind("LOADING Redis is loading the dataset in memory"), OG_RETRY);
	cr_expect_eq(og_redis_refusal_kind("ERR max number of clients reached"), OG_RETRY);
}
