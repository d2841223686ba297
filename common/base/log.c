#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"

#define LINE_MAX_BYTES 8192 /* of a whole line; what is longer is cut */
#define MSG_MAX_BYTES  2048

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static const char *log_program = "opengateway";
static enum og_log_level log_least = OG_LOG_INFO;

void og_log_init(const char *program, enum og_log_level least)
{
	log_program = program;
	log_least = least;
}

int og_log_level_parse(const char *name, enum og_log_level *ret, struct og_error *err)
{
	for (size_t i = 0; i < OG_COUNT(level_names); i++)
		if (!strcmp(name, level_names[i])) {
			*ret = (enum og_log_level)i;
			return 0;
		}
	return og_fail(err, OG_INVALID, "'%.64s' is no log level (debug, info, warn, error)", name);
}

/* What `c` is inside quotes: two characters for those that need an escape, else none. */
static const char *escape_of(char c)
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	}
	return NULL;
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

const char *og_log_quote(const char *s, char *out, size_t size)
{
	size_t n = 0;

	if (size < 3) {
		if (size)
			out[0] = '\0';
		return out;
	}
	out[n++] = '"';
	for (; *s; s++) {
		const char *escape = escape_of(*s);

		if (n + (escape ? 2 : 1) + 2 > size)
			break;
		if (escape) {
			out[n++] = escape[0];
			out[n++] = escape[1];
		} else {
			out[n++] = is_control(*s) ? '?' : *s;
		}
	}
	/* No half of a UTF-8 sequence at the cut. */
	if (*s)
		while (n > 1 && ((unsigned char)*s & 0xc0) == 0x80)
			s--, n--;
	out[n++] = '"';
	out[n] = '\0';
	return out;
}

void og_log(enum og_log_level level, const char *msg, const char *fields_fmt, ...)
{
	char line[LINE_MAX_BYTES], quoted[MSG_MAX_BYTES], ts[25];
	int saved = errno;
	ssize_t written;
	size_t n, head;
	va_list ap;

	if (level < log_least)
		return;
	og_clock_format(og_clock_wall_ms(), ts);
	n = (size_t)snprintf(line, sizeof(line), "ts=%s level=%s prog=%s msg=%s", ts, level_names[level], log_program,
		og_log_quote(msg, quoted, sizeof(quoted)));
	if (fields_fmt) {
		line[n++] = ' ';
		head = n;
		va_start(ap, fields_fmt);
		vsnprintf(line + n, sizeof(line) - n - 1, fields_fmt, ap);
		va_end(ap);
		/* Nobody's value begins a line of its own. */
		for (n = head; line[n]; n++)
			if (is_control(line[n]))
				line[n] = '?';
	}
	line[n++] = '\n';
	/* One write a line: the lines of several processes in one file do not mix. A log that cannot be written is no
	 * reason to stop. */
	written = write(STDERR_FILENO, line, n);
	(void)written;
	errno = saved;
}
