/* What went wrong, told once and in full.
 *
 * A function that can fail returns 0 or -1 and takes a `struct og_error *` last (NULL where the caller does not care).
 * Outputs are untouched on failure. The *kind* says what the caller should do about it, not who is to blame. */
#ifndef OG_BASE_ERROR_H
#define OG_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum og_kind {
	OG_INVALID = 1, /* the input is wrong and will be wrong next time: refuse it, dead-letter it */
	OG_RETRY,       /* it may work later or elsewhere: try again */
	OG_BUSY,        /* a bound was reached: say so to whoever asked, with when to come back */
	OG_FATAL,       /* this program cannot go on as configured: say what to mend and stop */
};

struct og_error {
	enum og_kind kind; /* 0 while nothing failed */
	char message[512]; /* one line, no newline: what, where and how to mend */
};

/* Each fills `err` (may be NULL) and is -1, so that `return og_fail(…)` reads well. The -1 is inline: the compiler sees it, and
 * knows that what a failed function would have set is not read. */
void og_error_set(struct og_error *err, enum og_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void og_error_vset(struct og_error *err, enum og_kind kind, const char *fmt, va_list ap);
/* Puts "prefix: " before the message that is there, cutting its end where it no longer fits. */
void og_error_prefix(struct og_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline int og_failed(void)
{
	return -1;
}
#define og_fail(...)    (og_error_set(__VA_ARGS__), og_failed())
#define og_vfail(...)   (og_error_vset(__VA_ARGS__), og_failed())
#define og_fail_in(...) (og_error_prefix(__VA_ARGS__), og_failed())

const char *og_kind_name(enum og_kind kind); /* "invalid", "retry", "busy", "fatal"; "none" for 0 */

#endif
