#include "model/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "model/json_text.h"

#define DIGITS 12 /* of a real */

int og_json_check(const char *text, size_t len, struct og_error *err)
{
	size_t values = 0, containers = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted)
			i += text[i] == '\\';
		else if (text[i] == '[' || text[i] == '{')
			containers++;
		else if (text[i] == ',')
			values++;
	}
	if (containers > OG_JSON_CONTAINERS_MAX)
		return og_fail(err, OG_INVALID, "it has %zu arrays and objects, and may have %d", containers,
			OG_JSON_CONTAINERS_MAX);
	if (values + containers > OG_JSON_VALUES_MAX)
		return og_fail(err, OG_INVALID, "it has more than %d values", OG_JSON_VALUES_MAX);
	return 0;
}

int og_json_parse(const void *text, size_t len, json_t **ret, struct og_error *err)
{
	json_error_t why;
	json_t *root = og_json_load(text, len, JSON_REJECT_DUPLICATES, &why);

	if (!root)
		return og_fail(err, OG_INVALID, "not JSON: %s at line %d, column %d", why.text, why.line, why.column);
	if (!json_is_object(root)) {
		json_decref(root);
		return og_fail(err, OG_INVALID, "not a JSON object");
	}
	*ret = root;
	return 0;
}

static int wrong_type(const struct og_json_row *row, const char *wanted, struct og_error *err)
{
	return og_fail(err, OG_INVALID, "'%s' is not %s", row->name, wanted);
}

static int read_string(const struct og_json_row *row, const json_t *value, char *field, struct og_error *err)
{
	size_t len = json_string_length(value);
	size_t least = (size_t)row->min, most = (size_t)row->max;

	if (most > row->size - 1)
		most = row->size - 1;
	if (!json_is_string(value))
		return wrong_type(row, "a string", err);
	if (len < least || len > most)
		return og_fail(err, OG_INVALID, "'%s' has %zu bytes, not %zu to %zu", row->name, len, least, most);
	memcpy(field, json_string_value(value), len + 1);
	return 0;
}

static int read_number(const struct og_json_row *row, const json_t *value, void *field, struct og_error *err)
{
	bool integer = row->type == OG_JSON_INT;
	double number;

	if (integer && !json_is_integer(value))
		return wrong_type(row, "an integer", err);
	if (!json_is_number(value))
		return wrong_type(row, "a number", err);
	number = json_number_value(value);
	if (number < (double)row->min || number > (double)row->max)
		return og_fail(err, OG_INVALID, "'%s' is %g, not %lld to %lld", row->name, number, (long long)row->min,
			(long long)row->max);
	if (integer)
		*(int64_t *)field = json_integer_value(value);
	else
		*(double *)field = number;
	return 0;
}

int og_json_read(const json_t *object, const struct og_json_row *rows, size_t n, void *base, struct og_error *err)
{
	for (const struct og_json_row *row = rows; row < rows + n; row++) {
		const json_t *value = json_object_get(object, row->name);
		void *field = (char *)base + row->offset;
		int rc = 0;

		if (!value && !row->required)
			continue;
		if (!value)
			return og_fail(err, OG_INVALID, "'%s' is missing", row->name);
		switch (row->type) {
		case OG_JSON_STRING:
			rc = read_string(row, value, field, err);
			break;
		case OG_JSON_INT:
		case OG_JSON_REAL:
			rc = read_number(row, value, field, err);
			break;
		case OG_JSON_BOOL:
			if (!json_is_boolean(value))
				return wrong_type(row, "true or false", err);
			*(bool *)field = json_is_true(value);
			break;
		}
		if (rc < 0)
			return -1;
	}
	return 0;
}

json_t *og_json_text(const char *s)
{
	og_autofree char *copy = og_strdup(s);
	size_t at = 0, offset, len = strlen(copy);

	while (!og_utf8_valid(copy + at, len - at, &offset)) {
		at += offset;
		copy[at++] = '?';
	}
	return json_string(copy);
}

void og_json_write(json_t *object, const struct og_json_row *rows, size_t n, const void *base)
{
	for (const struct og_json_row *row = rows; row < rows + n; row++) {
		const void *field = (const char *)base + row->offset;
		json_t *value = NULL;

		switch (row->type) {
		case OG_JSON_STRING:
			value = og_json_text(field);
			break;
		case OG_JSON_INT:
			value = json_integer(*(const int64_t *)field);
			break;
		case OG_JSON_REAL:
			value = json_real(*(const double *)field);
			break;
		case OG_JSON_BOOL:
			value = json_boolean(*(const bool *)field);
			break;
		}
		json_object_set_new(object, row->name, value);
	}
}

int og_json_list(const json_t *object, const char *name, size_t max, const json_t **ret, struct og_error *err)
{
	const json_t *list = json_object_get(object, name);

	if (list && !json_is_array(list))
		return og_fail(err, OG_INVALID, "'%s' is not an array", name);
	if (json_array_size(list) > max)
		return og_fail(err, OG_INVALID, "'%s' has %zu items, more than %zu", name, json_array_size(list), max);
	*ret = list;
	return 0;
}

void og_json_set_text(json_t *object, const char *key, const char *s)
{
	if (s)
		json_object_set_new(object, key, og_json_text(s));
}

char *og_json_dump(json_t *object, int indent)
{
	char *text = indent ? json_dumps(object, JSON_INDENT(indent) | JSON_REAL_PRECISION(DIGITS))
	                    : og_json_line(object, DIGITS);

	json_decref(object);
	if (!text)
		abort(); /* out of memory: all our strings are UTF-8 and no real is NaN */
	return text;
}
