#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "model/job.h"
#include "store/admin.h"
#include "store/args.h"
#include "store/key_write.h"

#define GRACE_MAX_MS (INT64_C(30) * 86400 * 1000)
#define LOOKED_AT    500 /* keys a call, of which some are shown */
#define TIME_MAX     INT64_C(253402300799999)

/* A secret that is shown when the store has its hash. */
struct secret {
	char secret[OG_SECRET_LEN + 1], id[OG_KEY_ID_LEN + 1];
	const char *name, *tenant; /* in the request; NULL: rotated */
};

/* ---- what a request says of a key ---- */

/* The texts that a spec points into. */
struct lists {
	struct og_buf models, regions, classes;
};

/* ["a", "b*"] → "a,b*" */
static int read_globs(const struct og_admin_call *c, const char *name, struct og_buf *ret, struct og_error *err)
{
	const json_t *list = json_object_get(c->request, name), *item;
	size_t i;

	if (list && !json_is_array(list))
		return og_fail(err, OG_INVALID, "\"%s\" is a list of names, in which * stands for any letters", name);
	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);

		if (!text || !*text || strlen(text) >= OG_NAME_MAX || strpbrk(text, ",\t\r\n"))
			return og_fail(err, OG_INVALID, "\"%s\": item %zu is no name of 1 to %d bytes without a comma",
				name, i + 1, OG_NAME_MAX - 1);
		if (og_buf_addf(ret, "%s%s", i ? "," : "", text) != 0)
			return og_fail(err, OG_INVALID, "\"%s\" is longer than %zu bytes", name, ret->cap);
	}
	return 0;
}

static int check_classes(const char *classes, struct og_error *err)
{
	og_autofree char *copy = og_strdup(classes);
	enum og_class class;

	for (char *at = strtok(copy, ","); at; at = strtok(NULL, ","))
		if (og_class_parse(at, &class, NULL) != 0)
			return og_fail(err, OG_INVALID, "\"classes\": '%s' is none of high, normal, batch", at);
	return 0;
}

static void lists_init(struct lists *l)
{
	og_buf_init(&l->models, OG_SCOPE_MAX - 1);
	og_buf_init(&l->regions, OG_SCOPE_MAX - 1);
	og_buf_init(&l->classes, 63);
}

static void lists_done(struct lists *l)
{
	og_buf_done(&l->models);
	og_buf_done(&l->regions);
	og_buf_done(&l->classes);
}

/* 0: never. */
static int read_expiry(const struct og_admin_call *c, int64_t *ret, struct og_error *err)
{
	const json_t *value = json_object_get(c->request, "expires_ms");

	*ret = 0;
	if (json_is_integer(value) && !json_integer_value(value))
		return 0;
	return og_admin_number(c, "expires_ms", og_clock_wall_ms(), TIME_MAX, ret, err);
}

/* Of a spec what a key may be given at any time; *ret_named says what of it the request names. */
static int read_parts(const struct og_admin_call *c, struct lists *l, struct og_key_spec *ret, unsigned *ret_named,
	struct og_error *err)
{
	static const char *const names[] = {[OG_KEY_PART_NAME] = "name",
		[OG_KEY_PART_MODELS] = "models",
		[OG_KEY_PART_REGIONS] = "regions",
		[OG_KEY_PART_CLASSES] = "classes",
		[OG_KEY_PART_ADMIN] = "admin",
		[OG_KEY_PART_EXPIRES] = "expires_ms"};
	unsigned limits = 0;

	if (og_admin_text(c, "name", false, &ret->name, err) != 0 || read_expiry(c, &ret->expires_ms, err) != 0 ||
		og_limits_read(c->request, &ret->limits, &limits, err) != 0 ||
		read_globs(c, "models", &l->models, err) != 0 || read_globs(c, "regions", &l->regions, err) != 0 ||
		read_globs(c, "classes", &l->classes, err) != 0 || check_classes(og_buf_str(&l->classes), err) != 0)
		return -1;
	ret->models = og_buf_str(&l->models);
	ret->regions = og_buf_str(&l->regions);
	ret->classes = og_buf_str(&l->classes);
	*ret_named = limits << OG_KEY_PART_LIMITS;
	for (unsigned i = 0; i < OG_COUNT(names); i++)
		if (json_object_get(c->request, names[i]))
			*ret_named |= 1u << i;
	return 0;
}

/* ---- create ---- */

static void on_created(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_admin_call *c = ctx;
	const struct secret *s = c->state;
	struct og_error taken = {0};
	json_t *answer;

	if (!err && reply->integer < 1) {
		og_error_set(&taken, OG_RETRY, "the new key's id was another's: ask again");
		err = &taken;
	}
	if (err) {
		og_admin_refuse(c, err);
		return;
	}
	answer = json_pack(
		"{s:s, s:s, s:s, s:s}", "id", s->id, "secret", s->secret, "name", s->name, "tenant", s->tenant);
	if (reply->integer > 1)
		json_object_set_new(answer, "same_name", json_integer(reply->integer - 1));
	og_admin_answer(c, answer);
}

static int read_spec(const struct og_admin_call *c, struct lists *l, struct og_key_spec *ret, struct og_error *err)
{
	const json_t *admin = json_object_get(c->request, "admin");
	unsigned named;

	if (admin && !json_is_boolean(admin))
		return og_fail(err, OG_INVALID, "\"admin\" is true or false");
	ret->admin = json_is_true(admin);
	if (og_admin_text(c, "name", true, &ret->name, err) != 0 ||
		og_admin_tenant(c, "tenant", false, &ret->tenant, err) != 0 || read_parts(c, l, ret, &named, err) != 0)
		return -1;
	if (!ret->tenant)
		ret->tenant = "default";
	return 0;
}

int og_admin_keys_create(struct og_admin_call *c, struct og_error *err)
{
	struct secret *s = c->state = og_new(struct secret);
	struct og_key_spec spec = {0};
	struct lists lists;
	int rc;

	og_secret_make(s->secret);
	og_key_id_make(s->id);
	lists_init(&lists);
	rc = read_spec(c, &lists, &spec, err);
	s->name = spec.name;
	s->tenant = spec.tenant;
	if (rc == 0)
		rc = og_key_create(c->store, false, s->id, s->secret, &spec, on_created, c, err);
	lists_done(&lists);
	return rc;
}

/* ---- list ---- */

static void add_globs(json_t *key, const char *name, const char *globs)
{
	og_autofree char *copy = og_strdup(globs);
	json_t *list = json_array();

	for (char *at = strtok(copy, ","); at; at = strtok(NULL, ","))
		json_array_append_new(list, json_string(at));
	if (json_array_size(list))
		json_object_set(key, name, list);
	json_decref(list);
}

static void add_time(json_t *key, const char *name, int64_t ms)
{
	if (ms)
		json_object_set_new(key, name, json_integer(ms));
}

static json_t *show_key(const struct og_redis_reply *row)
{
	json_t *key = json_pack("{s:s, s:s, s:s, s:b}", "id", og_reply_text(row, OG_KEY_ID), "name",
		og_reply_text(row, OG_KEY_NAME), "tenant", og_reply_text(row, OG_KEY_TENANT), "admin",
		og_reply_number(row, OG_KEY_ADMIN) != 0);

	add_globs(key, "models", og_reply_text(row, OG_KEY_MODELS));
	add_globs(key, "regions", og_reply_text(row, OG_KEY_REGIONS));
	add_globs(key, "classes", og_reply_text(row, OG_KEY_CLASSES));
	add_time(key, "created_ms", og_reply_number(row, OG_KEY_CREATED));
	add_time(key, "expires_ms", og_reply_number(row, OG_KEY_EXPIRES));
	add_time(key, "revoked_ms", og_reply_number(row, OG_KEY_REVOKED));
	add_time(key, "used_ms", og_reply_number(row, OG_KEY_USED));
	og_admin_limits(key, row, OG_KEY_LIMITS);
	return key;
}

static void on_page(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_admin_call *c = ctx;
	json_t *answer, *keys;
	int64_t next;

	if (err) {
		og_admin_refuse(c, err);
		return;
	}
	keys = json_array();
	next = og_reply_number(reply, 0);
	for (size_t i = 1; i < reply->n; i++)
		json_array_append_new(keys, show_key(reply->items[i]));
	answer = json_pack("{s:o}", "keys", keys);
	if (next >= 0)
		json_object_set_new(answer, "next", json_integer(next));
	og_admin_answer(c, answer);
}

int og_admin_keys_list(struct og_admin_call *c, struct og_error *err)
{
	const char *tenant;
	int64_t from = 0;
	struct og_args a;

	if (og_admin_tenant(c, "tenant", false, &tenant, err) != 0 ||
		og_admin_number(c, "from", 0, INT32_MAX, &from, err) != 0)
		return -1;
	og_args_begin(c->store, &a);
	og_args_add_number(&a, from);
	og_args_add_number(&a, OG_ADMIN_PAGE_MAX);
	og_args_add(&a, tenant);
	og_args_add(&a, json_is_true(json_object_get(c->request, "all")) ? "all" : "");
	return og_args_eval(c->store, &og_script_keys_page, &a, on_page, c, err);
}

/* ---- set, revoke, rotate ---- */

static int read_id(const struct og_admin_call *c, const char **ret, struct og_error *err)
{
	if (og_admin_text(c, "id", true, ret, err) != 0)
		return -1;
	if (strlen(*ret) != OG_KEY_ID_LEN || strspn(*ret, "0123456789abcdef") != OG_KEY_ID_LEN)
		return og_fail(err, OG_INVALID,
			"'%s' is no key's id: it has %d hex digits, as `og keys list` shows them", *ret, OG_KEY_ID_LEN);
	return 0;
}

static void on_set(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_admin_call *c = ctx;
	struct og_error none = {0};

	if (!err && reply->type != OG_REPLY_ARRAY) {
		og_error_set(&none, OG_INVALID, "there is no key %s, or it was revoked",
			json_string_value(json_object_get(c->request, "id")));
		err = &none;
	}
	if (err) {
		og_admin_refuse(c, err);
		return;
	}
	og_keys_forget(c->store);
	og_admin_answer(c, json_pack("{s:o}", "key", show_key(reply)));
}

int og_admin_keys_set(struct og_admin_call *c, struct og_error *err)
{
	static const char *const fixed[] = {"tenant", "admin"};
	struct og_key_spec spec = {0};
	struct lists lists;
	unsigned named;
	const char *id;
	int rc;

	if (read_id(c, &id, err) != 0)
		return -1;
	for (size_t i = 0; i < OG_COUNT(fixed); i++)
		if (json_object_get(c->request, fixed[i]))
			return og_fail(
				err, OG_INVALID, "\"%s\" of a key stays as it was made: make another key", fixed[i]);
	lists_init(&lists);
	rc = read_parts(c, &lists, &spec, &named, err);
	if (rc == 0)
		rc = og_key_set(c->store, id, &spec, named, on_set, c, err);
	lists_done(&lists);
	return rc;
}

static void on_changed(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct og_admin_call *c = ctx;
	const struct secret *s = c->state;
	const char *id = json_string_value(json_object_get(c->request, "id"));
	struct og_error none = {0};
	json_t *answer;

	if (!err && reply->integer != 1) {
		og_error_set(&none, OG_INVALID, "there is no key %s%s", id, s ? ", or it was revoked" : "");
		err = &none;
	}
	if (err) {
		og_admin_refuse(c, err);
		return;
	}
	og_keys_forget(c->store);
	answer = json_pack("{s:s}", "id", id);
	if (s)
		json_object_set_new(answer, "secret", json_string(s->secret));
	og_admin_answer(c, answer);
}

int og_admin_keys_revoke(struct og_admin_call *c, struct og_error *err)
{
	const char *id;
	struct og_args a;

	if (read_id(c, &id, err) != 0)
		return -1;
	og_args_begin(c->store, &a);
	og_args_add(&a, id);
	return og_args_eval(c->store, &og_script_key_revoke, &a, on_changed, c, err);
}

int og_admin_keys_rotate(struct og_admin_call *c, struct og_error *err)
{
	struct secret *s = c->state = og_new(struct secret);
	char hash[OG_HASH_LEN + 1];
	const char *id;
	int64_t grace = 0;
	struct og_args a;

	if (read_id(c, &id, err) != 0 || og_admin_number(c, "grace_ms", 0, GRACE_MAX_MS, &grace, err) != 0)
		return -1;
	og_secret_make(s->secret);
	og_secret_hash(s->secret, OG_SECRET_LEN, hash);
	og_args_begin(c->store, &a);
	og_args_add(&a, id);
	og_args_add(&a, hash);
	og_args_add_number(&a, grace);
	return og_args_eval(c->store, &og_script_key_rotate, &a, on_changed, c, err);
}
