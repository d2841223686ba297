#include "text.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#include "base/alloc.h"

/* How many bytes at s are a control character that is not let through. */
static size_t control_at(const char *s, size_t len)
{
	unsigned char c = (unsigned char)*s;

	if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
		return 1;
	return c == 0xc2 && len > 1 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] <= 0x9f ? 2 : 0;
}

static void clean(const char *s, size_t len, bool one_line, struct og_buf *out)
{
	size_t from = 0, at = 0;

	while (at < len) {
		size_t drop = control_at(s + at, len - at);
		bool blank = one_line && (s[at] == '\n' || s[at] == '\t');

		if (!drop && !blank) {
			at++;
			continue;
		}
		og_buf_add(out, s + from, at - from);
		if (blank)
			og_buf_adds(out, " ");
		at += blank ? 1 : drop;
		from = at;
	}
	og_buf_add(out, s + from, at - from);
}

void og_text_clean(const char *s, size_t len, struct og_buf *out)
{
	clean(s, len, false, out);
}

void og_text_line(const char *s, size_t len, struct og_buf *out)
{
	clean(s, len, true, out);
}

/* Decodes the character at s (valid UTF-8) and returns its length in bytes. */
static size_t decode(const char *s, uint32_t *ret)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	uint32_t value = n == 1 ? c : c & (0xffu >> (n + 1));

	for (size_t i = 1; i < n && s[i]; i++)
		value = value << 6 | ((unsigned char)s[i] & 0x3f);
	*ret = value;
	return strnlen(s, n);
}

size_t og_text_width(const char *s)
{
	size_t width = 0;
	uint32_t c;

	while (*s) {
		int columns;

		s += decode(s, &c);
		/* Outside a UTF-8 locale wcwidth knows ASCII alone: what it does not know is shown as one '?'. */
		columns = wcwidth((wchar_t)c);
		width += columns < 0 ? 1 : (size_t)columns;
	}
	return width;
}

void og_text_cut(char *s, size_t width)
{
	while (og_text_width(s) > width) {
		size_t end = strlen(s) - 1;

		while (end && ((unsigned char)s[end] & 0xc0) == 0x80)
			end--;
		s[end] = '\0';
	}
}

void og_text_encode(const char *s, size_t len, const char *charset, struct og_buf *out)
{
	og_autofree char *to = og_printf("%s//TRANSLIT", charset);
	iconv_t conversion = iconv_open(to, "UTF-8");
	char *in = (char *)s;

	if (conversion == (iconv_t)-1)
		conversion = iconv_open("ASCII//TRANSLIT", "UTF-8");
	while (len) {
		char piece[256], *at = piece;
		size_t room = sizeof(piece);
		size_t rc = iconv(conversion, &in, &len, &at, &room);

		og_buf_add(out, piece, sizeof(piece) - room);
		if (rc == (size_t)-1 && errno != E2BIG && len) {
			/* Not in that character set, or not UTF-8: one mark for the whole character. */
			og_buf_adds(out, "?");
			do {
				in++;
				len--;
			} while (len && ((unsigned char)*in & 0xc0) == 0x80);
		}
	}
	iconv_close(conversion);
}
