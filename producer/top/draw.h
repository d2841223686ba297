/* Lines on a terminal, with ncurses: what `og top` draws, and the keys it hears. Nothing here knows what the lines say. */
#ifndef OG_TOP_DRAW_H
#define OG_TOP_DRAW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "screen.h"
#include "top/view.h"

bool og_draw_knows_terminal(void); /* what TERM names is known, and can be drawn on */
/* INVALID: the terminal cannot be drawn on. */
int og_draw_open(const struct og_screen *screen, struct og_error *err);
void og_draw_close(void); /* the terminal as it was */

/* The view from line `from` on, and `foot` in the last row. */
void og_draw(const struct og_top_view *v, size_t from, const char *foot);
size_t og_draw_room(void);  /* lines of a view that fit */
void og_draw_resized(void); /* the window has another size */

enum og_key { OG_KEY_NONE, OG_KEY_UP, OG_KEY_DOWN, OG_KEY_PAGE_UP, OG_KEY_PAGE_DOWN, OG_KEY_HOME, OG_KEY_OTHER };
/* The next key that was typed; NONE: no more. *ret_char is the character of OTHER. */
enum og_key og_draw_key(int *ret_char);

#endif
