#include "api/bill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "model/json_text.h"

#define BYTES_A_TOKEN  4 /* about, of text; what was really used is charged at the end */
#define TOKENS_MAX     1000000000
#define TOKENS_UNKNOWN 1024 /* of an answer that has no bound of its own */

/* ── scopes ── */

/* As the scheduler has it: the tier, but for `auto`; else the model. */
static const char *asked_for(const struct og_envelope *e)
{
	if (e->tier && strcasecmp(e->tier, OG_TIER_AUTO) != 0)
		return e->tier;
	return e->model ? e->model : OG_TIER_AUTO;
}

bool og_bill_may_model(const struct og_api *api, const struct og_caller *who, const char *model)
{
	const struct og_tier *tier = og_catalogue_find(api->catalogue, model);
	const struct og_key *key = who->key;
	bool may = !key || og_key_may_model(key, model) || (tier && og_key_may_model(key, tier->id));

	for (size_t i = 0; tier && i < tier->n_aliases; i++)
		may = may || og_key_may_model(key, tier->aliases[i]);
	return may;
}

static int check_scopes(
	const struct og_api *api, const struct og_caller *who, const struct og_envelope *e, struct og_refusal *why)
{
	const struct og_key *key = who->key;
	const char *model = asked_for(e);
	const char *class = e->class_name ? e->class_name : og_class_name(OG_CLASS_NORMAL);

	if (!og_bill_may_model(api, who, model))
		return og_refuse_with(
			why, 403, "model_not_allowed", "this key is for %.200s, not for '%.100s'", key->models, model);
	if (!og_key_may_region(key, e->region ? e->region : ""))
		return og_refuse_with(why, 403, "region_not_allowed",
			"this key is for the regions %.200s: name one of them in the header og-region", key->regions);
	if (!og_key_may_class(key, class))
		return og_refuse_with(why, 403, "class_not_allowed",
			"this key is for the classes %s, not '%s': say one of them in the header og-class",
			key->classes, class);
	return 0;
}

/* ── limits ── */

struct asking {
	struct og_bill *b;
	og_bill_cb *cb;
	void *ctx;
};

static void close_bill(struct og_bill *b)
{
	og_key_drop(OG_TAKE(b->key));
}

static void refuse_limited(const struct og_reserved *r, struct og_refusal *why)
{
	og_autofree char *words = og_reserved_words(r);

	og_refuse_with(
		why, 429, r->refused == OG_LIMIT_BUDGET ? "insufficient_quota" : "rate_limit_exceeded", "%s", words);
	why->retry_after_s = (int)r->retry_after_s;
}

static void on_reserved(void *ctx, const struct og_reserved *answer, const struct og_error *err)
{
	struct asking a = *(struct asking *)ctx;
	struct og_refusal why;

	free(ctx);
	if (answer && answer->refused == OG_LIMIT_NONE) {
		a.cb(a.ctx, NULL);
		return;
	}
	close_bill(a.b);
	if (answer)
		refuse_limited(answer, &why);
	else if (err->kind == OG_INVALID)
		og_refuse_with(&why, 401, "invalid_api_key", "%s", err->message);
	else
		og_refusal_of_error(err, &why);
	a.cb(a.ctx, &why);
}

static int reserve(struct og_bill *b, int64_t tokens, og_bill_cb *cb, void *ctx, struct og_refusal *why)
{
	struct asking *a = og_new(struct asking);
	struct og_error err;

	*a = (struct asking){b, cb, ctx};
	if (og_ledger_reserve(b->api->store, b->job, b->key, tokens, on_reserved, a, &err) == 0)
		return 0;
	free(a);
	close_bill(b);
	og_refusal_of_error(&err, why);
	return -1;
}

int og_bill_open(struct og_bill *b, struct og_api *api, const struct og_caller *who, const struct og_envelope *e,
	size_t bytes, og_bill_cb *cb, void *ctx, struct og_refusal *why)
{
	const char *model = asked_for(e);
	const struct og_tier *tier = og_catalogue_find(api->catalogue, model);
	int64_t prompt = (int64_t)(bytes / BYTES_A_TOKEN);

	*b = (struct og_bill){.api = api, .prompt_tokens = prompt, .shared = e->explicit_id};
	if (!who->key)
		return 1;
	if (check_scopes(api, who, e, why) < 0)
		return -1;
	b->key = og_key_hold(who->key);
	snprintf(b->job, sizeof(b->job), "%s", e->id);
	snprintf(b->model, sizeof(b->model), "%s", tier ? tier->id : model);
	if (!og_key_is_limited(b->key))
		return 1;
	return reserve(b, prompt + (e->max_tokens ? e->max_tokens : TOKENS_UNKNOWN), cb, ctx, why);
}

/* ── what was used ── */

/* What a node says that it used, within reason. */
static int64_t plausible(int64_t tokens)
{
	return tokens < 0 ? 0 : tokens > TOKENS_MAX ? TOKENS_MAX : tokens;
}

static void settle(struct og_bill *b, int64_t prompt, int64_t completion, bool replayed, bool left)
{
	const struct og_settlement s = {.job = b->job,
		.key = b->key->id,
		.tenant = b->key->tenant,
		.model = b->model,
		.prompt_tokens = plausible(prompt),
		.completion_tokens = plausible(completion),
		.replayed = replayed,
		.left = left};

	og_ledger_settle(b->api->store, &s);
	close_bill(b);
}

/* An end that was asked for has its figures in its body: in the `usage` of its response. */
static void read_usage(const struct og_job_end *end, int64_t *prompt, int64_t *completion)
{
	json_t *body = end->body ? og_json_load(end->body, end->len, JSON_ALLOW_NUL, NULL) : NULL;
	const json_t *usage = json_object_get(json_object_get(body, "response"), "usage");

	*prompt = json_integer_value(json_object_get(usage, "prompt_tokens"));
	*completion = json_integer_value(json_object_get(usage, "completion_tokens"));
	json_decref(body);
}

void og_bill_settle(struct og_bill *b, const struct og_job_end *end)
{
	bool ran_now = end->e && end->e->attempt;
	int64_t prompt = 0, completion = 0;

	if (!b->key)
		return;
	if (ran_now) {
		prompt = end->e->prompt_tokens;
		completion = end->e->completion_tokens;
	} else {
		read_usage(end, &prompt, &completion);
	}
	if (!prompt && !completion && end->state != OG_STATE_DONE)
		og_bill_refund(b);
	else
		settle(b, prompt, completion, !ran_now && b->shared, false);
}

void og_bill_refund(struct og_bill *b)
{
	if (!b->key)
		return;
	og_ledger_refund(b->api->store, b->job);
	close_bill(b);
}

void og_bill_leave(struct og_bill *b)
{
	if (!b->key)
		return;
	og_ledger_leave(b->api->store, b->job);
	close_bill(b);
}

/* ── its client has left ── */

static void settle_left(struct og_bill *b, int64_t completion_tokens)
{
	if (b->key)
		settle(b, b->prompt_tokens, completion_tokens, false, true);
}

static void on_left(void *ctx, bool never_ran)
{
	struct og_bill *b = ctx;

	if (never_ran)
		og_bill_refund(b);
	else
		settle_left(b, 0);
	free(b);
}

void og_bill_settle_left(struct og_bill *b, struct og_job *job, int64_t completion_tokens)
{
	struct og_bill *kept;

	if (job && b->key && !completion_tokens) {
		kept = og_memdup(b, sizeof(*b));
		b->key = NULL;
		og_job_leave_told(job, on_left, kept);
		return;
	}
	if (job)
		og_job_leave(job, 0);
	settle_left(b, completion_tokens);
}
