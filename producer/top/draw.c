#include "top/draw.h"

#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "text.h"

#define LINE_CAP 4096u

static SCREEN *terminal;
static const struct og_screen *target; /* its character set */
static bool coloured;

static void open_colours(void)
{
	const char *none = getenv("NO_COLOR");

	coloured = has_colors() && !(none && *none) && start_color() == OK;
	if (!coloured)
		return;
	use_default_colors();
	init_pair(OG_TONE_WARN, COLOR_YELLOW, -1);
	init_pair(OG_TONE_BAD, COLOR_RED, -1);
}

int og_draw_open(const struct og_screen *screen, struct og_error *err)
{
	/* newterm alone would leave memory behind where it fails. */
	terminal = og_draw_knows_terminal() ? newterm(NULL, stdout, stdin) : NULL;
	if (!terminal)
		return og_fail(err, OG_INVALID,
			"this terminal (TERM=%s) cannot be drawn on: `og queues` prints the same once",
			getenv("TERM") ? getenv("TERM") : "");
	set_term(terminal);
	target = screen;
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	curs_set(0);
	open_colours();
	return 0;
}

void og_draw_close(void)
{
	endwin();
	delscreen(terminal);
	terminal = NULL;
}

static attr_t look_of(enum og_tone tone)
{
	switch (tone) {
	case OG_TONE_HEAD:
		return A_REVERSE;
	case OG_TONE_DIM:
		return A_DIM;
	case OG_TONE_WARN:
		return coloured ? (attr_t)COLOR_PAIR(OG_TONE_WARN) : A_BOLD;
	case OG_TONE_BAD:
		return (coloured ? (attr_t)COLOR_PAIR(OG_TONE_BAD) : 0) | A_BOLD;
	case OG_TONE_PLAIN:
		break;
	}
	return A_NORMAL;
}

/* Cut to the window, in the terminal's character set; a heading goes over the whole width. */
static void draw_line(int row, const char *text, enum og_tone tone)
{
	og_autofree char *copy = og_strdup(text);
	struct og_buf fitted;

	og_text_cut(copy, (size_t)COLS);
	og_buf_init(&fitted, LINE_CAP);
	og_text_line(copy, strlen(copy), &fitted);
	if (!target->utf8) {
		og_buf_clear(&fitted);
		og_text_encode(copy, strlen(copy), target->charset, &fitted);
	}
	attrset(look_of(tone));
	mvaddstr(row, 0, og_buf_str(&fitted));
	if (tone == OG_TONE_HEAD)
		for (int at = (int)og_text_width(copy); at < COLS; at++)
			mvaddch(row, at, ' ');
	attrset(A_NORMAL);
	og_buf_done(&fitted);
}

size_t og_draw_room(void)
{
	return LINES > 1 ? (size_t)LINES - 1 : 1;
}

void og_draw(const struct og_top_view *v, size_t from, const char *foot)
{
	erase();
	for (size_t i = 0; i < og_draw_room() && from + i < v->n; i++)
		draw_line((int)i, v->lines[from + i].text, v->lines[from + i].tone);
	draw_line(LINES - 1, foot, OG_TONE_DIM);
	refresh();
}

void og_draw_resized(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
	clear();
}

enum og_key og_draw_key(int *ret_char)
{
	int c = getch();

	switch (c) {
	case ERR:
		return OG_KEY_NONE;
	case KEY_UP:
		return OG_KEY_UP;
	case KEY_DOWN:
		return OG_KEY_DOWN;
	case KEY_PPAGE:
		return OG_KEY_PAGE_UP;
	case KEY_NPAGE:
		return OG_KEY_PAGE_DOWN;
	case KEY_HOME:
		return OG_KEY_HOME;
	}
	*ret_char = c;
	return OG_KEY_OTHER;
}
