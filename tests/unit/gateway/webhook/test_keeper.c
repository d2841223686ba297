#include "../store/rig.h"
#include "webhook/webhooks.h"

static struct og_api api;
static unsigned claims, idle_meanwhile;

static int answer(int argc, const char *const *argv, struct og_redis_reply *ret, struct og_error *err)
{
	static const struct og_redis_reply zero = {.type = OG_REPLY_INT};
	static const struct og_redis_reply *list[] = {&zero};

	(void)argc, (void)err;
	if (!strcmp(argv[0], "records_claim")) { /* which is under way still */
		claims++;
		idle_meanwhile += og_webhooks_are_idle(api.webhooks);
	}
	*ret = (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = list, .n = 1};
	return 0;
}

static void setup(void)
{
	const struct og_settings *s = og_new(struct og_settings);

	rig.answer = answer;
	rig_open();
	api = (struct og_api){.loop = &rig.loop, .settings = s, .store = rig.store};
	og_kinds_init(&api.kinds, s);
	api.webhooks = og_webhooks_open(&api, NULL);
	cr_assert_not_null(api.webhooks);
}

static void teardown(void)
{
	og_webhooks_close(api.webhooks);
	rig_close();
	free((void *)api.settings);
}

Test(keeper, what_is_being_claimed_is_waited_for, .init = setup, .fini = teardown, .timeout = 60)
{
	cr_expect(og_webhooks_are_idle(api.webhooks));
	og_webhooks_hurry(api.webhooks);
	rig_turn(3);
	og_webhooks_stop(api.webhooks);
	cr_expect_eq(claims, 2, "of watches, and of deliveries");
	cr_expect_eq(idle_meanwhile, 0, "what comes of them would be nobody's for a lease");
	cr_expect(og_webhooks_are_idle(api.webhooks));
}
