/* Each section is compared by identity: the fields that together name an item. Items are looked up by a string made of
 * them, because a table of some hundreds of queues on a broker with thousands must not take a product of the two. */
#include "drift.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct section {
	const char *name, *one;  /* "queues", "queue" */
	const char *identity[5]; /* without the vhost: only ours is looked at */
	bool in_vhost;
	/* What is different, NULL: nothing. The caller's. */
	char *(*compare)(const json_t *want, const json_t *have);
	bool (*ours)(const json_t *item); /* whether one that we do not know is extra */
	const char *mend;                 /* how a person mends a different one; NULL: posting it again does */
};

static const char *text_of(const json_t *item, const char *field)
{
	const char *s = json_string_value(json_object_get(item, field));

	return s ? s : "";
}

static bool begins(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_our_name(const json_t *item)
{
	return begins(text_of(item, "name"), "og.");
}

/* Node queues come with the workers that need them. */
static bool is_our_queue(const json_t *item)
{
	return is_our_name(item) && !begins(text_of(item, "name"), "og.node.");
}

static bool is_our_binding(const json_t *item)
{
	return (begins(text_of(item, "source"), "og.") || begins(text_of(item, "destination"), "og.")) &&
	       !begins(text_of(item, "destination"), "og.node.");
}

/* Everybody knows its password. */
static bool is_guest(const json_t *item)
{
	return strcmp(text_of(item, "name"), "guest") == 0;
}

static bool always(const json_t *item)
{
	(void)item;
	return true;
}

static bool never(const json_t *item)
{
	(void)item;
	return false;
}

/* Adds "x-max-length is 5, should be 10" to *text where the two differ. */
static void compare_values(const char *key, const json_t *want, const json_t *have, char **text)
{
	og_autofree char *wanted = want ? json_dumps(want, JSON_ENCODE_ANY | JSON_COMPACT) : og_strdup("not set");
	og_autofree char *had = have ? json_dumps(have, JSON_ENCODE_ANY | JSON_COMPACT) : og_strdup("not set");
	og_autofree char *before = *text;

	if (strcmp(wanted, had) == 0)
		*text = OG_TAKE(before);
	else
		*text = og_printf(
			"%s%s%s is %s, should be %s", before ? before : "", before ? "; " : "", key, had, wanted);
}

/* An argument that should not be there counts as well. */
static void compare_arguments(const json_t *want, const json_t *have, char **text)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)want, key, value) compare_values(key, value, json_object_get(have, key), text);
	json_object_foreach((json_t *)have, key, value)
	{
		if (!json_object_get(want, key))
			compare_values(key, NULL, value, text);
	}
}

static char *compare_fields(const json_t *want, const json_t *have)
{
	const char *key;
	json_t *value;
	char *text = NULL;

	json_object_foreach((json_t *)want, key, value)
	{
		if (strcmp(key, "arguments") == 0)
			compare_arguments(value, json_object_get(have, key), &text);
		else
			compare_values(key, value, json_object_get(have, key), &text);
	}
	return text;
}

/* Tags came as text with commas before RabbitMQ 3.9 and come as an array since. Ours have none. */
static char *compare_user(const json_t *want, const json_t *have)
{
	const json_t *tags = json_object_get(have, "tags");

	if (json_array_size(tags) > 0 || *text_of(have, "tags"))
		return og_strdup("has tags, should have none");
	if (!og_drift_password_fits(have, text_of(want, "password")))
		return og_strdup("its password is not the one of the credentials file");
	return NULL;
}

/* A vhost that is there is as it should be: only its name counts. */
static char *compare_nothing(const json_t *want, const json_t *have)
{
	(void)want;
	(void)have;
	return NULL;
}

/* In the order in which they must be made. */
static const struct section sections[] = {
	{"vhosts", "vhost", {"name"}, false, compare_nothing, never, NULL},
	{"users", "user", {"name"}, false, compare_user, is_guest, NULL},
	{"permissions", "permissions of", {"user"}, true, compare_fields, always, NULL},
	{"topic_permissions", "topic permissions of", {"user", "exchange"}, true, compare_fields, always, NULL},
	{"exchanges", "exchange", {"name"}, true, compare_fields, is_our_name,
		"cannot be changed in place: stop the programs, delete it in the management pages, apply again"},
	{"queues", "queue", {"name"}, true, compare_fields, is_our_queue,
		"cannot be changed in place: drain it, delete it with `rabbitmqctl delete_queue`, apply again; or set "
		"the "
		"limits in config.ini back"},
	{"bindings", "binding", {"source", "routing_key", "destination_type", "destination"}, true, compare_nothing,
		is_our_binding, NULL},
};

static char *identity_of(const struct section *s, const json_t *item)
{
	char *id = og_strdup(text_of(item, s->identity[0]));

	for (size_t i = 1; s->identity[i]; i++) {
		og_autofree char *shorter = id;

		id = og_printf("%s %s", shorter, text_of(item, s->identity[i]));
	}
	return id;
}

/* identity → item, of the items in our vhost. */
static json_t *index_of(const struct section *s, const json_t *definitions, const char *vhost)
{
	json_t *index = json_object(), *item;
	size_t i;

	json_array_foreach(json_object_get(definitions, s->name), i, item)
	{
		og_autofree char *id = NULL;

		if (s->in_vhost && strcmp(text_of(item, "vhost"), vhost) != 0)
			continue;
		id = identity_of(s, item);
		json_object_set(index, id, item);
	}
	return index;
}

static void add(struct og_drifts *d, enum og_drift_kind kind, const struct section *s, const json_t *item, char *text)
{
	if (d->n == d->room) {
		d->room = d->room ? 2 * d->room : 64;
		d->items = og_realloc(d->items, d->room * sizeof(*d->items));
	}
	d->items[d->n++] = (struct og_drift){
		.kind = kind,
		.section = s->name,
		.item = item,
		.in_place = kind == OG_DRIFT_MISSING || (kind == OG_DRIFT_DIFFERENT && !s->mend),
		.text = text,
	};
}

static void add_different(
	struct og_drifts *d, const struct section *s, const char *id, const json_t *item, const char *how)
{
	add(d, OG_DRIFT_DIFFERENT, s, item,
		s->mend ? og_printf("%s %s: %s (%s)", s->one, id, how, s->mend)
			: og_printf("%s %s: %s", s->one, id, how));
}

static bool is_administrator(const json_t *users, const char *user)
{
	const json_t *tags = json_object_get(json_object_get(users, user), "tags");
	json_t *tag;
	size_t i;

	json_array_foreach(tags, i, tag)
	{
		if (strcmp(json_string_value(tag), "administrator") == 0)
			return true;
	}
	return json_string_value(tags) && strstr(json_string_value(tags), "administrator");
}

static void find_in(const struct section *s, const json_t *desired, const json_t *actual, const char *vhost,
	const json_t *users, struct og_drifts *ret)
{
	json_t *want = index_of(s, desired, vhost), *have = index_of(s, actual, vhost), *item;
	const char *id;

	json_object_foreach(want, id, item)
	{
		const json_t *there = json_object_get(have, id);
		og_autofree char *how = there ? s->compare(item, there) : NULL;

		if (!there)
			add(ret, OG_DRIFT_MISSING, s, item, og_printf("%s %s", s->one, id));
		else if (how)
			add_different(ret, s, id, item, how);
	}
	json_object_foreach(have, id, item)
	{
		if (!json_object_get(want, id) && s->ours(item) && !is_administrator(users, text_of(item, "user")))
			add(ret, OG_DRIFT_EXTRA, s, item, og_printf("%s %s", s->one, id));
	}
	json_decref(want);
	json_decref(have);
}

void og_drift_find(const json_t *desired, const json_t *actual, struct og_drifts *ret)
{
	const char *vhost = text_of(json_array_get(json_object_get(desired, "vhosts"), 0), "name");
	json_t *users = index_of(&sections[1], actual, vhost);

	*ret = (struct og_drifts){0};
	for (size_t i = 0; i < OG_COUNT(sections); i++)
		find_in(&sections[i], desired, actual, vhost, users, ret);
	json_decref(users);
}

void og_drifts_done(struct og_drifts *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->items[i].text);
	free(d->items);
	*d = (struct og_drifts){0};
}

json_t *og_drift_mending(const struct og_drifts *d)
{
	json_t *all = NULL;

	for (size_t i = 0; i < d->n; i++) {
		const struct og_drift *x = &d->items[i];

		if (!x->in_place)
			continue;
		if (!all)
			all = json_object();
		if (!json_object_get(all, x->section))
			json_object_set_new(all, x->section, json_array());
		json_array_append(json_object_get(all, x->section), (json_t *)x->item);
	}
	return all;
}

const char *og_drift_kind_name(enum og_drift_kind kind)
{
	static const char *const names[] = {
		[OG_DRIFT_MISSING] = "missing", [OG_DRIFT_DIFFERENT] = "different", [OG_DRIFT_EXTRA] = "extra"};

	return names[kind];
}
