#include "store/key_write.h"

#include <string.h>

#include "base/backoff.h"
#include "store/args.h"
#include "store/scripts.h"
#include "store/store_state.h"

void og_key_id_make(char ret[static OG_KEY_ID_LEN + 1])
{
	og_random_hex(ret, OG_KEY_ID_LEN);
}

static void add_text(struct og_args *a, unsigned named, enum og_key_part part, const char *field, const char *text)
{
	if (named & 1u << part)
		og_args_add_field(a, field, text);
}

static void add_number(struct og_args *a, unsigned named, unsigned part, const char *field, int64_t number)
{
	if (!(named & 1u << part))
		return;
	og_args_add(a, field);
	if (number)
		og_args_add_number(a, number);
	else
		og_args_add(a, "");
}

static void add_parts(struct og_args *a, const struct og_key_spec *spec, unsigned named)
{
	struct og_limits limits = spec->limits;
	unsigned per = OG_KEY_PART_LIMITS + OG_LIMITS_N - 1;

	add_text(a, named, OG_KEY_PART_NAME, "name", spec->name);
	add_text(a, named, OG_KEY_PART_MODELS, "models", spec->models);
	add_text(a, named, OG_KEY_PART_REGIONS, "regions", spec->regions);
	add_text(a, named, OG_KEY_PART_CLASSES, "classes", spec->classes);
	add_number(a, named, OG_KEY_PART_ADMIN, "admin", spec->admin);
	add_number(a, named, OG_KEY_PART_EXPIRES, "expires_ms", spec->expires_ms);
	for (unsigned i = 0; i < OG_LIMITS_N - 1; i++)
		add_number(a, named, OG_KEY_PART_LIMITS + i, og_limits_names[i], *og_limits_number(&limits, i));
	if (named & 1u << per)
		og_args_add_field(a, og_limits_names[OG_LIMITS_N - 1], og_budget_per_name(limits.budget_per));
}

int og_key_create(struct og_gateway_store *s, bool first, const char *id, const char *secret,
	const struct og_key_spec *spec, og_redis_cb *cb, void *ctx, struct og_error *err)
{
	char hash[OG_HASH_LEN + 1];
	struct og_args a;

	og_secret_hash(secret, strlen(secret), hash);
	og_args_begin(s, &a);
	og_args_add(&a, first ? "first" : "");
	og_args_add(&a, id);
	og_args_add(&a, hash);
	og_args_add(&a, spec->tenant);
	add_parts(&a, spec, ~0u);
	return og_args_eval(s, &og_script_key_create, &a, cb, ctx, err);
}

int og_key_set(struct og_gateway_store *s, const char *id, const struct og_key_spec *spec, unsigned named,
	og_redis_cb *cb, void *ctx, struct og_error *err)
{
	struct og_args a;

	og_args_begin(s, &a);
	og_args_add(&a, id);
	add_parts(&a, spec, named);
	return og_args_eval(s, &og_script_key_set, &a, cb, ctx, err);
}
