/* What was used, summed over the days of a range. A day is one hash in the store; they are asked for one after another, so that a
 * year of many keys is never in memory at once, here or on its way. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "model/names.h"
#include "store/admin.h"
#include "store/args.h"

#define DAY_S    86400
#define DAYS_MAX 400
#define USUAL    30 /* days */
#define ROWS_MAX 100000
#define LIMIT    1000

enum { DAY, TENANT, KEY, MODEL, PARTS };
static const char *const names[PARTS] = {"day", "tenant", "key", "model"};

struct row {
	UT_hash_handle hh;
	int64_t requests, prompt_tokens, completion_tokens;
	char *parts[PARTS]; /* into `text`; "": summed over */
	size_t len;
	char text[]; /* the parts, a NUL behind each: what it is found by */
};

struct query {
	struct og_admin_call *call;
	time_t at, last; /* midnights */
	bool by[PARTS];
	const char *only[PARTS]; /* NULL: all */
	int64_t from, limit;     /* of the answer's rows */
	struct row *rows;
};

static void drop_rows(struct query *q)
{
	struct row *r, *tmp;

	HASH_ITER(hh, q->rows, r, tmp)
	{
		HASH_DEL(q->rows, r);
		free(r);
	}
}

/* ---- the request ---- */

static void format_day(time_t at, char ret[static 11])
{
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(ret, 11, "%Y-%m-%d", &tm);
}

static int read_day(const struct og_admin_call *c, const char *name, time_t usual, time_t *ret, struct og_error *err)
{
	struct tm tm = {0};
	const char *text, *end;

	if (og_admin_text(c, name, false, &text, err) != 0)
		return -1;
	if (!text) {
		*ret = usual;
		return 0;
	}
	end = strptime(text, "%Y-%m-%d", &tm);
	if (!end || *end || strlen(text) != 10)
		return og_fail(err, OG_INVALID, "\"%s\": '%s' is no day such as 2026-11-26", name, text);
	*ret = timegm(&tm);
	return 0;
}

static int read_by(const struct og_admin_call *c, bool by[PARTS], struct og_error *err)
{
	const json_t *list = json_object_get(c->request, "by"), *item;
	size_t i, part;

	for (part = 0; part < PARTS; part++)
		by[part] = !list;
	if (list && !json_is_array(list))
		return og_fail(err, OG_INVALID, "\"by\" is a list of day, tenant, key, model");
	json_array_foreach(list, i, item)
	{
		const char *name = json_is_string(item) ? json_string_value(item) : "";

		for (part = 0; part < PARTS && strcmp(names[part], name) != 0; part++)
			;
		if (part == PARTS)
			return og_fail(err, OG_INVALID, "\"by\": '%s' is none of day, tenant, key, model", name);
		by[part] = true;
	}
	return 0;
}

static int read_query(const struct og_admin_call *c, struct query *q, struct og_error *err)
{
	time_t today = (time_t)(og_clock_wall_ms() / 1000 / DAY_S * DAY_S);

	q->limit = OG_ADMIN_PAGE_MAX;
	if (read_day(c, "until", today, &q->last, err) != 0 ||
		read_day(c, "since", q->last - (USUAL - 1) * DAY_S, &q->at, err) != 0 || read_by(c, q->by, err) != 0 ||
		og_admin_number(c, "from", 0, ROWS_MAX, &q->from, err) != 0 ||
		og_admin_number(c, "limit", 1, LIMIT, &q->limit, err) != 0)
		return -1;
	for (int part = TENANT; part < PARTS; part++)
		if (og_admin_text(c, names[part], false, &q->only[part], err) != 0)
			return -1;
	if (q->at > q->last)
		return og_fail(err, OG_INVALID, "\"since\" is after \"until\"");
	if (q->last - q->at >= (time_t)DAYS_MAX * DAY_S)
		return og_fail(err, OG_INVALID, "more than %d days: usage is kept no longer", DAYS_MAX);
	return 0;
}

/* ---- the sum ---- */

static struct row *row_of(struct query *q, char *const parts[PARTS])
{
	char text[4 * OG_NAME_MAX];
	size_t len = 0;
	struct row *r;

	for (int i = 0; i < PARTS; i++) {
		int n = snprintf(text + len, sizeof(text) - len, "%s", q->by[i] ? parts[i] : "");

		if (n < 0 || (size_t)n >= sizeof(text) - len)
			return NULL;
		len += (size_t)n + 1;
	}
	HASH_FIND(hh, q->rows, text, len, r);
	if (r || HASH_COUNT(q->rows) >= ROWS_MAX)
		return r;
	r = og_alloc(sizeof(*r) + len);
	memcpy(r->text, text, len);
	r->len = len;
	r->parts[0] = r->text;
	for (int i = 1; i < PARTS; i++)
		r->parts[i] = r->parts[i - 1] + strlen(r->parts[i - 1]) + 1;
	HASH_ADD_KEYPTR(hh, q->rows, r->text, r->len, r);
	return r;
}

/* "<tenant>\t<key>\t<model>\t<what>" */
static void add_field(struct query *q, char *day, const char *field, int64_t n)
{
	og_autofree char *copy = og_strdup(field);
	char *parts[PARTS + 1] = {day}, *at = copy;
	struct row *r;

	for (int i = TENANT; i <= PARTS; i++) {
		parts[i] = at ? strsep(&at, "\t") : NULL;
		if (!parts[i])
			return;
		if (i < PARTS && q->only[i] && strcmp(q->only[i], parts[i]) != 0)
			return;
	}
	r = row_of(q, parts);
	if (!r)
		return;
	if (*parts[PARTS] == 'r')
		r->requests += n;
	else if (*parts[PARTS] == 'p')
		r->prompt_tokens += n;
	else
		r->completion_tokens += n;
}

static int by_parts(const struct row *a, const struct row *b)
{
	for (int i = 0; i < PARTS; i++) {
		int order = strcmp(a->parts[i], b->parts[i]);

		if (order)
			return order;
	}
	return 0;
}

static void answer(struct query *q)
{
	json_t *rows = json_array(), *object;
	int64_t n = 0, all = HASH_COUNT(q->rows);
	struct row *r, *tmp;

	HASH_SORT(q->rows, by_parts);
	HASH_ITER(hh, q->rows, r, tmp)
	{
		if (n++ < q->from || n > q->from + q->limit)
			continue;
		object = json_object();
		for (int i = 0; i < PARTS; i++)
			if (q->by[i])
				json_object_set_new(object, names[i], json_string(r->parts[i]));
		json_object_set_new(object, "requests", json_integer(r->requests));
		json_object_set_new(object, "prompt_tokens", json_integer(r->prompt_tokens));
		json_object_set_new(object, "completion_tokens", json_integer(r->completion_tokens));
		json_array_append_new(rows, object);
	}
	object = json_pack("{s:o}", "usage", rows);
	if (all > q->from + q->limit)
		json_object_set_new(object, "next", json_integer(q->from + q->limit));
	drop_rows(q);
	og_admin_answer(q->call, object);
}

/* ---- the days ---- */

static int ask_day(struct query *q, struct og_error *err);

static void on_day(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct query *q = ctx;
	struct og_error why = {0};
	char day[11];

	format_day(q->at, day);
	for (size_t i = 0; !err && i + 1 < reply->n; i += 2)
		add_field(q, day, og_reply_text(reply, i), og_reply_number(reply, i + 1));
	q->at += DAY_S;
	if (!err && q->at > q->last) {
		answer(q);
	} else if (err || ask_day(q, &why) != 0) {
		drop_rows(q);
		og_admin_refuse(q->call, err ? err : &why);
	}
}

static int ask_day(struct query *q, struct og_error *err)
{
	og_autofree char *key = NULL;
	char day[11];

	format_day(q->at, day);
	key = og_printf("%susage:%s", q->call->store->prefix, day);
	return og_redis_command(q->call->store->redis, 2, (const char *[]){"HGETALL", key}, NULL, on_day, q, err);
}

int og_admin_usage(struct og_admin_call *c, struct og_error *err)
{
	struct query *q = c->state = og_new(struct query);

	q->call = c;
	return read_query(c, q, err) != 0 ? -1 : ask_day(q, err);
}
