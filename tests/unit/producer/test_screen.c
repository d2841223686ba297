/* og_screen where answer and progress share one terminal: a pseudo-terminal, whose other end the test reads. */
#include "screen.h"

#include <criterion/criterion.h>
#include <fcntl.h>
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

/* What the terminal was sent, up to these words: it hands on what was written when it likes. */
static const char *shown_until(const char *words)
{
	static char text[1024];
	size_t len = 0;

	while (!strstr(text, words)) {
		ssize_t n = read(terminal, text + len, sizeof(text) - 1 - len);

		cr_assert_gt(n, 0, "%s", text);
		len += (size_t)n;
		text[len] = '\0';
	}
	return text;
}

Test(screen, progress_does_not_draw_over_an_answers_last_line, .init = setup)
{
	const char *text, *progress;

	og_screen_answer(&screen, "Once upon a time", 16);
	og_screen_progress(&screen, "cancelling");
	text = shown_until("cancelling");
	progress = strstr(text, "cancelling");
	cr_assert_eq(strncmp(text, "Once upon a time\r\n", 18), 0, "%s", text);
	cr_assert(progress);
	og_screen_done(&screen);
}

Test(screen, a_message_begins_a_line_of_its_own, .init = setup)
{
	og_screen_answer(&screen, "Ere", 3);
	og_screen_error(&screen, "no answer in time");
	cr_assert_str_eq(shown_until("time\r\n"), "Ere\r\nog: no answer in time\r\n");
	og_screen_done(&screen);
}
