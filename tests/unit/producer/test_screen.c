/* og_screen where answer and progress share one terminal: a pseudo-terminal, whose other end the test reads. */
#include "screen.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leaks.h"

TestSuite(screen, .timeout = 60);

static struct og_screen screen;
static int terminal;

static void setup(void)
{
	int own;

	terminal = posix_openpt(O_RDWR | O_NOCTTY);
	cr_assert(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
	own = open(ptsname(terminal), O_RDWR | O_NOCTTY);
	cr_assert(dup2(own, STDOUT_FILENO) >= 0 && dup2(own, STDERR_FILENO) >= 0);
	close(own);
	og_screen_init(&screen, false);
	cr_assert(screen.out_tty && screen.err_tty);
}

/* What the terminal was sent up to now, which fits its buffer. */
static const char *shown(void)
{
	static char text[1024];
	ssize_t n = read(terminal, text, sizeof(text) - 1);

	cr_assert_gt(n, 0);
	text[n] = '\0';
	return text;
}

Test(screen, progress_does_not_draw_over_an_answers_last_line, .init = setup)
{
	const char *text, *progress;

	og_screen_answer(&screen, "Once upon a time", 16);
	og_screen_progress(&screen, "cancelling");
	text = shown();
	progress = strstr(text, "cancelling");
	cr_assert_eq(strncmp(text, "Once upon a time\r\n", 18), 0, "%s", text);
	cr_assert(progress);
	og_screen_done(&screen);
}

Test(screen, a_message_begins_a_line_of_its_own, .init = setup)
{
	og_screen_answer(&screen, "Ere", 3);
	og_screen_error(&screen, "no answer in time");
	cr_assert_str_eq(shown(), "Ere\r\nog: no answer in time\r\n");
	og_screen_done(&screen);
}
