#include "base/error.h"

#include <stdio.h>
#include <string.h>

int og_vfail(struct og_error *err, enum og_kind kind, const char *fmt, va_list ap)
{
	if (!err)
		return -1;
	err->kind = kind;
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	return -1;
}

int og_fail(struct og_error *err, enum og_kind kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	og_vfail(err, kind, fmt, ap);
	va_end(ap);
	return -1;
}

int og_fail_in(struct og_error *err, const char *fmt, ...)
{
	char prefix[sizeof(err->message)];
	char whole[2 * sizeof(err->message) + 4];
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, ap);
	va_end(ap);
	snprintf(whole, sizeof(whole), "%s: %s", prefix, err->message);
	memcpy(err->message, whole, sizeof(err->message) - 1);
	err->message[sizeof(err->message) - 1] = '\0';
	return -1;
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
