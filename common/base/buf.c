#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define FIRST_ROOM 64

void og_buf_init(struct og_buf *b, size_t cap)
{
	*b = (struct og_buf){.cap = cap};
}

void og_buf_done(struct og_buf *b)
{
	free(b->data);
	og_buf_init(b, b->cap);
}

void og_buf_clear(struct og_buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

int og_buf_add(struct og_buf *b, const void *data, size_t len)
{
	if (len > b->cap - b->len)
		return -1;
	if (b->len + len + 1 > b->room) {
		size_t room = b->room ? b->room : FIRST_ROOM;

		while (room < b->len + len + 1)
			room *= 2;
		b->data = og_realloc(b->data, room);
		b->room = room;
	}
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int og_buf_adds(struct og_buf *b, const char *s)
{
	return og_buf_add(b, s, strlen(s));
}

int og_buf_addf(struct og_buf *b, const char *fmt, ...)
{
	og_autofree char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0) {
		s = NULL;
		return -1;
	}
	return og_buf_add(b, s, (size_t)n);
}

void og_buf_drop_head(struct og_buf *b, size_t n)
{
	if (!n)
		return;
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

const char *og_buf_str(const struct og_buf *b)
{
	return b->data ? b->data : "";
}

char *og_buf_take(struct og_buf *b)
{
	char *data = b->data ? b->data : og_strdup("");

	og_buf_init(b, b->cap);
	return data;
}
