#include "api/orphans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "store/ledger.h"

/* So old that its job, were it on its way to the scheduler, would have been seen by now. */
#define SETTLED_MS (60 * 1000)

struct asking {
	struct og_api *api;
	struct og_orphan orphan; /* its strings are owned */
};

static void asking_free(struct asking *a)
{
	free((char *)a->orphan.job);
	free((char *)a->orphan.key);
	free((char *)a->orphan.tenant);
	free(a);
}

static void settle(const struct asking *a, const json_t *result)
{
	const json_t *usage = json_object_get(json_object_get(result, "response"), "usage");
	const char *tier = json_string_value(json_object_get(result, "tier"));
	const struct og_settlement s = {.job = a->orphan.job,
		.key = a->orphan.key,
		.tenant = a->orphan.tenant,
		.model = tier ? tier : OG_TIER_AUTO,
		.prompt_tokens = json_integer_value(json_object_get(usage, "prompt_tokens")),
		.completion_tokens = json_integer_value(json_object_get(usage, "completion_tokens"))};

	if (usage)
		og_ledger_settle(a->api->store, &s);
	else
		og_ledger_refund(a->api->store, s.job);
}

/* Its answer is no longer kept: that it had one is known, and what it was reserved for is the best guess. */
static void settle_guessed(const struct asking *a)
{
	const struct og_settlement s = {.job = a->orphan.job,
		.key = a->orphan.key,
		.tenant = a->orphan.tenant,
		.model = OG_TIER_AUTO,
		.completion_tokens = a->orphan.tokens};

	og_ledger_settle(a->api->store, &s);
}

static void on_answer(void *ctx, const json_t *answer, const char *type, const struct og_error *err)
{
	struct asking *a = ctx;
	const json_t *result = json_object_get(answer, "result");
	bool is_old = og_clock_wall_ms() - a->orphan.reserved_ms > SETTLED_MS;

	if (result)
		settle(a, result);
	else if (err && !strcmp(type, "result_gone"))
		settle_guessed(a);
	else if (err && !strcmp(type, "not_found") && is_old)
		og_ledger_refund(a->api->store, a->orphan.job);
	asking_free(a);
}

void og_orphans_settle(struct og_api *api, const struct og_orphan *orphans, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct asking *a = og_new(struct asking);

		a->api = api;
		a->orphan = orphans[i];
		a->orphan.job = og_strdup(orphans[i].job);
		a->orphan.key = og_strdup(orphans[i].key);
		a->orphan.tenant = og_strdup(orphans[i].tenant);
		if (!og_link_ask(api->link, "result", json_pack("{s:s}", "id", a->orphan.job), OG_ANSWER_MS, on_answer,
			    a, NULL))
			asking_free(a);
	}
}
