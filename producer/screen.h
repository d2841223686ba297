/* What the user sees: the answer on stdout, progress on stderr.
 *
 * On a terminal text is made fit for it (text.h), and progress is one line that a spinner keeps alive and the next
 * output wipes. In a pipe the answer's bytes are the answer's bytes, and each progress message is a line. */
#ifndef OG_SCREEN_H
#define OG_SCREEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define OG_SPINNER_PERIOD_MS 100

struct og_screen {
	bool out_tty, err_tty; /* err_tty: one on which a line can be wiped */
	bool utf8;             /* of the terminal; a pipe takes everything */
	bool quiet;            /* no progress and no notes */
	const char *charset;   /* of the locale */
	bool gone;             /* nobody reads stdout any more */
	bool line_open;        /* the answer so far does not end with a newline */
	bool status_shown;     /* a progress line is on the terminal */
	unsigned frame;
	struct og_buf status; /* what was said last of what is going on; empty: nothing */
};

void og_screen_init(struct og_screen *s, bool quiet);
void og_screen_done(struct og_screen *s); /* wipes the progress line */

/* The answer, or a part of it. -1: stdout is closed (said once on stderr by the caller, if at all). */
int og_screen_answer(struct og_screen *s, const char *text, size_t len);
int og_screen_answer_end(struct og_screen *s); /* a newline, where the answer has none at its end */
/* A JSON document and a newline on stdout. */
int og_screen_json(struct og_screen *s, const json_t *json);

/* What is going on now: replaces what was said before. */
void og_screen_progress(struct og_screen *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void og_screen_tick(struct og_screen *s);   /* the spinner's next frame, every OG_SPINNER_PERIOD_MS */
void og_screen_settle(struct og_screen *s); /* nothing is going on: wipes the progress line */
/* A line that stays, on stderr. */
void og_screen_note(struct og_screen *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, `quiet` or not: what went wrong. */
void og_screen_error(struct og_screen *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
