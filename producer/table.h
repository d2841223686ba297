/* A table for people: columns as wide as their widest cell on a terminal, two spaces between them. */
#ifndef OG_TABLE_H
#define OG_TABLE_H

#include <stddef.h>

#include "screen.h"

struct og_table;

/* A heading that begins with '>' aligns its column to the right. NULL: no headings. */
struct og_table *og_table_new(const char *const *headings, size_t n);
void og_table_free(struct og_table *t);

/* The next cell, row after row. Control characters are taken out. */
void og_table_cell(struct og_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t og_table_rows(const struct og_table *t); /* whole ones */

/* The whole of it as text, a newline behind each row. The caller frees. */
char *og_table_text(const struct og_table *t);

/* -1: stdout is closed. */
int og_table_print(const struct og_table *t, struct og_screen *screen);

#endif
