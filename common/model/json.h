/* JSON objects as tables: one row a field, which both reads it (with its bounds) and writes it. */
#ifndef OG_MODEL_JSON_H
#define OG_MODEL_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum og_json_type {
	OG_JSON_STRING, /* char[size] */
	OG_JSON_INT,    /* int64_t */
	OG_JSON_REAL,   /* double; reads integers too */
	OG_JSON_BOOL,   /* bool */
};

struct og_json_row {
	const char *name; /* of the key and of the field */
	size_t offset, size;
	enum og_json_type type;
	bool required;
	/* INT, REAL: bounds of the value. STRING: of its bytes; the field's size is a bound in any case. BOOL: no
	 * meaning. */
	int64_t min, max;
};

/* The first three members of a row: {OG_JSON_AT(struct og_gpu, driver), OG_JSON_STRING, true, 0, 31}. */
#define OG_JSON_AT(type, field) #field, offsetof(type, field), sizeof(((type *)0)->field)

/* Whether a text of a stranger's may be parsed: each value takes about 100 bytes and 100 ns, each array or object three times that.
 * INVALID: there are more than so many. Looks at nothing else, and at each byte once. */
#define OG_JSON_VALUES_MAX     1000000
#define OG_JSON_CONTAINERS_MAX 100000 /* arrays and objects */
int og_json_check(const char *text, size_t len, struct og_error *err);

/* One JSON object, whole: no duplicate keys, no bytes after it. The caller's to json_decref. INVALID otherwise. */
int og_json_parse(const void *text, size_t len, json_t **ret, struct og_error *err);

/* The rows' fields of `object` into the struct at `base`; what is absent and not required stays as it was, and keys
 * without a row are ignored. INVALID names the key. Fields before the bad one have been written: decode into a
 * scratch struct. */
int og_json_read(const json_t *object, const struct og_json_row *rows, size_t n, void *base, struct og_error *err);

/* Each row's field into `object`. Bytes that are not UTF-8 become '?'. */
void og_json_write(json_t *object, const struct og_json_row *rows, size_t n, const void *base);

/* The member `name`, an array of at most `max` items, or NULL where it is absent. INVALID: of another type, or
 * longer. */
int og_json_list(const json_t *object, const char *name, size_t max, const json_t **ret, struct og_error *err);

json_t *og_json_text(const char *s);                                   /* never NULL: see og_json_write */
void og_json_set_text(json_t *object, const char *key, const char *s); /* nothing where s is NULL */

/* Writes `object` as text, indented by so many spaces (0: one line), and drops the reference. The caller frees. */
char *og_json_dump(json_t *object, int indent);

#endif
