#include "base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p, size_t size)
{
	if (!p) {
		fprintf(stderr, "out of memory (%zu bytes wanted)\n", size);
		abort();
	}
	return p;
}

void *og_alloc(size_t size)
{
	return checked(calloc(1, size ? size : 1), size);
}

void *og_alloc_aligned(size_t alignment, size_t size)
{
	return checked(aligned_alloc(alignment, size), size);
}

void *og_realloc(void *p, size_t size)
{
	return checked(realloc(p, size ? size : 1), size);
}

char *og_strndup(const char *s, size_t n)
{
	return s ? checked(strndup(s, n), n) : NULL;
}

char *og_strdup(const char *s)
{
	return s ? og_strndup(s, strlen(s)) : NULL;
}

void *og_memdup(const void *p, size_t size)
{
	void *copy = og_alloc(size);

	if (size)
		memcpy(copy, p, size);
	return copy;
}

char *og_printf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return checked(n < 0 ? NULL : s, 0);
}

void og_free_at(void *pp)
{
	free(*(void **)pp);
}
