#include "store/ledger.h"

#include "rig.h"
#include "store/scripts.h"

static const char job[] = "11111111-2222-3333-4444-555555555555";
static struct og_key key = {.id = "0123456789ab", .tenant = "acme", .limits = {.running = 1}, .holds = 1};
static struct og_reserved last;
static int reserved, retries, fails, orphans;
static int64_t refusal[4];

static int answer(int argc, const char *const *argv, struct og_redis_reply *ret, struct og_error *err)
{
	static struct og_redis_reply items[4];
	static const struct og_redis_reply *list[4];

	(void)argc;
	if (fails) {
		fails--;
		return og_fail(err, OG_RETRY, "the connection was lost");
	}
	for (size_t i = 0; i < OG_COUNT(items); i++) {
		items[i] = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = refusal[i]};
		list[i] = &items[i];
	}
	*ret = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = 1};
	if (!strcmp(argv[0], "reserve"))
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

static void settle(void)
{
	const struct og_settlement s = {.job = job,
		.key = key.id,
		.tenant = key.tenant,
		.model = "a\tb",
		.prompt_tokens = 3,
		.completion_tokens = 4};

	og_ledger_settle(rig.store, &s);
	rig_turn(1);
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
	expect("settle 11111111-2222-3333-4444-555555555555 0123456789ab acme a_b 3 4 ", "  reserved ;");
	cr_assert(og_ledger_is_idle(rig.store));
	settle();
	expect("settle ", " 3 4   ;");
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
	cr_assert_eq(sscanf(strchr(asked, ';'), ";refund %*s %39[^;]", again), 1, "%s", asked);
	cr_assert_str_eq(mark, again);
}

Test(ledger, a_settle_without_its_answer_is_told_again)
{
	og_autofree char *asked = NULL;

	fails = 1;
	settle();
	cr_assert_not(og_ledger_is_idle(rig.store));
	og_redis_memory_set_up(rig.redis, false);
	rig_turn(1);
	og_redis_memory_set_up(rig.redis, true);
	rig_turn(2);
	cr_assert(og_ledger_is_idle(rig.store));
	asked = rig_asked();
	cr_assert_not_null(strstr(strchr(asked, ';'), "settle "), "%s", asked);
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
