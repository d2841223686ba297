#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "leaks.h"
#include "model/names.h"

TestSuite(names, .timeout = 60);

Test(names, key_form)
{
	static const char *const rows[][2] = {{"Llama-3.2-3B", "llama-3_2-3b"}, {"a", "a"},
		{"NodeA/SmolLM2-135M/0", "nodea_smollm2-135m_0"}, {"a b*#.c", "a_b___c"}, {"\xc3\xbc", "__"},
		{"[`{@", "____"}};
	char key[OG_NAME_MAX];

	for (size_t i = 0; i < OG_COUNT(rows); i++) {
		cr_expect_eq(og_name_key(rows[i][0], key, sizeof(key), NULL), 0);
		cr_expect_str_eq(key, rows[i][1]);
	}
}

Test(names, key_form_has_bounds)
{
	struct og_error err = {0};
	char key[4] = "old";

	cr_expect_eq(og_name_key("abc", key, sizeof(key), &err), 0);
	cr_expect_eq(og_name_key("wxyz", key, sizeof(key), &err), -1);
	cr_expect_eq(err.kind, OG_INVALID);
	cr_expect_not_null(strstr(err.message, "at most 3"));
	cr_expect_eq(og_name_key("", key, sizeof(key), &err), -1);
	cr_expect_str_eq(key, "abc", "untouched on failure");
}

Test(names, users)
{
	char longest[66];

	memset(longest, 'a', 65);
	longest[65] = '\0';
	cr_expect_not(og_name_is_user(longest));
	longest[64] = '\0';
	cr_expect(og_name_is_user(longest));
	cr_expect(og_name_is_user("worker-7"));
	cr_expect_not(og_name_is_user(""));
	cr_expect_not(og_name_is_user("Worker"));
	cr_expect_not(og_name_is_user("a.b"));
	cr_expect_not(og_name_is_user("a~b"));
	cr_expect_not(og_name_is_user("a\n"));
}

Test(names, queues_and_keys)
{
	char s[OG_KEY_MAX];

	og_queue_tier("t", s);
	cr_expect_str_eq(s, "og.tier.t");
	og_queue_lane("t", OG_CLASS_BATCH, 7, s);
	cr_expect_str_eq(s, "og.wait.t.batch.7");
	og_key_lane("t", OG_CLASS_HIGH, 0, s);
	cr_expect_str_eq(s, "t.high.0");
	og_queue_reply("cli~00", s);
	cr_expect_str_eq(s, "og.reply.cli~00");
	og_queue_control("worker", "n_t_0", s);
	cr_expect_str_eq(s, "og.control.worker~n_t_0");
	og_queue_presence("scheduler", "x", s);
	cr_expect_str_eq(s, "og.presence.scheduler~x");
	og_key_reply("cli~00", "done", s);
	cr_expect_str_eq(s, "cli~00.done");
}

Test(names, the_longest_fit)
{
	char key[OG_NAME_MAX], user[65], s[OG_KEY_MAX];

	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	memset(user, 'u', 64);
	user[64] = '\0';
	og_queue_control(user, key, s);
	cr_expect_eq(strlen(s), strlen("og.control.~") + 64 + strlen(key));
	og_queue_presence(user, key, s);
	cr_expect_eq(strlen(s), strlen("og.presence.~") + 64 + strlen(key));
	og_queue_lane(key, OG_CLASS_NORMAL, 7, s);
	cr_expect_eq(strlen(s), strlen("og.wait..normal.7") + strlen(key));
}

Test(names, reply_keys)
{
	static const char *const bad[] = {"", "~", "cli", "cli~", "~0123456789abcdef0123456789abcdef",
		"cli~0123456789abcdef0123456789abcde", "cli~0123456789abcdef0123456789abcdef0",
		"cli~0123456789ABCDEF0123456789ABCDEF", "cli.x~0123456789abcdef0123456789abcdef",
		"cli~0123456789abcdef0123456789abcde.", "c#~0123456789abcdef0123456789abcdef",
		"0123456789012345678901234567890123456789012345678901234567890123a~0123456789abcdef0123456789abcdef"};
	char a[OG_KEY_MAX], b[OG_KEY_MAX];

	og_reply_new("cli-7", a);
	og_reply_new("cli-7", b);
	cr_expect(og_reply_valid(a));
	cr_expect_str_neq(a, b);
	cr_expect(!strncmp(a, "cli-7~", 6));
	for (size_t i = 0; i < OG_COUNT(bad); i++)
		cr_expect_not(og_reply_valid(bad[i]), "%s", bad[i]);
}

Test(names, a_reply_key_belongs_to_its_user_alone)
{
	cr_expect(og_reply_belongs_to("cli~00", "cli"));
	cr_expect_not(og_reply_belongs_to("cli-7~00", "cli"));
	cr_expect_not(og_reply_belongs_to("cli~00", "cli-7"));
	cr_expect_not(og_reply_belongs_to("cli", "cli"));
	cr_expect_not(og_reply_belongs_to("", "cli"));
}

Test(names, a_new_uuid_is_a_uuid_of_its_own)
{
	char a[OG_ID_LEN + 1], b[OG_ID_LEN + 1];

	og_uuid_new(a);
	og_uuid_new(b);
	cr_expect(og_uuid_valid(a));
	cr_expect_str_neq(a, b);
	for (char *p = a; *p; p++)
		cr_expect_not(isupper((unsigned char)*p));
}

/* By Python: uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_DNS, "opengateway"), tenant + ":" + key). */
Test(names, the_id_of_an_idempotency_key)
{
	static const char *const rows[][3] = {
		{"default", "order-7", "4d54872f-52a0-5c5e-84c2-b279ca10c625"},
		{"nodea", "a", "ecf4d408-a532-5ec9-b77e-60a440191f70"},
		{"lab", "grüße 你好", "dbc0b7e8-2fa8-56e3-bf6f-970d2380072a"},
	};
	char id[OG_ID_LEN + 1], longest[OG_IDEMPOTENCY_KEY_MAX + 1];

	for (size_t i = 0; i < OG_COUNT(rows); i++) {
		og_uuid_of_key(rows[i][0], rows[i][1], id);
		cr_expect_str_eq(id, rows[i][2]);
	}
	memset(longest, 'k', OG_IDEMPOTENCY_KEY_MAX);
	longest[OG_IDEMPOTENCY_KEY_MAX] = '\0';
	og_uuid_of_key("default", longest, id);
	cr_expect_str_eq(id, "f275a9ce-19bc-5d41-bb57-aed666bc5305");
}
