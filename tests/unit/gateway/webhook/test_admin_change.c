#include "../store/rig.h"
#include "webhook/admin.h"

#define FIRST  "{\"id\":\"wh_1\",\"tenant\":\"acme\",\"enabled\":true,\"secret\":\"whsec_a\"}"
#define SECOND "{\"id\":\"wh_1\",\"tenant\":\"acme\",\"enabled\":false,\"secret\":\"whsec_b\"}"

static struct og_api api;
static unsigned reads, writes;
static char written[1024], was[1024];
static char answered[1024];

/* Between what is read first and what is written then another changes it. */
static int answer(int argc, const char *const *argv, struct og_redis_reply *ret, struct og_error *err)
{
	const char *now = reads ? SECOND : FIRST;

	(void)err;
	*ret = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = writes > 0};
	if (!strcmp(argv[0], "record_get")) {
		*ret = (struct og_redis_reply){.type = OG_REPLY_STRING, .str = now, .len = strlen(now)};
		reads++;
	} else if (!strcmp(argv[0], "record_put")) {
		snprintf(written, sizeof(written), "%s", argv[6]);
		snprintf(was, sizeof(was), "%s", argv[argc - 1]);
		writes++;
	}
	return 0;
}

static void setup(void)
{
	rig.answer = answer;
	rig_open();
	api = (struct og_api){.loop = &rig.loop, .store = rig.store};
	api.kinds.webhooks.name = "webhook";
}

TestSuite(admin_change, .init = setup, .fini = rig_close, .timeout = 60);

static void on_answer(void *ctx, json_t *shown, const struct og_error *err)
{
	og_autofree char *text = json_dumps(shown, JSON_COMPACT);

	(void)ctx;
	snprintf(answered, sizeof(answered), "%s", err ? err->message : text);
}

static void ask(const char *verb)
{
	json_t *request = json_pack("{s:s, s:s}", "tenant", "acme", "id", "wh_1");

	og_webhook_admin(&api, verb, request, on_answer, NULL);
	json_decref(request);
	for (int i = 0; i < 10 && !*answered; i++)
		rig_turn(1);
}

Test(admin_change, what_another_changed_meanwhile_stands)
{
	ask("webhooks_rotate");
	cr_expect_eq(reads, 2);
	cr_expect_eq(writes, 2);
	cr_expect_str_eq(was, SECOND);
	cr_expect(strstr(written, "\"enabled\":false"), "the 410: %s", written);
	cr_expect(strstr(written, "\"old_secret\":\"whsec_b\""), "%s", written);
	cr_expect(strstr(answered, "\"enabled\":false"), "%s", answered);
	cr_expect_not(strstr(answered, "\"whsec_b\""), "%s", answered);
}

Test(admin_change, it_is_enabled_on_top_of_it)
{
	ask("webhooks_enable");
	cr_expect_eq(writes, 2);
	cr_expect(strstr(written, "\"enabled\":true") && strstr(written, "\"whsec_b\""), "%s", written);
}
