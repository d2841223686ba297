#include "plan/replies.h"

#include "scheduler/plan/fixture.h"

#define GRACE 30000

TestSuite(replies, .timeout = 60, .init = setup, .fini = teardown);

static struct og_entry *submit(unsigned i, const char *reply, bool detach, enum og_where where)
{
	const struct og_facts facts = {.id = id_of(i), .tenant = "a", .reply = reply, .attempt = 1, .detach = detach};

	return og_index_add(plan.index, &facts, where);
}

static const char *next(void)
{
	struct og_reply *r = og_replies_next(plan.index, now);

	return r ? r->text : "";
}

#define A "producer-a~00000000000000000000000000000001"
#define B "producer-a~00000000000000000000000000000002"
#define C "producer-a~00000000000000000000000000000003"

Test(replies, a_key_is_kept_once_and_goes_with_its_last_job)
{
	char text[OG_KEY_MAX];
	struct og_entry *one = submit(1, A, false, OG_WHERE_LANE), *two = submit(2, A, false, OG_WHERE_TIER);

	cr_expect_eq(one->reply, two->reply);
	cr_expect_str_eq(one->submitter->text, "producer-a");
	og_index_remove(plan.index, one);
	og_entry_reply(two, text);
	cr_expect_str_eq(text, A);
	og_index_remove(plan.index, two);
	cr_expect_null(plan.index->replies);
}

Test(replies, keys_where_somebody_waits_are_asked_in_turn)
{
	struct og_entry *e = submit(1, A, false, OG_WHERE_LANE);

	submit(2, B, false, OG_WHERE_TIER);
	submit(3, C, true, OG_WHERE_LANE);
	cr_expect_str_eq(next(), "", "not in its first seconds");
	now += OG_PING_PERIOD_MS;
	cr_expect_str_eq(next(), A);
	cr_expect_str_eq(next(), B);
	cr_expect_str_eq(next(), "", "nobody waits for what is detached");
	now += OG_PING_PERIOD_MS;
	og_index_move(plan.index, e, OG_WHERE_ENDED);
	cr_expect_str_eq(next(), B);
	og_index_remove(plan.index, e);
	cr_expect_str_eq(next(), "");
}

static bool nobody(const struct og_entry *e, int64_t at, int64_t grace)
{
	(void)e;
	(void)at;
	(void)grace;
	return false;
}

static bool spares_two(const struct og_entry *e, int64_t at, int64_t grace)
{
	(void)at;
	(void)grace;
	return !strcmp(e->id, id_of(2));
}

static size_t orphans(bool (*saved)(const struct og_entry *e, int64_t at, int64_t grace))
{
	struct og_entry *out[8];

	return og_replies_orphans(plan.index, now, GRACE, saved, out, 8);
}

Test(replies, the_jobs_of_a_key_that_is_gone_for_the_grace_are_orphans)
{
	struct og_entry *e = submit(1, A, false, OG_WHERE_LANE);

	submit(2, A, false, OG_WHERE_RUN);
	submit(3, A, true, OG_WHERE_LANE);
	submit(4, B, false, OG_WHERE_LANE);
	og_replies_answered(plan.index, A, true, now);
	now += GRACE / 2;
	og_replies_answered(plan.index, A, true, now);
	cr_expect_eq(orphans(nobody), 0);
	now += GRACE / 2;
	cr_expect_eq(orphans(nobody), 2, "since it was gone first, and not what is detached");
	cr_expect_eq(orphans(spares_two), 1);
	e->cancelling = true;
	cr_expect_eq(orphans(nobody), 1);
	og_replies_answered(plan.index, A, false, now);
	cr_expect_eq(orphans(nobody), 0, "it answers again");
	cr_expect_eq(plan.index->n_gone, 0);
	og_replies_answered(plan.index, A, true, now);
	cr_expect_eq(orphans(nobody), 0, "and has the whole grace when it goes anew");
	og_replies_answered(plan.index, C, true, now);
}
