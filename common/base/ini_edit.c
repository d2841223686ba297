#include "base/ini_edit.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

#define FILE_CAP (1024u * 1024)

struct line {
	const char *start, *end; /* without its newline */
};

static bool next_line(const char **at, struct line *ret)
{
	if (!**at)
		return false;
	ret->start = *at;
	ret->end = *at + strcspn(*at, "\n");
	*at = *ret->end ? ret->end + 1 : ret->end;
	return true;
}

static struct line trimmed(struct line l)
{
	while (l.start < l.end && isspace((unsigned char)*l.start))
		l.start++;
	while (l.start < l.end && isspace((unsigned char)l.end[-1]))
		l.end--;
	return l;
}

static bool is_blank(struct line l)
{
	l = trimmed(l);
	return l.start == l.end;
}

static bool equals(struct line l, const char *s)
{
	l = trimmed(l);
	return (size_t)(l.end - l.start) == strlen(s) && memcmp(l.start, s, strlen(s)) == 0;
}

/* Whether the line is a [header]; *ret_same says if of this section. */
static bool is_header(struct line l, const char *section, bool *ret_same)
{
	const char *close;

	l = trimmed(l);
	if (l.start == l.end || *l.start != '[')
		return false;
	close = memchr(l.start, ']', (size_t)(l.end - l.start));
	*ret_same = close && equals((struct line){l.start + 1, close}, section);
	return true;
}

static bool is_key(struct line l, const char *key)
{
	const char *equal = memchr(l.start, '=', (size_t)(l.end - l.start));

	return equal && equals((struct line){l.start, equal}, key);
}

/* Puts `new` (a whole line) in the place of from..to. */
static char *splice(const char *text, const char *from, const char *to, const char *new)
{
	bool open = from > text && from[-1] != '\n'; /* the text before lacks its newline */

	return og_printf("%.*s%s%s\n%s", (int)(from - text), text, open ? "\n" : "", new, *to == '\n' ? to + 1 : to);
}

char *og_ini_set(const char *text, const char *section, const char *key, const char *value)
{
	og_autofree char *new = og_printf("%s = %s", key, value);
	og_autofree char *whole = NULL;
	const char *at = text, *place = NULL;
	struct line l, found = {0};
	bool inside = false;

	while (next_line(&at, &l)) {
		if (is_header(l, section, &inside)) {
			if (inside)
				place = at;
		} else if (inside && is_key(l, key)) {
			found = l;
		} else if (inside && !is_blank(l)) {
			place = at;
		}
	}
	if (found.start)
		return splice(text, found.start, found.end, new);
	if (place)
		return og_printf("%.*s%s%s\n%s", (int)(place - text), text,
			place > text && place[-1] != '\n' ? "\n" : "", new, place);
	whole = og_printf("%s[%s]\n%s", *text ? "\n" : "", section, new);
	return splice(text, text + strlen(text), text + strlen(text), whole);
}

int og_ini_set_file(const char *path, const char *section, const char *key, const char *value, struct og_error *err)
{
	og_autofree char *before = NULL, *after = NULL;

	if (access(path, F_OK) == 0 && og_file_read(path, FILE_CAP, &before, NULL, err) < 0)
		return -1;
	after = og_ini_set(before ? before : "", section, key, value);
	if (before && !strcmp(before, after))
		return 0; /* who looks at its time sees no change */
	return og_file_write_atomic(path, after, strlen(after), 0600, err);
}
