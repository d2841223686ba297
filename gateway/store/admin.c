#include "store/admin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "service/service.h"
#include "store/args.h"
#include "store/key.h"
#include "store/ledger_state.h"

static const struct {
	const char *name;
	og_admin_run *run;
} verbs[] = {
	{"keys_create", og_admin_keys_create},
	{"keys_list", og_admin_keys_list},
	{"keys_set", og_admin_keys_set},
	{"keys_revoke", og_admin_keys_revoke},
	{"keys_rotate", og_admin_keys_rotate},
	{"tenants_list", og_admin_tenants_list},
	{"tenants_set", og_admin_tenants_set},
	{"tenants_show", og_admin_tenants_show},
	{"tenants_remove", og_admin_tenants_remove},
	{"usage", og_admin_usage},
};

static og_admin_run *find(const char *verb)
{
	for (size_t i = 0; i < OG_COUNT(verbs); i++)
		if (!strcmp(verbs[i].name, verb))
			return verbs[i].run;
	return NULL;
}

bool og_store_is_verb(const char *verb)
{
	return find(verb) != NULL;
}

static void call_free(struct og_admin_call *c)
{
	json_decref(c->request);
	free(c->state);
	free(c);
}

int og_store_admin(struct og_gateway_store *s, const char *verb, const json_t *request, og_store_admin_cb *cb,
	void *ctx, struct og_error *err)
{
	og_admin_run *run = find(verb);
	struct og_admin_call *c;

	if (!run)
		return og_fail(err, OG_INVALID, "unknown verb '%s'", verb);
	og_ledger_pump(s); /* what ended before is in what is told */
	c = og_new(struct og_admin_call);
	*c = (struct og_admin_call){s, json_deep_copy(request), cb, ctx, NULL};
	if (run(c, err) == 0)
		return 0;
	call_free(c);
	return -1;
}

void og_admin_answer(struct og_admin_call *c, json_t *answer)
{
	c->cb(c->ctx, answer, NULL);
	json_decref(answer);
	call_free(c);
}

void og_admin_refuse(struct og_admin_call *c, const struct og_error *err)
{
	c->cb(c->ctx, NULL, err);
	call_free(c);
}

/* ---- requests ---- */

int og_admin_text(
	const struct og_admin_call *c, const char *name, bool required, const char **ret, struct og_error *err)
{
	const json_t *value = json_object_get(c->request, name);
	const char *text = json_string_value(value);

	if (!value && !required) {
		*ret = NULL;
		return 0;
	}
	if (!value)
		return og_fail(err, OG_INVALID, "\"%s\" is missing", name);
	if (!text || !*text || json_string_length(value) >= OG_NAME_MAX || strlen(text) != json_string_length(value))
		return og_fail(err, OG_INVALID, "\"%s\" is a text of 1 to %d bytes", name, OG_NAME_MAX - 1);
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return og_fail(err, OG_INVALID, "\"%s\" holds a control character", name);
	*ret = text;
	return 0;
}

int og_admin_tenant(
	const struct og_admin_call *c, const char *name, bool required, const char **ret, struct og_error *err)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	if (og_admin_text(c, name, required, ret, err) != 0)
		return -1;
	if (*ret && ((*ret)[strspn(*ret, safe)] || strlen(*ret) > 64))
		return og_fail(err, OG_INVALID,
			"'%s' is no tenant's name: it has 1 to 64 letters, digits, '.', '_' and '-'", *ret);
	return 0;
}

int og_admin_number(
	const struct og_admin_call *c, const char *name, int64_t min, int64_t max, int64_t *ret, struct og_error *err)
{
	const json_t *value = json_object_get(c->request, name);

	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max)
		return og_fail(
			err, OG_INVALID, "\"%s\" is a whole number from %" PRId64 " to %" PRId64, name, min, max);
	*ret = json_integer_value(value);
	return 0;
}

void og_admin_limits(json_t *object, const struct og_redis_reply *row, size_t at)
{
	struct og_limits l = {0};

	for (size_t i = 0; i < OG_LIMITS_N - 1; i++)
		*og_limits_number(&l, i) = og_reply_number(row, at + i);
	og_budget_per_parse(og_reply_text(row, at + OG_LIMITS_N - 1), &l.budget_per, NULL);
	og_limits_write(object, &l);
}

/* ---- the control socket ---- */

static void on_answer(void *ctx, json_t *answer, const struct og_error *err)
{
	struct og_control_ask *ask = ctx;

	if (err)
		og_control_refuse(ask, err);
	else
		og_control_answer(ask, json_incref(answer));
}

bool og_store_control(struct og_gateway_store *s, const char *verb, const json_t *request, struct og_control_ask *ask)
{
	struct og_error err = {0};

	if (!og_store_is_verb(verb))
		return false;
	if (og_store_admin(s, verb, request, on_answer, ask, &err) != 0)
		og_control_refuse(ask, &err);
	return true;
}
