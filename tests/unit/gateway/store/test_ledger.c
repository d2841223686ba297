#include "store/ledger.h"

#include "rig.h"
#include "store/scripts.h"

static const char job[] = "11111111-2222-3333-4444-555555555555";
static struct og_key key = {.id = "0123456789ab", .tenant = "acme", .limits = {.running = 1}, .holds = 1};
static struct og_reserved last;
static int reserved, retries, fails, orphans;
static int64_t refusal[4];
static const char *refuse_second; /* the error that the next call of more than one has for its second */
#define OG_CLOSE_BROKEN "WRONGTYPE Operation against a key holding the wrong kind of value"
#define OG_CLOSE_LATER  "OOM command not allowed when used memory > 'maxmemory'"

static void answer_close(int n, struct og_redis_reply *ret)
{
	static struct og_redis_reply items[64];
	static const struct og_redis_reply *list[64];

	for (int i = 0; i < n; i++) {
		items[i] = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = 1};
		list[i] = &items[i];
	}
	if (n > 1 && refuse_second)
		items[1] = (struct og_redis_reply){.type = OG_REPLY_ERROR, .str = OG_TAKE(refuse_second)};
	*ret = (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = list, .n = (size_t)n};
}

static int answer(int argc, const char *const *argv, struct og_redis_reply *ret, struct og_error *err)
{
	static struct og_redis_reply items[4];
	static const struct og_redis_reply *list[4];

	if (fails) {
		fails--;
		return og_fail(err, OG_RETRY, "the connection was lost");
	}
	for (size_t i = 0; i < OG_COUNT(items); i++) {
		items[i] = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = refusal[i]};
		list[i] = &items[i];
	}
	*ret = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = 1};
	if (!strcmp(argv[0], "close"))
		answer_close((argc - 3) / 9, ret);
	else if (!strcmp(argv[0], "reserve"))
		*ret = (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = list, .n = 4};
	else if (!strcmp(argv[0], "orphans"))
		*ret = (struct og_redis_reply){.type = OG_REPLY_ARRAY};
	return 0;
}

static void on_orphans(void *ctx, const struct og_orphan *list, size_t n)
{
	(void)ctx, (void)list;
	orphans += (int)n;
}

static void setup(void)
{
	rig.answer = answer;
	rig.on_orphans = on_orphans;
	rig_open();
}

TestSuite(ledger, .init = setup, .fini = rig_close, .timeout = 60);

static void on_reserved(void *ctx, const struct og_reserved *a, const struct og_error *err)
{
	(void)ctx;
	if (a) {
		last = *a;
		reserved++;
	}
	retries += err && err->kind == OG_RETRY;
}

static void reserve(void)
{
	cr_assert_eq(og_ledger_reserve(rig.store, job, &key, 50, on_reserved, NULL, NULL), 0);
	rig_turn(1);
}

static void end_one(void)
{
	const struct og_settlement s = {.job = job,
		.key = key.id,
		.tenant = key.tenant,
		.model = "a\tb",
		.prompt_tokens = 3,
		.completion_tokens = 4};

	og_ledger_settle(rig.store, &s);
}

static void settle(void)
{
	end_one();
	rig_turn(1);
}

/* Until what may wait for company has been told. */
static void until_idle(void)
{
	while (!og_ledger_is_idle(rig.store))
		uv_run(&rig.loop, UV_RUN_ONCE);
}

static void expect(const char *head, const char *tail)
{
	og_autofree char *asked = rig_asked();
	size_t len = strlen(asked), n = strlen(tail);

	cr_assert_eq(strncmp(asked, head, strlen(head)), 0, "%s", asked);
	cr_assert(len >= n && !strcmp(asked + len - n, tail), "%s", asked);
}

Test(ledger, reserves_and_settles)
{
	reserve();
	cr_assert_eq(reserved, 1);
	cr_assert_eq(last.refused, OG_LIMIT_NONE);
	expect("reserve 11111111-2222-3333-4444-555555555555 0123456789ab acme 50 ", " 30000;");
	settle();
	expect("close 11111111-2222-3333-4444-555555555555  0123456789ab acme a_b 3 4 ", "  reserved;");
	cr_assert(og_ledger_is_idle(rig.store));
}

Test(ledger, what_was_not_reserved_is_told_together)
{
	og_autofree char *asked = NULL;
	size_t calls = 0;

	for (int i = 0; i < 3; i++)
		settle();
	cr_assert_not(og_ledger_is_idle(rig.store));
	until_idle();
	expect("close 11111111-2222-3333-4444-555555555555  0123456789ab acme a_b 3 4   1", " acme a_b 3 4  ;");
	for (int i = 0; i < 64 + 3; i++)
		end_one();
	until_idle();
	asked = rig_asked();
	for (const char *at = asked; (at = strstr(at, "close ")); at++)
		calls++;
	cr_assert_eq(calls, 2, "%zu", calls);
}

Test(ledger, what_ended_before_a_reserve_is_told_before_it)
{
	settle();
	reserve();
	expect("close ", " 30000;");
}

Test(ledger, one_that_is_refused_does_not_hold_up_the_others)
{
	refuse_second = OG_CLOSE_BROKEN;
	end_one();
	end_one();
	until_idle();
	cr_assert_eq(og_ledger_lost(rig.store), 1);
	refuse_second = OG_CLOSE_LATER;
	end_one();
	end_one();
	rig_turn(1);
	while (refuse_second)
		uv_run(&rig.loop, UV_RUN_ONCE);
	cr_assert_not(og_ledger_is_idle(rig.store));
	end_one();
	until_idle();
	cr_assert_eq(og_ledger_lost(rig.store), 1);
}

Test(ledger, tells_which_limit_it_is)
{
	og_autofree char *words = NULL;

	memcpy(refusal, (int64_t[]){OG_LIMIT_BUDGET, 1, 1000, 60}, sizeof(refusal));
	reserve();
	cr_assert_eq(last.refused, OG_LIMIT_BUDGET);
	cr_assert_eq(last.retry_after_s, 60);
	words = og_reserved_words(&last);
	cr_assert_str_eq(words, "this tenant's budget of 1000 tokens has no room for all that this request may take: "
				"ask for less by max_tokens, or wait until the budget begins anew");
}

Test(ledger, a_reserve_without_its_answer_is_taken_back_by_its_mark)
{
	og_autofree char *asked = NULL;
	char mark[40], again[40];

	fails = 1;
	reserve();
	rig_turn(1);
	cr_assert_eq(retries, 1);
	asked = rig_asked();
	cr_assert_eq(sscanf(asked, "reserve %*s %*s %*s %*s %39s", mark), 1, "%s", asked);
	cr_assert_eq(sscanf(strchr(asked, ';'), ";close %*s %39s", again), 1, "%s", asked);
	cr_assert_str_eq(mark, again);
}

Test(ledger, a_settle_without_its_answer_is_told_again)
{
	og_autofree char *asked = NULL;

	fails = 1;
	settle();
	while (fails)
		uv_run(&rig.loop, UV_RUN_ONCE);
	rig_turn(1);
	cr_assert_not(og_ledger_is_idle(rig.store));
	og_redis_memory_set_up(rig.redis, false);
	rig_turn(1);
	og_redis_memory_set_up(rig.redis, true);
	rig_turn(2);
	cr_assert(og_ledger_is_idle(rig.store));
	asked = rig_asked();
	cr_assert_not_null(strstr(strchr(asked, ';'), "close "), "%s", asked);
	cr_assert_eq(og_ledger_lost(rig.store), 0);
}

Test(ledger, what_ends_while_the_store_is_away_is_kept_up_to_a_bound)
{
	og_redis_memory_set_up(rig.redis, false);
	rig_turn(1);
	for (int i = 0; i < 65536 + 3; i++)
		og_ledger_refund(rig.store, job);
	cr_assert_eq(og_ledger_lost(rig.store), 3);
	og_redis_memory_set_up(rig.redis, true);
	rig_turn(70);
	cr_assert(og_ledger_is_idle(rig.store));
}

Test(ledger, renews_what_it_holds_when_the_store_comes_back)
{
	og_autofree char *asked = NULL;

	reserve();
	free(rig_asked());
	og_redis_memory_set_up(rig.redis, false);
	rig_turn(1);
	og_redis_memory_set_up(rig.redis, true);
	rig_turn(2);
	asked = rig_asked();
	cr_assert_str_eq(asked, "renew 30000 11111111-2222-3333-4444-555555555555;");
}
