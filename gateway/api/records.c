#include "api/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"

#define PAGE_USUAL 20

/* A call that waits for the store; it answers even when the client has gone. */
struct looking {
	struct og_api *api;
	struct og_web_call *c; /* NULL: its client has gone */
	const char *what;
	og_api_record_then *then;
	void (*removed)(struct og_api *api, struct og_web_call *c, const char *id);
	/* Of a page: */
	const struct og_record_kind *kind;
	json_t *(*shape)(struct og_web_call *c, json_t *record);
	struct og_api_page page;
	char *owner;
	json_t *data;
	char after[128]; /* the last that was looked at; "": none yet */
	bool more;       /* there was no room for one */
};

static void on_gone(void *ctx)
{
	struct looking *l = ctx;

	l->c = NULL;
}

static struct looking *look(struct og_api *api, struct og_web_call *c)
{
	struct looking *l = og_new(struct looking);

	l->api = api;
	l->c = c;
	og_web_on_gone(c, on_gone, l);
	return l;
}

static void refuse_error(struct og_web_call *c, const struct og_error *err)
{
	struct og_refusal why;

	og_refusal_of_error(err, &why);
	og_refuse(c, &why);
}

void og_api_refuse_record(struct og_web_call *c, const char *what, const char *id, const struct og_error *err)
{
	struct og_refusal why;

	if (err->kind != OG_INVALID) {
		refuse_error(c, err);
		return;
	}
	og_refuse_with(&why, 404, "not_found", "there is no %s '%.100s', or it is no longer kept", what, id);
	og_refuse(c, &why);
}

/* ── one ── */

static void on_record(void *ctx, json_t *record, const struct og_error *err)
{
	struct looking *l = ctx;
	struct og_web_call *c = l->c;

	if (c) {
		og_web_on_gone(c, NULL, NULL);
		if (err)
			og_api_refuse_record(c, l->what, og_web_part(c, 0), err);
		else
			l->then(l->api, c, record);
	}
	free(l);
}

void og_api_record(struct og_api *api, struct og_web_call *c, const struct og_record_kind *kind, const char *id,
	const char *what, og_api_record_then *then)
{
	struct looking *l = look(api, c);
	struct og_error err;

	l->what = what;
	l->then = then;
	if (og_record_get(api->store, kind, og_api_caller(c)->tenant, id, on_record, l, &err) == 0)
		return;
	og_web_on_gone(c, NULL, NULL);
	free(l);
	refuse_error(c, &err);
}

/* ── away with one ── */

static void on_removed(void *ctx, bool yes, const struct og_error *err)
{
	struct looking *l = ctx;
	struct og_error none;

	og_fail(&none, OG_INVALID, "there is none");
	if (l->c && (err || !yes))
		og_api_refuse_record(l->c, l->what, og_web_part(l->c, 0), err ? err : &none);
	else if (l->c)
		l->removed(l->api, l->c, og_web_part(l->c, 0));
	free(l);
}

void og_api_record_remove(struct og_api *api, struct og_web_call *c, const struct og_record_kind *kind, const char *id,
	const char *what, void (*then)(struct og_api *api, struct og_web_call *c, const char *id))
{
	struct looking *l = look(api, c);
	struct og_error err;

	l->what = what;
	l->removed = then;
	if (og_record_remove(api->store, kind, og_api_caller(c)->tenant, id, on_removed, l, &err) == 0)
		return;
	og_web_on_gone(c, NULL, NULL);
	free(l);
	refuse_error(c, &err);
}

/* ── a page of them ── */

int og_api_page_of(struct og_web_call *c, struct og_api_page *ret, struct og_refusal *why)
{
	const char *limit = og_web_query(c, "limit"), *order = og_web_query(c, "order");

	*ret = (struct og_api_page){.limit = PAGE_USUAL, .after = og_web_query(c, "after")};
	if (limit && og_parse_int(limit, 1, OG_RECORDS_PAGE, &ret->limit, NULL) < 0) {
		why->param = "limit";
		return og_refuse_with(
			why, 400, "invalid_value", "limit: must be a number from 1 to %d", OG_RECORDS_PAGE);
	}
	if (order && strcmp(order, "asc") != 0 && strcmp(order, "desc") != 0)
		return og_refuse_with(why, 400, "invalid_value", "order: must be asc or desc");
	ret->oldest_first = order && !strcmp(order, "asc");
	return 0;
}

json_t *og_api_list(json_t *data, bool more)
{
	size_t n = json_array_size(data);
	const json_t *first = json_object_get(json_array_get(data, 0), "id");
	const json_t *last = json_object_get(json_array_get(data, n ? n - 1 : 0), "id");

	return json_pack("{s:s, s:o, s:O?, s:O?, s:b}", "object", "list", "data", data, "first_id", first, "last_id",
		last, "has_more", more);
}

static void page_free(struct looking *l)
{
	json_decref(l->data);
	free(l->owner);
	free(l);
}

static int ask_page(struct looking *l, int64_t limit, struct og_error *err);

/* Puts in what is wanted. True: there was no room for one. */
static bool take_page(struct looking *l, json_t *const *records, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_t *shown = l->shape ? l->shape(l->c, records[i]) : json_incref(records[i]);

		if (shown && json_array_size(l->data) == (size_t)l->page.limit) {
			json_decref(shown);
			l->more = true;
			return true;
		}
		if (shown)
			json_array_append_new(l->data, shown);
		snprintf(l->after, sizeof(l->after), "%s", json_string_value(json_object_get(records[i], "id")));
	}
	return false;
}

/* A page may hold only some that are wanted: those behind it are asked for until there are enough. */
static void on_records(void *ctx, json_t *const *records, size_t n, bool more, const struct og_error *err)
{
	struct looking *l = ctx;
	struct og_error again;

	if (l->c && err) {
		refuse_error(l->c, err);
	} else if (l->c) {
		if (!take_page(l, records, n) && more && json_array_size(l->data) < (size_t)l->page.limit) {
			if (ask_page(l, OG_RECORDS_PAGE, &again) == 0)
				return;
			refuse_error(l->c, &again);
		} else {
			og_api_reply_json(l->c, 200, og_api_list(OG_TAKE(l->data), l->more || more));
		}
	}
	page_free(l);
}

static int ask_page(struct looking *l, int64_t limit, struct og_error *err)
{
	const struct og_record_page asked = {.tenant = l->owner,
		.after = *l->after ? l->after : l->page.after,
		.limit = limit,
		.oldest_first = l->page.oldest_first};

	return og_records_list(l->api->store, l->kind, &asked, on_records, l, err);
}

void og_api_records(struct og_api *api, struct og_web_call *c, const struct og_record_kind *kind,
	json_t *(*shape)(struct og_web_call *c, json_t *record))
{
	og_api_records_of(api, c, kind, og_api_caller(c)->tenant, shape);
}

void og_api_records_of(struct og_api *api, struct og_web_call *c, const struct og_record_kind *kind, const char *owner,
	json_t *(*shape)(struct og_web_call *c, json_t *record))
{
	struct og_api_page page;
	struct og_refusal why;
	struct og_error err;
	struct looking *l;

	if (og_api_page_of(c, &page, &why) < 0) {
		og_refuse(c, &why);
		return;
	}
	l = look(api, c);
	l->kind = kind;
	l->page = page;
	l->shape = shape;
	l->owner = og_strdup(owner);
	l->data = json_array();
	if (ask_page(l, page.limit, &err) == 0)
		return;
	og_web_on_gone(c, NULL, NULL);
	page_free(l);
	refuse_error(c, &err);
}
