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

static void add_text(struct og_args *a, const char *field, const char *text)
{
	if (text && *text)
		og_args_add_field(a, field, text);
}

static void add_number(struct og_args *a, const char *field, int64_t number)
{
	if (!number)
		return;
	og_args_add(a, field);
	og_args_add_number(a, number);
}

int og_key_create(struct og_gateway_store *s, bool first, const char *id, const char *secret,
	const struct og_key_spec *spec, og_redis_cb *cb, void *ctx, struct og_error *err)
{
	struct og_limits limits = spec->limits;
	char hash[OG_HASH_LEN + 1];
	struct og_args a;

	og_secret_hash(secret, strlen(secret), hash);
	og_args_begin(s, &a);
	og_args_add(&a, first ? "first" : "");
	og_args_add(&a, id);
	og_args_add(&a, hash);
	og_args_add(&a, spec->tenant);
	og_args_add_field(&a, "name", spec->name);
	add_text(&a, "models", spec->models);
	add_text(&a, "regions", spec->regions);
	add_text(&a, "classes", spec->classes);
	add_number(&a, "admin", spec->admin);
	add_number(&a, "expires_ms", spec->expires_ms);
	for (size_t i = 0; i < OG_LIMITS_N - 1; i++)
		add_number(&a, og_limits_names[i], *og_limits_number(&limits, i));
	if (limits.budget)
		og_args_add_field(&a, "budget_per", og_budget_per_name(limits.budget_per));
	return og_args_eval(s, &og_script_key_create, &a, cb, ctx, err);
}
