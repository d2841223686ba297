#include "webhook/admin.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "service/service.h"
#include "webhook/admin_call.h"

#define WEBHOOKS_PAGE   100
#define DELIVERIES_PAGE 50 /* an answer on the control socket is a line of 64 KiB */

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* ── what is shown ── */

json_t *og_webhook_with_secret(const json_t *webhook)
{
	json_t *copy = json_copy((json_t *)webhook);

	json_object_del(copy, "tenant");
	json_object_del(copy, "old_secret");
	return copy;
}

json_t *og_webhook_shown(const json_t *webhook)
{
	json_t *copy = og_webhook_with_secret(webhook);

	json_object_del(copy, "secret");
	return copy;
}

json_t *og_delivery_shown(const json_t *delivery)
{
	json_t *copy = json_copy((json_t *)delivery);

	json_object_del(copy, "tenant");
	return copy;
}

const struct og_record_kind *og_delivery_kind(const struct og_api *api, const char *state)
{
	if (!state || !strcmp(state, "failed"))
		return &api->kinds.undelivered;
	if (!strcmp(state, "pending"))
		return &api->kinds.deliveries;
	return !strcmp(state, "delivered") ? &api->kinds.delivered : NULL;
}

/* ── a call ── */

static void call_free(struct og_webhook_call *k)
{
	json_decref(k->request);
	json_decref(k->webhook);
	json_decref(k->delivery);
	og_webhook_target_done(&k->target);
	free(k);
}

void og_webhook_answer(struct og_webhook_call *k, json_t *answer)
{
	k->cb(k->ctx, answer, NULL);
	json_decref(answer);
	call_free(k);
}

void og_webhook_refuse(struct og_webhook_call *k, const struct og_error *err)
{
	k->cb(k->ctx, NULL, err);
	call_free(k);
}

static void refuse_unknown(struct og_webhook_call *k)
{
	struct og_error err;

	og_fail(&err, OG_INVALID, "there is no webhook '%.100s'", k->id);
	og_webhook_refuse(k, &err);
}

static void on_webhook(void *ctx, json_t *webhook, const struct og_error *err)
{
	struct og_webhook_call *k = ctx;

	if (err && err->kind == OG_INVALID) {
		refuse_unknown(k);
	} else if (err) {
		og_webhook_refuse(k, err);
	} else {
		json_decref(k->webhook);
		k->webhook = json_incref(webhook);
		k->then(k);
	}
}

void og_webhook_find(struct og_webhook_call *k, og_webhook_run *then)
{
	struct og_error err;

	k->then = then;
	if (og_record_get(k->api->store, &k->api->kinds.webhooks, k->tenant, k->id, on_webhook, k, &err) < 0)
		og_webhook_refuse(k, &err);
}

static void write_change(struct og_webhook_call *k);

static void on_put(void *ctx, bool yes, const struct og_error *err)
{
	struct og_webhook_call *k = ctx;

	if (err)
		og_webhook_refuse(k, err);
	else if (!yes)
		og_webhook_find(k, write_change); /* it was changed or removed meanwhile */
	else
		k->then(k);
}

static void write_one(struct og_webhook_call *k, const json_t *was, og_webhook_run *then)
{
	const struct og_record_put put = {.id = text_at(k->webhook, "id"),
		.tenant = k->tenant,
		.record = k->webhook,
		.was = was,
		.due_in_ms = -1};
	struct og_error err;

	k->then = then;
	if (og_record_put(k->api->store, &k->api->kinds.webhooks, &put, on_put, k, &err) < 0)
		og_webhook_refuse(k, &err);
}

void og_webhook_put(struct og_webhook_call *k, og_webhook_run *then)
{
	write_one(k, NULL, then);
}

static void write_change(struct og_webhook_call *k)
{
	json_t *was = json_deep_copy(k->webhook);

	k->change(k->webhook);
	write_one(k, was, k->changed);
	json_decref(was);
}

void og_webhook_change(struct og_webhook_call *k, void (*change)(json_t *webhook), og_webhook_run *then)
{
	k->change = change;
	k->changed = then;
	og_webhook_find(k, write_change);
}

/* ── lists ── */

static void answer_list(struct og_webhook_call *k, const char *name, json_t *const *records, size_t n,
	json_t *(*shape)(const json_t *record), const struct og_error *err)
{
	json_t *list;

	if (err) {
		og_webhook_refuse(k, err);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, shape(records[i]));
	og_webhook_answer(k, json_pack("{s:o}", name, list));
}

static void on_webhooks(void *ctx, json_t *const *records, size_t n, bool more, const struct og_error *err)
{
	(void)more;
	answer_list(ctx, "webhooks", records, n, og_webhook_shown, err);
}

static void list(struct og_webhook_call *k)
{
	const struct og_record_page page = {.tenant = k->tenant, .limit = WEBHOOKS_PAGE};
	struct og_error err;

	if (og_records_list(k->api->store, &k->api->kinds.webhooks, &page, on_webhooks, k, &err) < 0)
		og_webhook_refuse(k, &err);
}

static void on_deliveries(void *ctx, json_t *const *records, size_t n, bool more, const struct og_error *err)
{
	(void)more;
	answer_list(ctx, "deliveries", records, n, og_delivery_shown, err);
}

static void list_deliveries(struct og_webhook_call *k)
{
	const char *state = json_string_value(json_object_get(k->request, "state"));
	const struct og_record_kind *kind = og_delivery_kind(k->api, state);
	const struct og_record_page page = {.tenant = k->id, .limit = DELIVERIES_PAGE};
	struct og_error err;

	if (!kind)
		og_fail(&err, OG_INVALID, "'%.40s' is none of failed, pending, delivered", state);
	else if (og_records_list(k->api->store, kind, &page, on_deliveries, k, &err) == 0)
		return;
	og_webhook_refuse(k, &err);
}

static void deliveries(struct og_webhook_call *k)
{
	og_webhook_find(k, list_deliveries);
}

/* ── one goes ── */

static void on_removed(void *ctx, bool yes, const struct og_error *err)
{
	struct og_webhook_call *k = ctx;

	if (err)
		og_webhook_refuse(k, err);
	else if (!yes)
		refuse_unknown(k);
	else
		og_webhook_answer(k, json_pack("{s:s, s:b}", "id", k->id, "deleted", 1));
}

static void remove_one(struct og_webhook_call *k)
{
	struct og_error err;

	if (og_record_remove(k->api->store, &k->api->kinds.webhooks, k->tenant, k->id, on_removed, k, &err) < 0)
		og_webhook_refuse(k, &err);
}

/* ── by name ── */

static const struct {
	const char *name;
	og_webhook_run *run;
} verbs[] = {
	{"webhooks_make", og_webhook_make},
	{"webhooks_list", list},
	{"webhooks_remove", remove_one},
	{"webhooks_enable", og_webhook_enable},
	{"webhooks_rotate", og_webhook_rotate},
	{"webhooks_deliveries", deliveries},
	{"webhooks_redeliver", og_webhook_redeliver},
};

static og_webhook_run *find(const char *verb)
{
	for (size_t i = 0; i < OG_COUNT(verbs); i++)
		if (!strcmp(verbs[i].name, verb))
			return verbs[i].run;
	return NULL;
}

void og_webhook_admin(struct og_api *api, const char *verb, const json_t *request, og_store_admin_cb *cb, void *ctx)
{
	struct og_webhook_call *k = og_new(struct og_webhook_call);

	*k = (struct og_webhook_call){.api = api, .request = json_deep_copy(request), .cb = cb, .ctx = ctx};
	k->tenant = text_at(k->request, "tenant");
	if (!*k->tenant)
		k->tenant = "default";
	k->id = text_at(k->request, "id");
	find(verb)(k);
}

static void on_answer(void *ctx, json_t *answer, const struct og_error *err)
{
	if (err)
		og_control_refuse(ctx, err);
	else
		og_control_answer(ctx, json_incref(answer));
}

bool og_webhook_control(struct og_api *api, const char *verb, const json_t *request, struct og_control_ask *ask)
{
	if (!find(verb))
		return false;
	og_webhook_admin(api, verb, request, on_answer, ask);
	return true;
}
