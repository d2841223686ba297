/* Logfmt lines on stderr: `ts=… level=info prog=og-worker msg="Joined cluster gatewayai-poc" node=NodeA`.
 * The libraries log at debug only; a program logs an error once, with the request id where there is one. */
#ifndef OG_BASE_LOG_H
#define OG_BASE_LOG_H

#include "base/error.h"

enum og_log_level { OG_LOG_DEBUG, OG_LOG_INFO, OG_LOG_WARN, OG_LOG_ERROR };

void og_log_init(const char *program, enum og_log_level least);
int og_log_level_parse(const char *name, enum og_log_level *ret, struct og_error *err);

/* `msg` is quoted and escaped. `fields_fmt` (may be NULL) is printf-formatted and appended as it is: "node=%s id=%s";
 * use og_log_quote for a value that may hold spaces or quotes. */
void og_log(enum og_log_level level, const char *msg, const char *fields_fmt, ...)
	__attribute__((format(printf, 3, 4)));
#define og_debug(...)     og_log(OG_LOG_DEBUG, __VA_ARGS__)
#define og_info(...)      og_log(OG_LOG_INFO, __VA_ARGS__)
#define og_warn(...)      og_log(OG_LOG_WARN, __VA_ARGS__)
#define og_error_log(...) og_log(OG_LOG_ERROR, __VA_ARGS__)

/* Writes `s` as a quoted logfmt value into out, cut to its size; returns out. */
const char *og_log_quote(const char *s, char *out, size_t size);

#endif
