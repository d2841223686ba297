#include "batch/lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE (64u * 1024)

void og_lines_init(struct og_lines *l, int fd, size_t cap)
{
	*l = (struct og_lines){.fd = fd};
	og_buf_init(&l->held, cap + READ_SIZE);
}

void og_lines_done(struct og_lines *l)
{
	og_buf_done(&l->held);
}

static size_t cap_of(const struct og_lines *l)
{
	return l->held.cap - READ_SIZE;
}

int og_lines_fill(struct og_lines *l, struct og_error *err)
{
	char piece[READ_SIZE];
	ssize_t n;

	og_buf_drop_head(&l->held, l->at);
	l->scanned -= l->at;
	l->at = 0;
	do
		n = read(l->fd, piece, sizeof(piece));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return og_fail(err, OG_INVALID, "cannot be read: %s", strerror(errno));
	l->end = n == 0;
	/* What og_lines_next leaves is at most one line of the cap: there is room. */
	return og_buf_add(&l->held, piece, (size_t)n);
}

/* The held bytes from the line's begin to `end` are taken. */
static void take(struct og_lines *l, size_t len, bool newline)
{
	l->at += len + newline;
	l->scanned = l->at;
	l->offset += (int64_t)(len + newline);
}

static enum og_line finish_long(struct og_lines *l, size_t len, bool newline)
{
	take(l, len, newline);
	l->skipping = false;
	l->number++;
	return OG_LINE_LONG;
}

static enum og_line at_end(struct og_lines *l, size_t len, const char **ret, size_t *ret_len)
{
	if (l->skipping)
		return finish_long(l, len, false);
	if (!len)
		return OG_LINE_END;
	*ret = l->held.data + l->at;
	*ret_len = len;
	take(l, len, false);
	l->number++;
	return OG_LINE_TORN;
}

enum og_line og_lines_next(struct og_lines *l, const char **ret, size_t *ret_len)
{
	const char *held = og_buf_str(&l->held);
	const char *newline = memchr(held + l->scanned, '\n', l->held.len - l->scanned);
	size_t len = (newline ? (size_t)(newline - held) : l->held.len) - l->at;

	if (!newline) {
		l->scanned = l->held.len;
		if (l->end)
			return at_end(l, len, ret, ret_len);
		if (len > cap_of(l))
			l->skipping = true;
		if (l->skipping)
			take(l, len, false);
		return OG_LINE_WANTED;
	}
	if (l->skipping || len > cap_of(l))
		return finish_long(l, len, true);
	*ret = held + l->at;
	*ret_len = len;
	take(l, len, true);
	l->number++;
	return OG_LINE;
}
