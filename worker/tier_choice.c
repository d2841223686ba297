#include "tier_choice.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

#define NAMES_SHOWN 5

/* The engine's own spelling of `name`; NULL: it does not have it. */
static const char *served(const struct og_serves *s, const char *name)
{
	if (s->any)
		return name;
	for (size_t i = 0; i < s->n_models; i++) {
		if (strcasecmp(s->models[i], name) == 0)
			return s->models[i];
	}
	return NULL;
}

/* What the engine calls this tier's model; NULL: it does not serve it. */
static const char *served_tier(const struct og_serves *s, const struct og_tier *t, const char *model)
{
	const char *name;

	if (*model)
		return served(s, model);
	name = served(s, t->engine_model);
	if (!name)
		name = served(s, t->id);
	for (size_t i = 0; !name && i < t->n_aliases; i++)
		name = served(s, t->aliases[i]);
	return name;
}

static void list_served(const struct og_serves *s, struct og_buf *out)
{
	og_buf_adds(out, s->n_models ? "the engine serves " : "the engine serves no model");
	for (size_t i = 0; i < s->n_models && i < NAMES_SHOWN; i++)
		og_buf_addf(out, "%s%s", i ? ", " : "", s->models[i]);
	if (s->n_models > NAMES_SHOWN)
		og_buf_addf(out, " and %zu more", s->n_models - NAMES_SHOWN);
}

static int not_served(const struct og_serves *s, const char *what, struct og_error *err)
{
	struct og_buf names;
	int rc;

	og_buf_init(&names, 1024);
	list_served(s, &names);
	rc = og_fail(err, OG_RETRY, "%s, not %s", og_buf_str(&names), what);
	og_buf_done(&names);
	return rc;
}

static void chosen(const struct og_tier *t, const char *model, struct og_tier_choice *ret)
{
	*ret = (struct og_tier_choice){.tier = t};
	snprintf(ret->model, sizeof(ret->model), "%s", model);
}

static int choose_named(const struct og_tier *t, const struct og_profile *p, const struct og_serves *s,
	const char *wanted, struct og_tier_choice *ret, struct og_error *err)
{
	const char *model = served_tier(s, t, wanted);
	char why[200];

	if (!model)
		return not_served(s, *wanted ? wanted : t->engine_model, err);
	chosen(t, model, ret);
	if (!og_profile_judge(p, t, why, sizeof(why)))
		snprintf(ret->warning, sizeof(ret->warning), "this machine is too small for it: %s", why);
	return 0;
}

/* No tier at all: the nearest miss tells most, which is a tier that the engine has and the machine is too small for. */
static int none(
	const struct og_catalogue *c, const struct og_profile *p, const struct og_serves *s, struct og_error *err)
{
	for (size_t i = c->n; i-- > 0;) {
		const struct og_tier *t = &c->tiers[i];
		char why[200];

		if (served_tier(s, t, "") && !og_profile_judge(p, t, why, sizeof(why)))
			return og_fail(err, OG_RETRY, "this machine is too small for %s, which the engine serves: %s",
				t->id, why);
	}
	return not_served(s, "the model of any tier of the catalogue", err);
}

static const struct og_tier *tier_of_model(const struct og_catalogue *c, const char *model)
{
	for (size_t i = 0; i < c->n; i++) {
		if (strcasecmp(c->tiers[i].engine_model, model) == 0)
			return &c->tiers[i];
	}
	return og_catalogue_find(c, model);
}

static int choose_any(const struct og_catalogue *c, const struct og_profile *p, const struct og_serves *s,
	struct og_tier_choice *ret, struct og_error *err)
{
	for (size_t i = c->n; i-- > 0;) {
		const char *model = served_tier(s, &c->tiers[i], "");
		char why[200];

		if (model && og_profile_judge(p, &c->tiers[i], why, sizeof(why))) {
			chosen(&c->tiers[i], model, ret);
			return 0;
		}
	}
	return none(c, p, s, err);
}

int og_tier_choose(const struct og_catalogue *c, const struct og_profile *p, const struct og_serves *s,
	const struct og_tier_wish *wish, struct og_tier_choice *ret, struct og_error *err)
{
	const struct og_tier *t;

	if (strcmp(wish->tier, "auto") == 0 && !*wish->model)
		return choose_any(c, p, s, ret, err);
	t = strcmp(wish->tier, "auto") == 0 ? tier_of_model(c, wish->model) : og_catalogue_find(c, wish->tier);
	if (t)
		return choose_named(t, p, s, wish->model, ret, err);
	if (strcmp(wish->tier, "auto") != 0)
		return og_catalogue_unknown(c, wish->tier, NULL, err);
	return og_fail(err, OG_INVALID,
		"engine.model '%s' is no tier's model: say with worker.tier (--tier) which tier it serves",
		wish->model);
}
