/* /api/v1/jobs: what there is, one of them, the end of one. */
#include <stdlib.h>
#include <string.h>

#include "api/ours/ours.h"
#include "base/alloc.h"
#include "base/parse.h"
#include "model/json.h"

#define LIMIT_USUAL 50
#define LIMIT_MAX   1000

/* ── the list ── */

/* ?after=: the page before ended with it: "<accepted_ms>.<id>". */
static int read_after(struct og_web_call *c, json_t *args)
{
	const char *text = og_web_query(c, "after"), *dot = text ? strchr(text, '.') : NULL;
	char digits[24];
	struct og_refusal why;
	int64_t ms;

	if (!text)
		return 0;
	snprintf(digits, sizeof(digits), "%.*s", dot ? (int)(dot - text) : 0, text);
	if (!dot || og_parse_int(digits, 1, INT64_MAX, &ms, NULL) < 0 || !og_uuid_valid(dot + 1)) {
		og_refuse_with(&why, 400, "invalid_request", "after: is to be what the page before has as \"next\"");
		og_refuse(c, &why);
		return -1;
	}
	json_object_set_new(args, "before", json_pack("{s:I, s:s}", "accepted_ms", (json_int_t)ms, "id", dot + 1));
	return 0;
}

static json_t *list_args(struct og_web_call *c)
{
	static const char *const texts[] = {"state", "tier", "class", "tenant"};
	json_t *args = json_pack("{s:i}", "limit", LIMIT_USUAL);

	for (size_t i = 0; i < OG_COUNT(texts); i++)
		if (og_ours_text(c, texts[i], args) < 0)
			goto refused;
	if (og_ours_number(c, "limit", 1, LIMIT_MAX, "limit", args) == 0 &&
		og_ours_number(c, "since_ms", 0, INT64_MAX, "since_ms", args) == 0 && read_after(c, args) == 0)
		return args;
refused:
	json_decref(args);
	return NULL;
}

static size_t limit_of(struct og_web_call *c)
{
	const char *text = og_web_query(c, "limit");
	int64_t n = LIMIT_USUAL;

	if (text)
		og_parse_int(text, 1, LIMIT_MAX, &n, NULL);
	return (size_t)n;
}

static json_t *list(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	const json_t *jobs = json_object_get(answer, "jobs"), *last;
	size_t n = json_array_size(jobs);
	json_t *page = json_pack("{s:O?}", "jobs", jobs);
	og_autofree char *next = NULL;

	(void)api;
	if (n < limit_of(c))
		return page;
	last = json_array_get(jobs, n - 1);
	next = og_printf("%lld.%s", (long long)json_integer_value(json_object_get(last, "accepted_ms")),
		json_string_value(json_object_get(last, "id")));
	og_json_set_text(page, "next", next);
	return page;
}

void og_jobs_list(struct og_api *api, struct og_web_call *c)
{
	json_t *args = list_args(c);

	if (args)
		og_ours_ask(api, c, "jobs", args, list);
}

/* ── one ── */

static json_t *show(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	/* Between the cluster's parts alone. */
	static const char *const inner[] = {"reply", "hash", "k", "submitter", "explicit", "asked_ms", "refused"};
	json_t *job = json_copy(json_object_get(answer, "job"));

	(void)api;
	for (size_t i = 0; i < OG_COUNT(inner); i++)
		json_object_del(job, inner[i]);
	json_object_set_new(job, "links", og_ours_links(og_web_part(c, 0)));
	return job;
}

static void ask_of_one(struct og_api *api, struct og_web_call *c, const char *verb,
	json_t *(*form)(struct og_api *api, struct og_web_call *c, const json_t *answer))
{
	const char *id = og_ours_job(c);

	if (!id)
		return;
	og_web_note(c, "job", id);
	og_ours_ask(api, c, verb, json_pack("{s:s}", "id", id), form);
}

void og_jobs_show(struct og_api *api, struct og_web_call *c)
{
	ask_of_one(api, c, "job", show);
}

static json_t *cancelled(struct og_api *api, struct og_web_call *c, const json_t *answer)
{
	(void)api;
	return json_pack("{s:s, s:O?}", "id", og_web_part(c, 0), "state", json_object_get(answer, "state"));
}

void og_jobs_cancel(struct og_api *api, struct og_web_call *c)
{
	ask_of_one(api, c, "cancel", cancelled);
}
