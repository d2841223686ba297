/* /api/v1/dead: what could not be done, and is kept until somebody looks at it. */
#include "api/ours/ours.h"
#include "base/alloc.h"

#define LIMIT_MAX 1000
#define OLDER_MAX (INT64_C(3650) * 86400 * 1000)

/* NULL: the call has been refused. */
static json_t *filters(struct og_web_call *c)
{
	static const char *const texts[] = {"tier", "error", "tenant"};
	json_t *args = json_object();
	int64_t older = 0;

	for (size_t i = 0; i < OG_COUNT(texts); i++)
		if (og_ours_text(c, texts[i], args) < 0)
			goto refused;
	if (og_ours_number(c, "limit", 1, LIMIT_MAX, "limit", args) < 0 ||
		og_ours_duration(c, "older", OLDER_MAX, &older) < 0)
		goto refused;
	if (older)
		json_object_set_new(args, "older_ms", json_integer(older));
	return args;
refused:
	json_decref(args);
	return NULL;
}

static void ask_of_some(struct og_api *api, struct og_web_call *c, const char *verb, bool all)
{
	json_t *args = filters(c);

	if (!args)
		return;
	if (all)
		json_object_set_new(args, "all", json_true());
	og_ours_ask(api, c, verb, args, NULL);
}

static void ask_of_one(struct og_api *api, struct og_web_call *c, const char *verb,
	json_t *(*form)(struct og_api *api, struct og_web_call *c, const json_t *answer))
{
	const char *id = og_ours_job(c);

	if (id)
		og_ours_ask(api, c, verb, json_pack("{s:s}", "id", id), form);
}

void og_dead_list(struct og_api *api, struct og_web_call *c)
{
	ask_of_some(api, c, "dead_list", false);
}

static json_t *letter(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	(void)api;
	(void)c;
	return json_incref(json_object_get(answer, "dead"));
}

void og_dead_show(struct og_api *api, struct og_web_call *c)
{
	ask_of_one(api, c, "dead_show", letter);
}

void og_dead_requeue(struct og_api *api, struct og_web_call *c)
{
	ask_of_one(api, c, "dead_requeue", NULL);
}

void og_dead_drop(struct og_api *api, struct og_web_call *c)
{
	ask_of_one(api, c, "dead_drop", NULL);
}

void og_dead_requeue_all(struct og_api *api, struct og_web_call *c)
{
	ask_of_some(api, c, "dead_requeue", true);
}

void og_dead_drop_all(struct og_api *api, struct og_web_call *c)
{
	ask_of_some(api, c, "dead_drop", true);
}
