#include "../store/rig.h"
#include "webhook/webhooks.h"

#define DELIVERY                                                                                                       \
	"{\"id\":\"del_1\",\"webhook_id\":\"wh_1\",\"tenant\":\"acme\",\"attempts\":0,\"event\":{\"type\":\"job."      \
	"done\"}}"
#define DISABLED "{\"id\":\"wh_1\",\"tenant\":\"acme\",\"enabled\":false}"

static struct og_api api;
static unsigned claims, removes;
static char put[1024]; /* the words of the last one */

/* One delivery is due, once, for a webhook that is disabled. */
static int answer(int argc, const char *const *argv, struct og_redis_reply *ret, struct og_error *err)
{
	static const struct og_redis_reply zero = {.type = OG_REPLY_INT}, delivery = {.type = OG_REPLY_STRING,
										  .str = DELIVERY,
										  .len = sizeof(DELIVERY) - 1};
	static const struct og_redis_reply *list[] = {&zero, &delivery};

	(void)err;
	*ret = (struct og_redis_reply){.type = OG_REPLY_INT, .integer = 1};
	if (!strcmp(argv[0], "records_claim")) {
		*ret = (struct og_redis_reply){.type = OG_REPLY_ARRAY, .items = list, .n = 1};
		if (!strcmp(argv[3], "delivery"))
			ret->n += !claims++;
	} else if (!strcmp(argv[0], "record_get")) {
		*ret = (struct og_redis_reply){.type = OG_REPLY_STRING, .str = DISABLED, .len = sizeof(DISABLED) - 1};
	} else if (!strcmp(argv[0], "record_put")) {
		for (int i = 3; i < argc; i++)
			if (i != 6)
				snprintf(put + strlen(put), sizeof(put) - strlen(put), "%s ", argv[i]);
	}
	removes += !strcmp(argv[0], "record_remove");
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

/* Two writes could be taken one without the other. */
Test(deliver, what_is_over_is_moved_in_one_step, .init = setup, .fini = teardown, .timeout = 60)
{
	og_webhooks_hurry(api.webhooks);
	while (!*put)
		rig_turn(1);
	rig_turn(3);
	cr_expect_eq(strncmp(put, "undelivered del_1 wh_1 ", 23), 0, "%s", put);
	cr_expect(strstr(put, " delivery "), "%s", put);
	cr_expect_eq(removes, 0);
	cr_expect_eq(api.metrics.deliveries[OG_DELIVERY_FAILED], 1);
}
