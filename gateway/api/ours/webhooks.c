/* /api/v1/webhooks: a tenant names where its events are to go, and sees what became of them (webhook/admin.h does it). */
#include "api/ours/asked.h"
#include "api/ours/ours.h"
#include "api/records.h"
#include "model/json.h"
#include "webhook/admin.h"

/* ── what is done ── */

/* Drops `request`. */
static void ask(struct og_api *api, struct og_web_call *c, const char *verb, json_t *request, int status, int refusal)
{
	json_object_set_new(request, "tenant", json_string(og_api_caller(c)->tenant));
	og_webhook_admin(
		api, verb, request, og_asked_answer, og_asked_new(c, (struct og_asked_as){status, refusal, 409}));
	json_decref(request);
}

static json_t *named(struct og_web_call *c)
{
	return json_pack("{s:o}", "id", og_json_text(og_web_part(c, 0)));
}

void og_webhooks_make(struct og_api *api, struct og_web_call *c)
{
	json_t *body = og_api_json_body(c);

	if (!body)
		return;
	ask(api, c, "webhooks_make",
		json_pack(
			"{s:O*, s:O*}", "url", json_object_get(body, "url"), "events", json_object_get(body, "events")),
		201, 400);
	json_decref(body);
}

void og_webhooks_enable(struct og_api *api, struct og_web_call *c)
{
	ask(api, c, "webhooks_enable", named(c), 200, 404);
}

void og_webhooks_rotate(struct og_api *api, struct og_web_call *c)
{
	ask(api, c, "webhooks_rotate", named(c), 200, 404);
}

void og_webhooks_redeliver(struct og_api *api, struct og_web_call *c)
{
	json_t *request = named(c);

	json_object_set_new(request, "delivery", og_json_text(og_web_part(c, 1)));
	ask(api, c, "webhooks_redeliver", request, 202, 404);
}

/* ── what there is ── */

static json_t *shown(struct og_web_call *c, json_t *webhook)
{
	(void)c;
	return og_webhook_shown(webhook);
}

void og_webhooks_list(struct og_api *api, struct og_web_call *c)
{
	og_api_records(api, c, &api->kinds.webhooks, shown);
}

static void show(struct og_api *api, struct og_web_call *c, json_t *webhook)
{
	(void)api;
	og_api_reply_json(c, 200, og_webhook_shown(webhook));
}

void og_webhooks_show(struct og_api *api, struct og_web_call *c)
{
	og_api_record(api, c, &api->kinds.webhooks, og_web_part(c, 0), "webhook", show);
}

static void removed(struct og_api *api, struct og_web_call *c, const char *id)
{
	(void)api;
	og_api_reply_json(c, 200, json_pack("{s:s, s:s, s:b}", "id", id, "object", "webhook", "deleted", 1));
}

void og_webhooks_remove(struct og_api *api, struct og_web_call *c)
{
	og_api_record_remove(api, c, &api->kinds.webhooks, og_web_part(c, 0), "webhook", removed);
}

/* ── its deliveries ── */

static json_t *delivery_shown(struct og_web_call *c, json_t *delivery)
{
	(void)c;
	return og_delivery_shown(delivery);
}

static void list_deliveries(struct og_api *api, struct og_web_call *c, json_t *webhook)
{
	(void)webhook;
	og_api_records_of(api, c, og_delivery_kind(api, og_web_query(c, "state")), og_web_part(c, 0), delivery_shown);
}

void og_webhooks_deliveries(struct og_api *api, struct og_web_call *c)
{
	struct og_refusal why;

	if (og_delivery_kind(api, og_web_query(c, "state"))) {
		og_api_record(api, c, &api->kinds.webhooks, og_web_part(c, 0), "webhook", list_deliveries);
		return;
	}
	og_refuse_with(&why, 400, "invalid_request", "state: is to be failed, pending or delivered");
	og_refuse(c, &why);
}
