#include "rig.h"

#include "shell/leader.h"
#include "shell/records.h"
#include "shell/writes.h"

static struct {
	int64_t integer;
	unsigned answers, errors;
	enum og_kind kind;
} heard;

static void on_answer(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	(void)ctx;
	heard.answers += reply != NULL;
	heard.errors += err != NULL;
	if (reply)
		heard.integer = reply->integer;
	if (err)
		heard.kind = err->kind;
}

static int add(const char *move, unsigned i)
{
	struct og_args a;

	og_args_begin_move(&a, move, job_id(i));
	og_args_add(&a, "done");
	return og_writes_add(rig.scheduler, &a, on_answer, NULL);
}

static void open_quiet(void)
{
	heard = (typeof(heard)){0};
	open_rig(100, NULL);
	RUN_UNTIL(!og_redis_in_flight(rig.redis));
	rig.n_said = rig.n_calls = 0;
}

Test(writes, moves_go_together_and_each_has_its_own_answer)
{
	open_quiet();
	rig.fails = "record";
	cr_assert_eq(add("finish", 1), 0);
	cr_assert_eq(add("record", 2), 0);
	cr_assert_eq(add("finish", 3), 0);
	RUN_UNTIL(heard.answers + heard.errors == 3);
	cr_expect_eq(rig.n_calls, 1);
	cr_expect_eq(heard.answers, 2);
	cr_expect_eq(heard.integer, 1);
	cr_expect_eq(heard.kind, OG_RETRY, "only what failed has failed");
	close_rig();
}

Test(writes, whatever_else_is_asked_comes_behind_them)
{
	size_t finish, look;

	open_quiet();
	cr_assert_eq(add("finish", 1), 0);
	cr_assert_eq(og_records_look(rig.scheduler, job_id(1), on_answer, NULL), 0);
	RUN_UNTIL(heard.answers == 2);
	cr_expect_eq(times_said("finish", &finish), 1);
	cr_expect_eq(times_said("HMGET", &look), 1);
	cr_expect_lt(finish, look);
	close_rig();
}

Test(writes, a_call_takes_so_many_and_no_more)
{
	open_quiet();
	for (unsigned i = 0; i < 130; i++)
		cr_assert_eq(add("finish", i), 0);
	RUN_UNTIL(heard.answers == 130);
	cr_expect_eq(rig.n_calls, 3);
	close_rig();
}

Test(writes, what_redis_was_not_told_is_said_to_be_lost)
{
	open_quiet();
	cr_assert_eq(add("finish", 1), 0);
	og_redis_memory_set_up(rig.redis, false);
	cr_expect_eq(add("finish", 2), -1);
	cr_expect_eq(heard.errors, 0, "not from inside");
	RUN_UNTIL(heard.errors == 1);
	cr_expect_eq(heard.kind, OG_RETRY);
	cr_expect_eq(rig.n_calls, 0);
	close_rig();
}

Test(writes, a_later_leader_is_told_to_all)
{
	open_quiet();
	rig.finish = -1;
	cr_assert_eq(add("record", 1), 0);
	cr_assert_eq(add("finish", 2), 0);
	RUN_UNTIL(heard.answers == 2);
	cr_expect_eq(heard.integer, -1);
	close_rig();
}

Test(writes, what_came_together_is_sent_when_the_term_ends)
{
	open_quiet();
	cr_assert_eq(add("finish", 1), 0);
	og_leader_resign(rig.scheduler, "a test");
	cr_expect_not(og_writes_waiting(rig.scheduler));
	RUN_UNTIL(heard.answers == 1);
	cr_expect_eq(rig.n_calls, 1);
	close_rig();
}
