#include "store/key_watch.h"

#include "rig.h"
#include "store/scripts.h"

static struct og_key_watch one, two, other;
static bool revoked, expired;
static int told, gone;
static char words[sizeof(((struct og_error *)0)->message)];

static struct og_redis_reply text(const char *s)
{
	return (struct og_redis_reply){.type = OG_REPLY_STRING, .str = s, .len = strlen(s)};
}

/* A row for each id. */
static int answer(int argc, const char *const *argv, struct og_redis_reply *ret, struct og_error *err)
{
	static struct og_redis_reply items[8][OG_KEY_TENANT_LIMITS + 5], rows[8];
	static const struct og_redis_reply *list[8][OG_KEY_TENANT_LIMITS + 5], *all[8];
	size_t n = (size_t)argc - 3;

	(void)err;
	for (size_t row = 0; row < n; row++) {
		for (size_t i = 0; i < OG_COUNT(items[row]); i++) {
			items[row][i] = (struct og_redis_reply){.type = OG_REPLY_NIL};
			list[row][i] = &items[row][i];
		}
		items[row][OG_KEY_ID] = text(argv[row + 3]);
		items[row][OG_KEY_EXPIRES] = text(expired ? "1000" : "0");
		items[row][OG_KEY_LIMITS] = text("60");
		rows[row] =
			(struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = list[row], .n = OG_COUNT(items[row])};
		if (revoked && !strcmp(argv[row + 3], "aaaaaaaaaaaa"))
			rows[row] = (struct og_redis_reply){.type = OG_REPLY_NIL};
		all[row] = &rows[row];
	}
	*ret = (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = all, .n = n};
	return 0;
}

static void setup(void)
{
	rig.answer = answer;
	rig_open();
}

static void teardown(void)
{
	rig_close();
	cr_expect_null(one.of, "a store that is closed is watched by nobody");
	og_key_unwatch(&one);
}

TestSuite(key_watch, .init = setup, .fini = teardown, .timeout = 60);

static void on_told(void *ctx, struct og_key *key, const struct og_error *why)
{
	(void)ctx;
	told += key && key->limits.requests_per_minute == 60;
	gone += !key && why->kind == OG_INVALID;
	if (why)
		snprintf(words, sizeof(words), "%s", why->message);
}

static void on_told_and_leave(void *ctx, struct og_key *key, const struct og_error *why)
{
	on_told(ctx, key, why);
	og_key_unwatch(&one);
	og_key_unwatch(&two);
}

static void look(void)
{
	og_key_watch_now(rig.store);
	rig_turn(3);
}

Test(key_watch, all_who_watch_are_told_by_one_question)
{
	og_autofree char *asked = NULL;

	og_key_watch(&one, rig.store, "aaaaaaaaaaaa", on_told, NULL);
	og_key_watch(&two, rig.store, "aaaaaaaaaaaa", on_told, NULL);
	og_key_watch(&other, rig.store, "bbbbbbbbbbbb", on_told, NULL);
	look();
	cr_expect_eq(told, 3);
	asked = rig_asked();
	cr_expect_str_eq(asked, "keys_now aaaaaaaaaaaa bbbbbbbbbbbb;");
	revoked = true;
	look();
	cr_expect_eq(told, 4);
	cr_expect_eq(gone, 2);
	cr_expect_str_eq(words, "this API key was revoked");
}

Test(key_watch, one_that_expires_is_gone)
{
	og_key_watch(&one, rig.store, "aaaaaaaaaaaa", on_told, NULL);
	expired = true;
	look();
	cr_expect_eq(gone, 1);
	cr_expect_str_eq(words, "this API key expired at 1970-01-01T00:00:01.000Z");
}

Test(key_watch, who_is_told_may_end_any_watch)
{
	og_autofree char *asked = NULL;

	og_key_watch(&one, rig.store, "aaaaaaaaaaaa", on_told_and_leave, NULL);
	og_key_watch(&two, rig.store, "aaaaaaaaaaaa", on_told, NULL);
	look();
	cr_expect_eq(told, 1);
	look();
	cr_expect_eq(told, 1);
	asked = rig_asked();
	cr_expect_str_eq(asked, "keys_now aaaaaaaaaaaa;", "nobody watches, and nothing is asked");
}

Test(key_watch, a_store_that_is_away_says_nothing)
{
	og_key_watch(&one, rig.store, "aaaaaaaaaaaa", on_told, NULL);
	og_redis_memory_set_up(rig.redis, false);
	rig_turn(1);
	look();
	cr_expect_eq(told + gone, 0);
	og_redis_memory_set_up(rig.redis, true);
	rig_turn(1);
	look();
	cr_expect_eq(told, 1);
}
