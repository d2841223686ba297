#include "table.h"

#include "leaks.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <locale.h>

TestSuite(table, .timeout = 60);

static void print(struct og_table *t)
{
	struct og_screen screen;

	setlocale(LC_CTYPE, "C.UTF-8");
	cr_redirect_stdout();
	og_screen_init(&screen, true);
	cr_assert_eq(og_table_print(t, &screen), 0);
	og_screen_done(&screen);
	og_table_free(t);
}

Test(table, columns_are_aligned_by_what_is_seen)
{
	static const char *const headings[] = {"NAME", ">SLOTS", "NOTE"};
	struct og_table *t = og_table_new(headings, 3);

	og_table_cell(t, "%s", "Grüße 你");
	og_table_cell(t, "%d", 7);
	og_table_cell(t, "%s", "first");
	og_table_cell(t, "%s", "b");
	og_table_cell(t, "%d", 12345678);
	og_table_cell(t, "%s", "two\nlines \x1b[1m");
	cr_assert_eq(og_table_rows(t), 2);
	print(t);
	cr_assert_stdout_eq_str("NAME         SLOTS  NOTE\n"
				"Grüße 你         7  first\n"
				"b         12345678  two lines [1m\n");
}

Test(table, an_empty_one_has_its_headings)
{
	static const char *const headings[] = {"A", ">B"};

	print(og_table_new(headings, 2));
	cr_assert_stdout_eq_str("A  B\n");
}
