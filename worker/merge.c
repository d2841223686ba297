#include "merge.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"

#define NODE_COST 32 /* bytes counted for a key or an item beside its text */

struct og_merge {
	enum { EMPTY, TEXT, OBJECT, LIST, VALUE } kind;
	struct og_buf text;    /* TEXT */
	json_t *value;         /* VALUE */
	struct og_merge *kids; /* OBJECT, LIST */
	char *key;             /* in an OBJECT */
	json_int_t index;      /* in a LIST; -1: it has none */
	struct og_merge *next, *prev;
};

/* Words that are whole wherever they come, so that an engine which repeats them in each delta does no harm. */
static const char *const whole_words[] = {"role", "id", "type", "name", "object", "finish_reason", "stop_reason"};

struct og_merge *og_merge_new(void)
{
	return og_new(struct og_merge);
}

static void forget(struct og_merge *m)
{
	struct og_merge *kid, *next;

	DL_FOREACH_SAFE(m->kids, kid, next)
	{
		DL_DELETE(m->kids, kid);
		og_merge_free(kid);
	}
	og_buf_done(&m->text);
	json_decref(m->value);
	m->value = NULL;
	m->kind = EMPTY;
}

void og_merge_free(struct og_merge *m)
{
	if (!m)
		return;
	forget(m);
	free(m->key);
	free(m);
}

static void become(struct og_merge *m, int kind)
{
	if ((int)m->kind == kind)
		return;
	forget(m);
	m->kind = kind;
	if (kind == TEXT)
		og_buf_init(&m->text, SIZE_MAX / 2); /* the caller counts the bytes of the whole answer */
}

static struct og_merge *find_key(const struct og_merge *m, const char *key)
{
	struct og_merge *kid;

	DL_FOREACH(m->kids, kid)
	{
		if (strcmp(kid->key, key) == 0)
			return kid;
	}
	return NULL;
}

static int by_index(const struct og_merge *a, const struct og_merge *b)
{
	return a->index < b->index ? -1 : a->index > b->index;
}

static struct og_merge *add_kid(struct og_merge *m, const char *key, json_int_t index, struct og_merged *ret)
{
	struct og_merge *kid = og_merge_new();

	kid->key = og_strdup(key);
	kid->index = index;
	ret->bytes += NODE_COST + (key ? strlen(key) : 0);
	if (index < 0)
		DL_APPEND(m->kids, kid);
	else
		DL_INSERT_INORDER(m->kids, kid, by_index);
	return kid;
}

/* The kid that an item of an array belongs to; NULL: its index is out of bounds. */
static struct og_merge *item_of(struct og_merge *m, const json_t *item, struct og_merged *ret)
{
	const json_t *number = json_object_get(item, "index");
	json_int_t index = json_is_integer(number) ? json_integer_value(number) : -1;
	struct og_merge *kid;

	if (!json_is_integer(number))
		return add_kid(m, NULL, -1, ret);
	if (index < 0 || index >= OG_MERGE_INDEX_MAX)
		return NULL;
	DL_FOREACH(m->kids, kid)
	{
		if (kid->index == index)
			return kid;
	}
	return add_kid(m, NULL, index, ret);
}

static void add_text(struct og_merge *m, const json_t *text, struct og_merged *ret)
{
	size_t len = json_string_length(text);
	bool whole = false;

	for (size_t i = 0; m->key && i < OG_COUNT(whole_words); i++)
		whole = whole || strcmp(m->key, whole_words[i]) == 0;
	if (whole)
		forget(m);
	become(m, TEXT);
	og_buf_add(&m->text, json_string_value(text), len);
	ret->bytes += len;
	ret->joined += whole ? 0 : len;
}

static int add(struct og_merge *m, const json_t *delta, unsigned depth, struct og_merged *ret)
{
	const char *key;
	json_t *value;
	size_t i;

	if (depth > OG_MERGE_DEPTH_MAX)
		return -1;
	switch (json_typeof(delta)) {
	case JSON_NULL: /* "finish_reason": null says that it is to come */
		return 0;
	case JSON_STRING:
		add_text(m, delta, ret);
		return 0;
	case JSON_OBJECT:
		become(m, OBJECT);
		json_object_foreach((json_t *)delta, key, value)
		{
			struct og_merge *kid = find_key(m, key);

			if (add(kid ? kid : add_kid(m, key, -1, ret), value, depth + 1, ret) < 0)
				return -1;
		}
		return 0;
	case JSON_ARRAY:
		become(m, LIST);
		json_array_foreach(delta, i, value)
		{
			struct og_merge *kid = item_of(m, value, ret);

			if (!kid || add(kid, value, depth + 1, ret) < 0)
				return -1;
		}
		return 0;
	default: /* a number, true or false: the last one counts */
		forget(m);
		m->kind = VALUE;
		m->value = json_incref((json_t *)delta);
		return 0;
	}
}

int og_merge_add(struct og_merge *m, const json_t *delta, struct og_merged *ret)
{
	*ret = (struct og_merged){0};
	return add(m, delta, 0, ret);
}

const struct og_merge *og_merge_first(const struct og_merge *m)
{
	return m && m->kind == LIST ? m->kids : NULL;
}

json_t *og_merge_json(const struct og_merge *m)
{
	struct og_merge *kid;
	json_t *json;

	switch (m->kind) {
	case TEXT: /* joined from parts of which each was valid UTF-8 */
		return json_stringn_nocheck(og_buf_str(&m->text), m->text.len);
	case OBJECT:
		json = json_object();
		DL_FOREACH(m->kids, kid)
		{
			json_object_set_new_nocheck(json, kid->key, og_merge_json(kid));
		}
		return json;
	case LIST:
		json = json_array();
		DL_FOREACH(m->kids, kid)
		{
			json_array_append_new(json, og_merge_json(kid));
		}
		return json;
	case VALUE:
		return json_incref(m->value);
	default:
		return json_null();
	}
}
