#include "base/error.h"

#include <stdio.h>
#include <string.h>

void og_error_vset(struct og_error *err, enum og_kind kind, const char *fmt, va_list ap)
{
	if (!err)
		return;
	err->kind = kind;
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
}

void og_error_set(struct og_error *err, enum og_kind kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	og_error_vset(err, kind, fmt, ap);
	va_end(ap);
}

void og_error_prefix(struct og_error *err, const char *fmt, ...)
{
	char prefix[sizeof(err->message)];
	char whole[2 * sizeof(err->message) + 4];
	va_list ap;

	if (!err)
		return;
	va_start(ap, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, ap);
	va_end(ap);
	snprintf(whole, sizeof(whole), "%s: %s", prefix, err->message);
	memcpy(err->message, whole, sizeof(err->message) - 1);
	err->message[sizeof(err->message) - 1] = '\0';
}

const char *og_kind_name(enum og_kind kind)
{
	switch (kind) {
	case OG_INVALID:
		return "invalid";
	case OG_RETRY:
		return "retry";
	case OG_BUSY:
		return "busy";
	case OG_FATAL:
		return "fatal";
	}
	return "none";
}
