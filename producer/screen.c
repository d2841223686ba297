#include "screen.h"

#include <errno.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "text.h"

#define LINE_CAP     4096u               /* bytes of one line on stderr */
#define PIECE_CAP    (64u * 1024 * 1024) /* bytes written at once: an answer that every byte of was replaced fits */
#define WIPE         "\r\x1b[K"
#define DEFAULT_COLS 80

static const char *const ROUND[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
static const char *const PLAIN[] = {"|", "/", "-", "\\"};

static bool terminal_can_wipe(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term && *term && strcmp(term, "dumb");
}

void og_screen_init(struct og_screen *s, bool quiet)
{
	*s = (struct og_screen){
		.out_tty = isatty(STDOUT_FILENO),
		.err_tty = terminal_can_wipe(STDERR_FILENO),
		.quiet = quiet,
		.charset = nl_langinfo(CODESET),
	};
	s->utf8 = !strcasecmp(s->charset, "UTF-8");
	og_buf_init(&s->status, LINE_CAP);
}

void og_screen_done(struct og_screen *s)
{
	og_screen_settle(s);
	og_buf_done(&s->status);
}

/* `text` made fit for a terminal of the user's locale. */
static void fit(const struct og_screen *s, const char *text, size_t len, bool one_line, struct og_buf *out)
{
	struct og_buf cleaned;

	og_buf_init(&cleaned, PIECE_CAP);
	if (one_line)
		og_text_line(text, len, &cleaned);
	else
		og_text_clean(text, len, &cleaned);
	if (s->utf8)
		og_buf_add(out, og_buf_str(&cleaned), cleaned.len);
	else
		og_text_encode(og_buf_str(&cleaned), cleaned.len, s->charset, out);
	og_buf_done(&cleaned);
}

int og_screen_answer(struct og_screen *s, const char *text, size_t len)
{
	struct og_buf fitted;
	int rc;

	if (s->gone || !len)
		return s->gone ? -1 : 0;
	og_screen_settle(s);
	og_buf_init(&fitted, PIECE_CAP);
	if (s->out_tty) {
		fit(s, text, len, false, &fitted);
		text = og_buf_str(&fitted);
		len = fitted.len;
	}
	if (len)
		s->line_open = text[len - 1] != '\n';
	rc = og_write_all(STDOUT_FILENO, text, len);
	s->gone = rc < 0;
	if (rc < 0 && errno != EPIPE)
		og_screen_error(s, "cannot write to stdout: %s", strerror(errno));
	og_buf_done(&fitted);
	return rc;
}

int og_screen_answer_end(struct og_screen *s)
{
	return s->line_open ? og_screen_answer(s, "\n", 1) : s->gone ? -1 : 0;
}

int og_screen_json(struct og_screen *s, const json_t *json)
{
	og_autofree char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(10));

	if (!text)
		return -1;
	return og_screen_answer(s, text, strlen(text)) < 0 ? -1 : og_screen_answer_end(s);
}

static size_t columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 3 ? size.ws_col : DEFAULT_COLS;
}

/* Where answer and progress share a terminal, what stands in the answer's last line is not drawn over. */
static void leave_answer(struct og_screen *s)
{
	if (s->out_tty && s->err_tty && s->line_open)
		og_screen_answer_end(s);
}

static void draw(struct og_screen *s)
{
	const char *frame = s->utf8 ? ROUND[s->frame % OG_COUNT(ROUND)] : PLAIN[s->frame % OG_COUNT(PLAIN)];
	og_autofree char *text = og_strdup(og_buf_str(&s->status));
	og_autofree char *line = NULL;

	leave_answer(s);
	og_text_cut(text, columns() - 3);
	line = og_printf(WIPE "%s %s", frame, text);
	og_write_all(STDERR_FILENO, line, strlen(line));
	s->status_shown = true;
}

static void wipe(struct og_screen *s)
{
	if (s->status_shown)
		og_write_all(STDERR_FILENO, WIPE, strlen(WIPE));
	s->status_shown = false;
}

/* One formatted line, made fit for where it goes. */
static void format(const struct og_screen *s, struct og_buf *out, const char *fmt, va_list ap)
{
	og_autofree char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
		return;
	}
	text[strnlen(text, LINE_CAP / 2)] = '\0';
	fit(s, text, strlen(text), true, out);
}

static void line(struct og_screen *s, const char *text)
{
	og_autofree char *whole = og_printf("og: %s\n", text);

	leave_answer(s);
	wipe(s);
	og_write_all(STDERR_FILENO, whole, strlen(whole));
}

static void format_line(struct og_screen *s, const char *fmt, va_list ap)
{
	struct og_buf text;

	og_buf_init(&text, LINE_CAP);
	format(s, &text, fmt, ap);
	line(s, og_buf_str(&text));
	og_buf_done(&text);
}

void og_screen_progress(struct og_screen *s, const char *fmt, ...)
{
	struct og_buf text;
	va_list ap;

	if (s->quiet)
		return;
	og_buf_init(&text, LINE_CAP);
	va_start(ap, fmt);
	format(s, &text, fmt, ap);
	va_end(ap);
	if (strcmp(og_buf_str(&text), og_buf_str(&s->status)) != 0) {
		og_buf_clear(&s->status);
		og_buf_adds(&s->status, og_buf_str(&text));
		if (s->err_tty)
			draw(s);
		else
			line(s, og_buf_str(&text));
	}
	og_buf_done(&text);
}

void og_screen_tick(struct og_screen *s)
{
	if (!s->err_tty || !s->status.len)
		return;
	s->frame++;
	draw(s);
}

void og_screen_settle(struct og_screen *s)
{
	wipe(s);
	og_buf_clear(&s->status);
}

void og_screen_note(struct og_screen *s, const char *fmt, ...)
{
	va_list ap;

	if (s->quiet)
		return;
	va_start(ap, fmt);
	format_line(s, fmt, ap);
	va_end(ap);
}

void og_screen_error(struct og_screen *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format_line(s, fmt, ap);
	va_end(ap);
}
