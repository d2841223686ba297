/* In a file of its own, behind all else: term.h makes macros of words that everybody uses. */
#include "top/draw.h"

#include <unistd.h>

#include <curses.h>

#include <term.h>

bool og_draw_knows_terminal(void)
{
	bool can;
	int why;

	if (setupterm(NULL, STDOUT_FILENO, &why) != OK)
		return false;
	can = cursor_address != NULL;
	del_curterm(cur_term);
	return can;
}
