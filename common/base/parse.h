/* Text into values, strictly: the whole string must be the value, and it must lie within its bounds; the error says
 * what is allowed. */
#ifndef OG_BASE_PARSE_H
#define OG_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

int og_parse_int(const char *s, int64_t min, int64_t max, int64_t *ret, struct og_error *err);
int og_parse_double(const char *s, double min, double max, double *ret, struct og_error *err); /* never nan or inf */
int og_parse_bool(const char *s, bool *ret, struct og_error *err); /* 1/0 yes/no true/false on/off */
/* 250ms 30s 5m 2h 1d; a bare number is seconds. */
int og_parse_duration_ms(const char *s, int64_t min, int64_t max, int64_t *ret, struct og_error *err);
/* 512 64KiB 8MiB 2GiB (also K M G T, powers of 1024). */
int og_parse_bytes(const char *s, int64_t min, int64_t max, int64_t *ret, struct og_error *err);

/* The way back, with the largest unit that leaves a whole number: "90s", "2h", "8MiB". Returns out (32 bytes are
 * enough). */
const char *og_format_duration_ms(int64_t ms, char *out, size_t size);
const char *og_format_bytes(int64_t bytes, char *out, size_t size);

/* True where all of the len bytes are valid UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF);
 * otherwise false, and *ret_offset (may be NULL) is where the first bad byte lies. */
bool og_utf8_valid(const char *s, size_t len, size_t *ret_offset);

/* A UUID in its 8-4-4-4-12 text form, in lower case: ids are compared as texts, by us, Redis and clients alike. */
bool og_uuid_valid(const char *s);

/* Edit distance (Levenshtein), letters compared without case: for "did you mean". */
size_t og_edit_distance(const char *a, const char *b);

#endif
