#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/json_text.h"

#define REAL_ROOM 64

static void escape(struct og_buf *out, unsigned char c)
{
	static const char chars[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
	const char *known = c ? strchr(chars, c) : NULL;
	char text[8];

	if (known)
		snprintf(text, sizeof(text), "\\%c", names[known - chars]);
	else
		snprintf(text, sizeof(text), "\\u%04X", (unsigned)c);
	og_buf_adds(out, text);
}

/* Most of what is written is one character between two others. */
static void put(struct og_buf *out, char c)
{
	if (out->len + 1 >= out->room) {
		og_buf_add(out, &c, 1);
		return;
	}
	out->data[out->len++] = c;
	out->data[out->len] = '\0';
}

static void write_string(struct og_buf *out, const char *s, size_t len)
{
	const char *end = s + len, *run = s;

	put(out, '"');
	for (; s < end; s++) {
		if ((unsigned char)*s >= ' ' && *s != '"' && *s != '\\')
			continue;
		og_buf_add(out, run, (size_t)(s - run));
		escape(out, (unsigned char)*s);
		run = s + 1;
	}
	og_buf_add(out, run, (size_t)(s - run));
	put(out, '"');
}

static void write_value(struct og_buf *out, const json_t *json, int digits);

static void write_object(struct og_buf *out, const json_t *object, int digits)
{
	const char *key;
	json_t *value;
	char before = '{';

	json_object_foreach((json_t *)object, key, value)
	{
		put(out, before);
		write_string(out, key, strlen(key));
		put(out, ':');
		write_value(out, value, digits);
		before = ',';
	}
	og_buf_adds(out, before == ',' ? "}" : "{}");
}

static void write_array(struct og_buf *out, const json_t *array, int digits)
{
	const json_t *value;
	size_t i;

	put(out, '[');
	json_array_foreach(array, i, value)
	{
		if (i)
			put(out, ',');
		write_value(out, value, digits);
	}
	put(out, ']');
}

static void write_integer(struct og_buf *out, json_int_t n)
{
	char text[24], *end = text + sizeof(text), *at = end;
	uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

	do
		*--at = (char)('0' + left % 10);
	while (left /= 10);
	if (n < 0)
		*--at = '-';
	og_buf_add(out, at, (size_t)(end - at));
}

/* How it looks is jansson's. */
static void write_real(struct og_buf *out, const json_t *real, int digits)
{
	char text[REAL_ROOM];

	og_buf_add(out, text, json_dumpb(real, text, sizeof(text), JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits)));
}

static void write_value(struct og_buf *out, const json_t *json, int digits)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		write_object(out, json, digits);
		break;
	case JSON_ARRAY:
		write_array(out, json, digits);
		break;
	case JSON_STRING:
		write_string(out, json_string_value(json), json_string_length(json));
		break;
	case JSON_INTEGER:
		write_integer(out, json_integer_value(json));
		break;
	case JSON_REAL:
		write_real(out, json, digits);
		break;
	case JSON_TRUE:
		og_buf_adds(out, "true");
		break;
	case JSON_FALSE:
		og_buf_adds(out, "false");
		break;
	case JSON_NULL:
		og_buf_adds(out, "null");
		break;
	}
}

char *og_json_line(const json_t *json, int digits)
{
	struct og_buf out;

	og_buf_init(&out, SIZE_MAX / 2);
	write_value(&out, json, digits);
	return og_buf_take(&out);
}
