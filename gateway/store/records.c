#include "store/records.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"
#include "store/args.h"
#include "store/scripts_records.h"

#define TOO_MANY (-2) /* in the script too */

struct asked {
	og_record_cb *one;
	og_records_cb *many;
	og_record_said_cb *said;
	og_records_known_cb *known;
	void *ctx;
};

static void begin(const struct og_gateway_store *s, struct og_args *a, const struct og_record_kind *kind)
{
	og_args_begin(s, a);
	og_args_add(a, kind->name);
}

static int ask(struct og_gateway_store *s, struct og_redis_script *script, const struct og_args *a, og_redis_cb *cb,
	const struct asked *asked, struct og_error *err)
{
	struct asked *kept = og_memdup(asked, sizeof(*asked));

	if (og_args_eval(s, script, a, cb, kept, err) == 0)
		return 0;
	free(kept);
	return -1;
}

static void on_said(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct asked *a = ctx;
	struct og_error full;

	if (!err && reply->integer < 0) {
		og_fail(&full, OG_BUSY, "there %s: remove some%s",
			reply->integer == TOO_MANY ? "are so many that no more may be" : "is no room for more",
			reply->integer == TOO_MANY ? "" : ", or have the operator raise the bound");
		err = &full;
	}
	if (a->said)
		a->said(a->ctx, reply && (reply->integer > 0 || reply->integer == TOO_MANY), err);
	free(a);
}

static void on_one(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct asked *a = ctx;
	struct og_error own;
	json_t *record = NULL;

	if (!err && reply->type != OG_REPLY_STRING) {
		og_fail(&own, OG_INVALID, "there is none of this id, or it is no longer kept");
		err = &own;
	} else if (!err && og_json_parse(reply->str, reply->len, &record, &own) < 0) {
		err = &own;
	}
	a->one(a->ctx, record, err);
	json_decref(record);
	free(a);
}

static void on_many(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct asked *a = ctx;
	size_t n = 0;
	json_t **records;

	if (err) {
		a->many(a->ctx, NULL, 0, false, err);
		free(a);
		return;
	}
	records = og_alloc((reply->n + 1) * sizeof(*records));
	for (size_t i = 1; i < reply->n; i++) {
		const char *text = og_reply_text(reply, i);

		if (og_json_parse(text, strlen(text), &records[n], NULL) == 0)
			n++;
	}
	a->many(a->ctx, records, n, og_reply_number(reply, 0) == 1, NULL);
	while (n)
		json_decref(records[--n]);
	free(records);
	free(a);
}

static void on_known(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct asked *a = ctx;
	bool known[OG_RECORDS_KNOWN];
	size_t n = 0;

	for (; !err && n + 1 < reply->n && n < OG_RECORDS_KNOWN; n++)
		known[n] = og_reply_number(reply, n + 1) != 0;
	a->known(a->ctx, err ? NULL : known, n, !err && og_reply_number(reply, 0) > 0, err);
	free(a);
}

int og_record_put(struct og_gateway_store *s, const struct og_record_kind *kind, const struct og_record_put *put,
	og_record_said_cb *cb, void *ctx, struct og_error *err)
{
	og_autofree char *text = json_dumps(put->record, JSON_COMPACT);
	og_autofree char *was = put->was ? json_dumps(put->was, JSON_COMPACT) : NULL;
	struct og_args a;

	if (!text || strlen(text) > OG_RECORD_MAX)
		return og_fail(err, OG_INVALID, "it is too large to be kept");
	begin(s, &a, kind);
	og_args_add(&a, put->id);
	og_args_add(&a, put->tenant);
	og_args_add(&a, text);
	og_args_add_number(&a, kind->keep_ms);
	og_args_add_number(&a, put->in_any_case ? INT64_MAX : kind->bytes_max);
	og_args_add(&a, kind->oldest_go ? "1" : "");
	og_args_add(&a, put->fresh ? "fresh" : put->there ? "there" : "");
	og_args_add(&a, put->owner);
	og_args_add_number(&a, put->due_in_ms);
	og_args_add(&a, put->held_by);
	og_args_add_number(&a, put->bytes);
	og_args_add(&a, put->beside ? put->beside->name : "");
	og_args_add(&a, put->held_if_new ? "1" : "");
	og_args_add_number(&a, kind->most);
	og_args_add(&a, put->from ? put->from->name : "");
	og_args_add(&a, was);
	return ask(s, &og_script_record_put, &a, on_said, &(struct asked){.said = cb, .ctx = ctx}, err);
}

int og_record_get(struct og_gateway_store *s, const struct og_record_kind *kind, const char *tenant, const char *id,
	og_record_cb *cb, void *ctx, struct og_error *err)
{
	struct og_args a;

	begin(s, &a, kind);
	og_args_add(&a, id);
	og_args_add(&a, tenant);
	return ask(s, &og_script_record_get, &a, on_one, &(struct asked){.one = cb, .ctx = ctx}, err);
}

static int take_away(struct og_gateway_store *s, const struct og_record_kind *kind, const char *id, const char *tenant,
	const char *owner, const struct asked *asked, struct og_error *err)
{
	struct og_args a;

	begin(s, &a, kind);
	og_args_add(&a, id);
	og_args_add(&a, tenant);
	og_args_add(&a, owner);
	og_args_add(&a, kind->parts);
	return ask(s, &og_script_record_remove, &a, on_said, asked, err);
}

int og_record_remove(struct og_gateway_store *s, const struct og_record_kind *kind, const char *tenant, const char *id,
	og_record_said_cb *cb, void *ctx, struct og_error *err)
{
	return take_away(s, kind, id, tenant, NULL, &(struct asked){.said = cb, .ctx = ctx}, err);
}

int og_record_drop(struct og_gateway_store *s, const struct og_record_kind *kind, const char *id, const char *owner,
	og_record_said_cb *cb, void *ctx, struct og_error *err)
{
	return take_away(s, kind, id, NULL, owner, &(struct asked){.said = cb, .ctx = ctx}, err);
}

int og_records_list(struct og_gateway_store *s, const struct og_record_kind *kind, const struct og_record_page *page,
	og_records_cb *cb, void *ctx, struct og_error *err)
{
	struct og_args a;

	begin(s, &a, kind);
	og_args_add(&a, page->tenant);
	og_args_add(&a, page->after);
	og_args_add_number(&a, page->limit);
	og_args_add(&a, page->oldest_first ? "1" : "");
	return ask(s, &og_script_records_list, &a, on_many, &(struct asked){.many = cb, .ctx = ctx}, err);
}

int og_records_known(struct og_gateway_store *s, const struct og_record_kind *kind, const char *const *ids, size_t n,
	og_records_known_cb *cb, void *ctx, struct og_error *err)
{
	struct og_args a;

	begin(s, &a, kind);
	for (size_t i = 0; i < n && i < OG_RECORDS_KNOWN; i++)
		og_args_add(&a, ids[i]);
	return ask(s, &og_script_records_known, &a, on_known, &(struct asked){.known = cb, .ctx = ctx}, err);
}

int og_records_claim(struct og_gateway_store *s, const struct og_record_kind *kind, const char *owner, int64_t lease_ms,
	int64_t limit, og_records_cb *cb, void *ctx, struct og_error *err)
{
	struct og_args a;

	begin(s, &a, kind);
	og_args_add(&a, owner);
	og_args_add_number(&a, lease_ms);
	og_args_add_number(&a, limit);
	return ask(s, &og_script_records_claim, &a, on_many, &(struct asked){.many = cb, .ctx = ctx}, err);
}

int og_record_hold(struct og_gateway_store *s, const struct og_record_kind *kind, const char *id, const char *owner,
	int64_t lease_ms, og_record_said_cb *cb, void *ctx, struct og_error *err)
{
	struct og_args a;

	begin(s, &a, kind);
	og_args_add(&a, id);
	og_args_add(&a, owner);
	og_args_add_number(&a, lease_ms);
	return ask(s, &og_script_record_hold, &a, on_said, &(struct asked){.said = cb, .ctx = ctx}, err);
}
