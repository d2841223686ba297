#include "store/keys.h"

#include "rig.h"
#include "store/scripts.h"

static const char secret[] = "og-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";
static int told, refused, retries;
static bool known;

static struct og_redis_reply text(const char *s)
{
	return (struct og_redis_reply){.type = OG_REPLY_STRING, .str = s, .len = strlen(s)};
}

static int answer_key(int argc, const char *const *argv, struct og_redis_reply *ret, struct og_error *err)
{
	static struct og_redis_reply items[OG_KEY_TENANT_LIMITS + 5];
	static const struct og_redis_reply *list[OG_KEY_TENANT_LIMITS + 5];

	(void)argc, (void)argv, (void)err;
	for (size_t i = 0; i < OG_COUNT(items); i++) {
		items[i] = (struct og_redis_reply){.type = OG_REPLY_NIL};
		list[i] = &items[i];
	}
	items[OG_KEY_ID] = text("0123456789ab");
	items[OG_KEY_NAME] = text("mine");
	items[OG_KEY_TENANT] = text("acme");
	items[OG_KEY_ADMIN] = text("1");
	items[OG_KEY_LIMITS + 2] = text("7");
	items[OG_KEY_WEIGHT] = text("3");
	items[OG_KEY_TENANT_LIMITS + 3] = text("500");
	items[OG_KEY_TENANT_LIMITS + 4] = text("month");
	*ret = known ? (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = list, .n = OG_COUNT(items)}
	             : (struct og_redis_reply){.type = OG_REPLY_NIL};
	return 0;
}

static void setup(void)
{
	rig.answer = answer_key;
	known = true;
	rig_open();
}

TestSuite(keys, .init = setup, .fini = rig_close, .timeout = 60);

static void on_key(void *ctx, struct og_key *key, const struct og_error *err)
{
	(void)ctx;
	told += key != NULL;
	refused += err && err->kind == OG_INVALID;
	retries += err && err->kind == OG_RETRY;
	if (key)
		cr_assert_str_eq(key->tenant, "acme");
}

static int look_up(struct og_key **ret, struct og_error *err)
{
	return og_keys_lookup(rig.store, secret, strlen(secret), on_key, NULL, ret, err);
}

Test(keys, many_who_ask_at_once_are_one_question)
{
	struct og_key *key = NULL;
	og_autofree char *asked = NULL;

	for (int i = 0; i < 5; i++)
		cr_assert_eq(look_up(&key, NULL), 0);
	rig_turn(1);
	cr_assert_eq(told, 5);
	cr_assert_eq(look_up(&key, NULL), 1, "now it is known");
	cr_expect_str_eq(key->id, "0123456789ab");
	cr_expect(key->admin);
	cr_expect_eq(key->limits.running, 7);
	cr_expect_eq(key->tenant_limits.budget, 500);
	cr_expect_eq(key->tenant_limits.budget_per, OG_BUDGET_MONTH);
	cr_expect_eq(key->weight, 3);
	og_key_drop(key);
	asked = rig_asked();
	cr_assert_eq(strncmp(asked, "key ", 4), 0);
	cr_assert_eq(strlen(asked), strlen("key ;") + OG_HASH_LEN, "%s", asked);
	cr_assert_null(strstr(asked, secret));
}

Test(keys, an_unknown_one_is_asked_for_once)
{
	struct og_error err = {0};
	struct og_key *key;

	known = false;
	cr_assert_eq(look_up(&key, NULL), 0);
	rig_turn(1);
	cr_assert_eq(refused, 1);
	cr_assert_eq(look_up(&key, &err), -1);
	cr_assert_eq(err.kind, OG_INVALID);
}

Test(keys, a_store_that_is_away_is_no_word_about_a_key)
{
	struct og_error err = {0};
	struct og_key *key;

	cr_assert_eq(look_up(&key, NULL), 0);
	og_redis_memory_set_up(rig.redis, false);
	rig_turn(1);
	cr_assert_eq(retries, 1);
	cr_assert_eq(look_up(&key, &err), -1);
	cr_assert_eq(err.kind, OG_RETRY);
	og_redis_memory_set_up(rig.redis, true);
	rig_turn(1);
	cr_assert_eq(look_up(&key, NULL), 0);
	rig_turn(1);
	cr_assert_eq(told, 1);
}

Test(keys, a_flood_of_secrets_is_bounded)
{
	char made_up[OG_SECRET_LEN + 1];
	struct og_error err = {0};
	struct og_key *key;
	int waiting = 0;

	for (int i = 0; i < 1000; i++) {
		og_secret_make(made_up);
		waiting += og_keys_lookup(rig.store, made_up, OG_SECRET_LEN, on_key, NULL, &key, &err) == 0;
	}
	cr_assert_eq(waiting, 256);
	cr_assert_eq(err.kind, OG_BUSY);
	rig_turn(1);
	cr_assert_eq(told, 256);
}

Test(keys, who_waits_is_told_when_the_store_is_closed)
{
	struct og_key *key;

	cr_assert_eq(look_up(&key, NULL), 0);
	og_store_close(OG_TAKE(rig.store), rig_on_closed, NULL);
	cr_assert_eq(retries, 1);
}
