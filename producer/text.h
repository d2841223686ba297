/* Text of strangers (models, other nodes' names, engines' words) made fit for a terminal. Pure. */
#ifndef OG_TEXT_H
#define OG_TEXT_H

#include <stddef.h>

#include "base/buf.h"

/* Adds `s` without what can drive a terminal: C0 controls (ESC among them) but \n and \t, DEL, and C1 controls (U+0080
 * to U+009F). */
void og_text_clean(const char *s, size_t len, struct og_buf *out);

/* The same on one line: \n and \t become spaces. */
void og_text_line(const char *s, size_t len, struct og_buf *out);

/* Columns that valid UTF-8 takes on a terminal. */
size_t og_text_width(const char *s);

/* Cuts valid UTF-8 where it would take more than `width` columns. */
void og_text_cut(char *s, size_t width);

/* Adds `s` in another character set (as iconv names it), where it has no such character something near it, or '?'. */
void og_text_encode(const char *s, size_t len, const char *charset, struct og_buf *out);

#endif
