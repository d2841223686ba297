/* Plain is an object or an array, not nested deeply, without a key that is there twice, a NUL in any form, half a surrogate pair, or a
 * number that may not fit. So there is nothing in it about which the flags of a load could differ. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/parse.h"
#include "model/json_text.h"

#define DEPTH_MAX  64
#define DIGITS_MAX 18 /* that surely fit into 64 bits */
#define REAL_MAX   63 /* bytes */

struct reader {
	const char *at, *end;
	/* Keys whose value is being read, each with a NUL, and behind them the text whose escapes are being undone. */
	struct og_buf stack;
};

static json_t *read_value(struct reader *r, unsigned depth);

static void skip_space(struct reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
}

static bool next_is(struct reader *r, char c)
{
	skip_space(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* ---- strings ---- */

/* Four hex digits; -1: they are not. */
static int32_t take_hex(struct reader *r)
{
	int32_t v = 0;

	if (r->end - r->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = *r->at++;

		if (c >= '0' && c <= '9')
			v = v * 16 + c - '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v * 16 + (c | 32) - 'a' + 10;
		else
			return -1;
	}
	return v;
}

static void push_utf8(struct og_buf *b, int32_t c)
{
	char s[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; i-- > 1; c >>= 6)
		s[i] = (char)(0x80 | (c & 0x3f));
	s[0] = (char)(lead[n] | c);
	og_buf_add(b, s, n);
}

static bool push_unicode(struct reader *r)
{
	int32_t c = take_hex(r), low;

	if (c <= 0 || (c >= 0xdc00 && c < 0xe000))
		return false;
	if (c >= 0xd800 && c < 0xe000) {
		if (r->end - r->at < 2 || *r->at++ != '\\' || *r->at++ != 'u')
			return false;
		low = take_hex(r);
		if (low < 0xdc00 || low >= 0xe000)
			return false;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	push_utf8(&r->stack, c);
	return true;
}

/* Behind a backslash. */
static bool push_escape(struct reader *r)
{
	static const char names[] = "\"\\/bfnrt", chars[] = "\"\\/\b\f\n\r\t";
	char c = r->at < r->end ? *r->at++ : '\0';
	const char *name = c ? strchr(names, c) : NULL;

	if (c == 'u')
		return push_unicode(r);
	return name && og_buf_add(&r->stack, chars + (name - names), 1) == 0;
}

/* Behind the opening quote, to behind the closing one. Where there are escapes *ret lies on the stack, which then is longer; it is
 * in the text else. */
static bool read_string(struct reader *r, const char **ret, size_t *ret_len)
{
	const char *run = r->at;
	size_t mark = r->stack.len;
	bool escaped = false;
	unsigned char seen = 0;

	for (;; r->at++) {
		unsigned char c = r->at < r->end ? (unsigned char)*r->at : 0;

		if (c >= ' ' && c != '"' && c != '\\') {
			seen |= c;
			continue;
		}
		if (c < ' ' || (seen >= 0x80 && !og_utf8_valid(run, (size_t)(r->at - run), NULL)))
			return false;
		if (c == '"' && !escaped)
			break;
		og_buf_add(&r->stack, run, (size_t)(r->at - run));
		if (c == '"')
			break;
		escaped = true;
		r->at++;
		if (!push_escape(r))
			return false;
		run = r->at--;
	}
	*ret = escaped ? r->stack.data + mark : run;
	*ret_len = escaped ? r->stack.len - mark : (size_t)(r->at - run);
	r->at++;
	return true;
}

static json_t *read_text(struct reader *r)
{
	size_t mark = r->stack.len, len;
	const char *text;
	json_t *json = read_string(r, &text, &len) ? json_stringn_nocheck(text, len) : NULL;

	r->stack.len = mark;
	return json;
}

/* ---- numbers ---- */

/* Behind one digit or more; NULL: there is none. */
static const char *digits(const char *p, const char *end)
{
	const char *first = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p > first ? p : NULL;
}

static json_t *read_real(struct reader *r, const char *from, const char *p)
{
	char copy[REAL_MAX + 1], *stop;
	double value;

	if (p < r->end && *p == '.' && !(p = digits(p + 1, r->end)))
		return NULL;
	if (p < r->end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < r->end && (*p == '+' || *p == '-');
		if (!(p = digits(p, r->end)))
			return NULL;
	}
	if (p - from > REAL_MAX)
		return NULL;
	memcpy(copy, from, (size_t)(p - from));
	copy[p - from] = '\0';
	value = strtod(copy, &stop);
	if (*stop || isinf(value)) /* it stops early where the locale has another point */
		return NULL;
	r->at = p;
	return json_real(value);
}

static json_t *read_number(struct reader *r)
{
	const char *first = r->at + (*r->at == '-'), *p = digits(first, r->end);
	json_int_t value = 0;

	if (!p || p - first > DIGITS_MAX || (*first == '0' && p - first > 1))
		return NULL;
	if (p < r->end && (*p == '.' || *p == 'e' || *p == 'E'))
		return read_real(r, r->at, p);
	for (const char *d = first; d < p; d++)
		value = value * 10 + (*d - '0');
	value = first > r->at ? -value : value;
	r->at = p;
	return json_integer(value);
}

/* ---- the rest ---- */

static json_t *read_word(struct reader *r, const char *word, json_t *value)
{
	size_t len = strlen(word);

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
		return NULL;
	r->at += len;
	return value;
}

/* Onto the stack, with a NUL. */
static bool push_key(struct reader *r)
{
	size_t mark = r->stack.len, len;
	const char *key;

	if (!next_is(r, '"') || !read_string(r, &key, &len) || !next_is(r, ':'))
		return false;
	if (r->stack.len == mark)
		og_buf_add(&r->stack, key, len);
	og_buf_add(&r->stack, "", 1);
	return true;
}

static bool read_member(struct reader *r, json_t *object, unsigned depth)
{
	size_t mark = r->stack.len, before = json_object_size(object);
	json_t *value = push_key(r) ? read_value(r, depth) : NULL;

	if (value)
		json_object_set_new_nocheck(object, r->stack.data + mark, value);
	r->stack.len = mark;
	return value && json_object_size(object) > before;
}

static bool read_item(struct reader *r, json_t *array, unsigned depth)
{
	json_t *value = read_value(r, depth);

	return value && json_array_append_new(array, value) == 0;
}

static json_t *read_all(struct reader *r, json_t *into, char close, unsigned depth,
	bool (*read_one)(struct reader *r, json_t *into, unsigned depth))
{
	bool good = depth < DEPTH_MAX;

	r->at++;
	if (good && next_is(r, close))
		return into;
	do
		good = good && read_one(r, into, depth + 1);
	while (good && next_is(r, ','));
	if (good && next_is(r, close))
		return into;
	json_decref(into);
	return NULL;
}

static json_t *read_value(struct reader *r, unsigned depth)
{
	skip_space(r);
	switch (r->at < r->end ? *r->at : '\0') {
	case '{':
		return read_all(r, json_object(), '}', depth, read_member);
	case '[':
		return read_all(r, json_array(), ']', depth, read_item);
	case '"':
		r->at++;
		return read_text(r);
	case 't':
		return read_word(r, "true", json_true());
	case 'f':
		return read_word(r, "false", json_false());
	case 'n':
		return read_word(r, "null", json_null());
	case '\0':
		return NULL;
	default:
		return read_number(r);
	}
}

json_t *og_json_load_plain(const char *text, size_t len)
{
	struct reader r = {.at = text, .end = text + len};
	json_t *root = NULL;

	og_buf_init(&r.stack, SIZE_MAX / 2);
	skip_space(&r);
	if (r.at < r.end && (*r.at == '{' || *r.at == '['))
		root = read_value(&r, 0);
	skip_space(&r);
	if (r.at < r.end) {
		json_decref(root);
		root = NULL;
	}
	og_buf_done(&r.stack);
	return root;
}

json_t *og_json_load(const void *text, size_t len, size_t flags, json_error_t *why)
{
	json_t *root = NULL;

	if (!(flags & ~(size_t)(JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)))
		root = og_json_load_plain(text, len);
	return root ? root : json_loadb(text, len, flags, why);
}
