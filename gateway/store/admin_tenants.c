#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/names.h"
#include "store/admin.h"
#include "store/args.h"
#include "store/kinds.h"
#include "store/scripts_records.h"

#define CLEARED_AT_ONCE 1000 /* records, some 10 ms of the store's time */

/* ---- list, show ---- */

static json_t *show_tenant(const struct og_redis_reply *row)
{
	int64_t weight = og_reply_number(row, OG_TENANT_WEIGHT_AT);
	json_t *tenant = json_pack("{s:s, s:I, s:I, s:I, s:{s:I, s:I, s:I}}", "name",
		og_reply_text(row, OG_TENANT_NAME), "keys", (json_int_t)og_reply_number(row, OG_TENANT_KEYS),
		"running_now", (json_int_t)og_reply_number(row, OG_TENANT_RUNNING), "reserved_tokens",
		(json_int_t)og_reply_number(row, OG_TENANT_HELD), "used_tokens", "day",
		(json_int_t)og_reply_number(row, OG_TENANT_DAY), "month",
		(json_int_t)og_reply_number(row, OG_TENANT_MONTH), "total",
		(json_int_t)og_reply_number(row, OG_TENANT_TOTAL));

	if (weight)
		json_object_set_new(tenant, "weight", json_integer(weight));
	og_admin_limits(tenant, row, OG_TENANT_LIMITS);
	return tenant;
}

static int ask_page(struct og_admin_call *c, const char *name, int64_t from, og_redis_cb *cb, struct og_error *err)
{
	struct og_args a;

	og_args_begin(c->store, &a);
	og_args_add(&a, name);
	og_args_add_number(&a, from);
	og_args_add_number(&a, OG_ADMIN_PAGE_MAX);
	return og_args_eval(c->store, &og_script_tenants_page, &a, cb, c, err);
}

static void on_page(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_admin_call *c = ctx;
	json_t *answer, *tenants;
	int64_t next;

	if (err) {
		og_admin_refuse(c, err);
		return;
	}
	tenants = json_array();
	next = og_reply_number(reply, 0);
	for (size_t i = 1; i < reply->n; i++)
		json_array_append_new(tenants, show_tenant(reply->items[i]));
	answer = json_pack("{s:o}", "tenants", tenants);
	if (next >= 0)
		json_object_set_new(answer, "next", json_integer(next));
	og_admin_answer(c, answer);
}

int og_admin_tenants_list(struct og_admin_call *c, struct og_error *err)
{
	int64_t from = 0;

	if (og_admin_number(c, "from", 0, INT32_MAX, &from, err) != 0)
		return -1;
	return ask_page(c, "", from, on_page, err);
}

static const char *name_of(const struct og_admin_call *c)
{
	return json_string_value(json_object_get(c->request, "name"));
}

static void on_shown(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_admin_call *c = ctx;
	struct og_error none = {0};

	if (!err && reply->n < 2) {
		og_error_set(&none, OG_INVALID, "there is no tenant '%s'", name_of(c));
		err = &none;
	}
	if (err)
		og_admin_refuse(c, err);
	else
		og_admin_answer(c, json_pack("{s:o}", "tenant", show_tenant(reply->items[1])));
}

int og_admin_tenants_show(struct og_admin_call *c, struct og_error *err)
{
	const char *name;

	if (og_admin_tenant(c, "name", true, &name, err) != 0)
		return -1;
	return ask_page(c, name, 0, on_shown, err);
}

/* ---- set, remove ---- */

static void on_set(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_admin_call *c = ctx;
	struct og_error later = {0};

	(void)reply;
	if (err) {
		og_admin_refuse(c, err);
		return;
	}
	og_keys_forget(c->store); /* they carry their tenant's limits */
	if (ask_page(c, name_of(c), 0, on_shown, &later) != 0)
		og_admin_refuse(c, &later);
}

/* A field that the request names; 0 takes the limit away. */
static void add_number(struct og_args *a, const char *field, int64_t number)
{
	og_args_add(a, field);
	if (number)
		og_args_add_number(a, number);
	else
		og_args_add(a, "");
}

int og_admin_tenants_set(struct og_admin_call *c, struct og_error *err)
{
	struct og_limits limits = {0};
	unsigned named = 0;
	int64_t weight = 0;
	const char *name;
	struct og_args a;

	if (og_admin_tenant(c, "name", true, &name, err) != 0 ||
		og_admin_number(c, "weight", 1, OG_WEIGHT_MAX, &weight, err) != 0 ||
		og_limits_read(c->request, &limits, &named, err) != 0)
		return -1;
	og_args_begin(c->store, &a);
	og_args_add(&a, name);
	if (weight)
		add_number(&a, "weight", weight);
	for (size_t i = 0; i < OG_LIMITS_N - 1; i++)
		if (named & 1u << i)
			add_number(&a, og_limits_names[i], *og_limits_number(&limits, i));
	if (named & 1u << (OG_LIMITS_N - 1))
		og_args_add_field(&a, og_limits_names[OG_LIMITS_N - 1], og_budget_per_name(limits.budget_per));
	return og_args_eval(c->store, &og_script_tenant_set, &a, on_set, c, err);
}

/* All that is its own goes before it, so many at a time: whoever is given its name later finds nothing of it. */
struct removal {
	size_t kind; /* that is being cleared */
};

static int remove_next(struct og_admin_call *c, struct og_error *err);

static void on_removed(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_admin_call *c = ctx;
	struct removal *r = c->state;
	struct og_error why = {0};

	if (!err && reply->integer > 0 && og_kind_of_tenants(r->kind)) {
		r->kind += reply->integer == 1;
		if (remove_next(c, &why) == 0)
			return;
		err = &why;
	} else if (!err && reply->integer != 1) {
		og_error_set(&why, OG_INVALID,
			reply->integer < 0
				? "tenant '%s' has keys: revoke them first (`og keys list --tenant %s`, then "
				  "`og keys revoke ID`)"
				: "there is no tenant '%s'",
			name_of(c), name_of(c));
		err = &why;
	}
	if (err)
		og_admin_refuse(c, err);
	else
		og_admin_answer(c, json_pack("{s:s}", "name", name_of(c)));
}

static int remove_next(struct og_admin_call *c, struct og_error *err)
{
	const struct removal *r = c->state;
	const struct og_record_kind *kind = og_kind_of_tenants(r->kind);
	struct og_args a;

	og_args_begin(c->store, &a);
	if (kind)
		og_args_add(&a, kind->name);
	og_args_add(&a, name_of(c));
	if (!kind)
		return og_args_eval(c->store, &og_script_tenant_remove, &a, on_removed, c, err);
	og_args_add(&a, kind->parts);
	og_args_add_number(&a, CLEARED_AT_ONCE);
	return og_args_eval(c->store, &og_script_tenant_clear, &a, on_removed, c, err);
}

int og_admin_tenants_remove(struct og_admin_call *c, struct og_error *err)
{
	const char *name;

	if (og_admin_tenant(c, "name", true, &name, err) != 0)
		return -1;
	c->state = og_new(struct removal);
	return remove_next(c, err);
}
