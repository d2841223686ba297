/* The beginning of a watch, and which tenants have webhooks at all: those of the others run also while the store is away. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "webhook/schedule.h"
#include "webhook/state.h"

static struct og_webhook_tenant *known(const struct og_webhooks *w, const char *tenant)
{
	struct og_webhook_tenant *t;

	HASH_FIND_STR(w->tenants, tenant, t);
	return t;
}

static void note_tenant(struct og_webhooks *w, const char *tenant, bool has)
{
	struct og_webhook_tenant *t = known(w, tenant);

	if (has && !t) {
		t = og_new(struct og_webhook_tenant);
		snprintf(t->name, sizeof(t->name), "%s", tenant);
		HASH_ADD_STR(w->tenants, name, t);
	} else if (!has && t) {
		HASH_DEL(w->tenants, t);
		free(t);
	}
}

struct beginning {
	struct og_webhooks *w;
	char tenant[OG_NAME_MAX];
	og_record_said_cb *cb;
	void *ctx;
};

static const struct og_error *say_too_many(const struct og_webhooks *w, struct og_error *ret)
{
	og_error_set(ret, OG_BUSY,
		"%" PRId64
		" jobs and batches of this tenant run whose end its webhooks are told, and no more may: ask again when "
		"some have ended",
		w->api->kinds.watches.most);
	return ret;
}

static void on_begun(void *ctx, bool yes, const struct og_error *err)
{
	struct beginning *b = ctx;
	bool matters = !err || err->kind != OG_RETRY || known(b->w, b->tenant);
	struct og_error own;

	if (!err)
		note_tenant(b->w, b->tenant, yes);
	else if (err->kind == OG_BUSY && yes)
		err = say_too_many(b->w, &own);
	b->cb(b->ctx, !err && yes, matters ? err : NULL);
	og_webhooks_part_gone(b->w);
	free(b);
}

int og_watch_begin(struct og_api *api, const char *of, const char *id, const char *tenant, og_record_said_cb *cb,
	void *ctx, struct og_error *err)
{
	struct og_webhooks *w = api->webhooks;
	int64_t now = og_clock_wall_ms();
	json_t *watch =
		json_pack("{s:s, s:s, s:s, s:I}", "id", id, "tenant", tenant, "of", of, "made_ms", (json_int_t)now);
	const struct og_record_put put = {.id = id,
		.tenant = tenant,
		.record = watch,
		.due_in_ms = og_watch_delay_ms(0),
		.held_by = w->maker,
		.held_if_new = true,
		.beside = &api->kinds.webhooks};
	struct beginning *b = og_new(struct beginning);
	struct og_error own;
	int rc;

	*b = (struct beginning){.w = w, .cb = cb, .ctx = ctx};
	snprintf(b->tenant, sizeof(b->tenant), "%s", tenant);
	rc = og_record_put(api->store, &api->kinds.watches, &put, on_begun, b, &own);
	json_decref(watch);
	if (rc == 0) {
		w->parts++;
		return 0;
	}
	free(b);
	if (own.kind == OG_RETRY && !known(w, tenant))
		return 1;
	return og_fail(err, own.kind, "%s", own.message);
}

/* Another request for the same job (by its idempotency key) may have begun meanwhile: then the watch is held by nobody, and stays. */
void og_watch_drop(struct og_api *api, const char *id)
{
	og_record_drop(api->store, &api->kinds.watches, id, api->webhooks->maker, NULL, NULL, NULL);
}
