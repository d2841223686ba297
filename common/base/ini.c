/* libinih calls back for each pair but does not say on which line. It is fed line by line from here, so the line being
 * fed is the line of the pair; the same place holds the bounds that the library enforces by cutting. Its options are
 * variables in the library that Debian and Ubuntu ship, and macros, out of reach, in any other. */
#include "base/ini.h"

#include <ctype.h>
#include <ini.h>
#include <stdbool.h>
#include <string.h>

#include "base/parse.h"

#define LINE_SPARE 2 /* the NUL; and a buffer that is full counts as a line that is cut */

struct reader {
	const char *next;
	size_t left;
	int line;
	og_ini_handler *handler;
	void *ctx;
	bool failed; /* `error` says why, at `line` */
	struct og_error error;
};

static int check_line(const char *line, size_t len, size_t max, struct og_error *err)
{
	const char *start = line, *end;

	if (len > max)
		return og_fail(err, OG_INVALID, "the line is longer than %zu bytes", max);
	if (!og_utf8_valid(line, len, NULL))
		return og_fail(err, OG_INVALID, "the line is not UTF-8");
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)line[i]) && !isspace((unsigned char)line[i]))
			return og_fail(err, OG_INVALID, "the line holds a control character");
	while (start < line + len && isspace((unsigned char)*start))
		start++;
	if (start == line + len || *start != '[')
		return 0;
	end = memchr(start, ']', (size_t)(line + len - start));
	if (end && end - start - 1 > OG_INI_SECTION_MAX)
		return og_fail(err, OG_INVALID, "the section's name is longer than %d bytes", OG_INI_SECTION_MAX);
	return 0;
}

static char *feed(char *out, int size, void *user)
{
	struct reader *r = user;
	const char *newline;
	size_t len;

	if (r->failed || !r->left)
		return NULL;
	newline = memchr(r->next, '\n', r->left);
	len = newline ? (size_t)(newline - r->next) : r->left;
	r->line++;
	if (check_line(r->next, len, (size_t)size - LINE_SPARE, &r->error)) {
		r->failed = true;
		return NULL;
	}
	memcpy(out, r->next, len);
	out[len] = '\0';
	len += newline != NULL;
	r->next += len;
	r->left -= len;
	return out;
}

static int take(void *user, const char *section, const char *key, const char *value)
{
	struct reader *r = user;

	r->failed = r->handler(r->ctx, section, key, value, &r->error) != 0;
	return !r->failed;
}

int og_ini_parse(
	const char *text, size_t len, const char *name, og_ini_handler *handler, void *ctx, struct og_error *err)
{
	static const char mark[] = "\xef\xbb\xbf"; /* of byte order, as some editors write it */
	struct reader r = {.next = text, .left = len, .handler = handler, .ctx = ctx};
	int rc;

	if (len >= sizeof(mark) - 1 && !memcmp(text, mark, sizeof(mark) - 1)) {
		r.next += sizeof(mark) - 1;
		r.left -= sizeof(mark) - 1;
	}
	ini_use_stack = false; /* its buffer on the stack has 200 bytes */
	ini_max_line = ini_initial_alloc = OG_INI_LINE_MAX + LINE_SPARE;
	ini_allow_multiline = false; /* an indented line is a line like any other */
	ini_stop_on_first_error = true;
	rc = ini_parse_stream(feed, &r, take, &r);
	if (r.failed) {
		og_fail(err, r.error.kind, "%s", r.error.message);
		return og_fail_in(err, "%s:%d", name, r.line);
	}
	if (rc)
		return og_fail(err, OG_INVALID, "%s:%d: neither [section] nor key = value", name, rc);
	return 0;
}
