/* JSON as text, read and written. What JSON is, jansson says, and it holds the values; but its reader and its writer go
 * through a text a character at a time and a call or more for each, which was half of a worker's CPU. Here is what does the
 * same for what is plain, which is nearly all that programs send each other, in a third of the time or less; what is not, and
 * what is wrong, is jansson's. */
#ifndef OG_MODEL_JSON_TEXT_H
#define OG_MODEL_JSON_TEXT_H

#include <jansson.h>
#include <stddef.h>

/* As json_loadb: the same value, or NULL and the same reason. `why` may be NULL; where there is a value it is left alone. */
json_t *og_json_load(const void *text, size_t len, size_t flags, json_error_t *why);

/* The first part of it: NULL where the text is not plain, or not JSON at all. */
json_t *og_json_load_plain(const char *text, size_t len);

/* As json_dumps with JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits); 0: as many as it takes. Never NULL: all
 * strings in `json` are UTF-8. The caller frees. */
char *og_json_line(const json_t *json, int digits);

#endif
