#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "text.h"

#define CELL_CAP  4096u
#define TABLE_CAP (16u * 1024 * 1024)

struct og_table {
	const char *const *headings;
	size_t n;
	char **cells;
	size_t n_cells, room;
};

struct og_table *og_table_new(const char *const *headings, size_t n)
{
	struct og_table *t = og_new(struct og_table);

	t->headings = headings;
	t->n = n;
	return t;
}

void og_table_free(struct og_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

void og_table_cell(struct og_table *t, const char *fmt, ...)
{
	og_autofree char *text = NULL;
	struct og_buf cell;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		text = og_strdup("");
	text[strnlen(text, CELL_CAP)] = '\0';
	og_buf_init(&cell, CELL_CAP);
	og_text_line(text, strlen(text), &cell);
	if (t->n_cells == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cells = og_realloc(t->cells, t->room * sizeof(*t->cells));
	}
	t->cells[t->n_cells++] = og_buf_take(&cell);
}

size_t og_table_rows(const struct og_table *t)
{
	return t->n_cells / t->n;
}

static void pad(struct og_buf *out, size_t n)
{
	og_buf_addf(out, "%*s", (int)n, "");
}

static bool is_right(const struct og_table *t, size_t column)
{
	return t->headings && *t->headings[column] == '>';
}

/* Row 0 is the headings. */
static const char *cell_at(const struct og_table *t, size_t row, size_t column)
{
	return row ? t->cells[(row - 1) * t->n + column] : t->headings[column] + is_right(t, column);
}

static void add_row(const struct og_table *t, size_t row, const size_t *widths, struct og_buf *out)
{
	for (size_t i = 0; i < t->n; i++) {
		const char *cell = cell_at(t, row, i);
		size_t space = widths[i] - og_text_width(cell);
		bool right = is_right(t, i), last = i + 1 == t->n;

		if (right)
			pad(out, space);
		og_buf_adds(out, cell);
		if (!last)
			pad(out, right ? 2 : space + 2);
	}
	while (out->len && out->data[out->len - 1] == ' ')
		out->len--;
	og_buf_adds(out, "\n");
}

char *og_table_text(const struct og_table *t)
{
	og_autofree size_t *widths = og_alloc(t->n * sizeof(*widths));
	size_t first = t->headings ? 0 : 1;
	struct og_buf out;

	for (size_t row = first; row <= og_table_rows(t); row++)
		for (size_t i = 0; i < t->n; i++) {
			size_t width = og_text_width(cell_at(t, row, i));

			widths[i] = width > widths[i] ? width : widths[i];
		}
	og_buf_init(&out, TABLE_CAP);
	for (size_t row = first; row <= og_table_rows(t); row++)
		add_row(t, row, widths, &out);
	return og_buf_take(&out);
}

int og_table_print(const struct og_table *t, struct og_screen *screen)
{
	og_autofree char *text = og_table_text(t);

	return og_screen_answer(screen, text, strlen(text));
}
