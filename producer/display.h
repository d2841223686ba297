/* What the user sees of one job: its progress on stderr, its text on stdout (as it comes, or at the end), how it
 * ended. */
#ifndef OG_DISPLAY_H
#define OG_DISPLAY_H

#include <jansson.h>
#include <stdbool.h>

#include "model/envelope.h"
#include "model/job.h"
#include "model/names.h"
#include "screen.h"
#include "transcript.h"

struct og_display {
	struct og_screen *screen;
	const char *id;
	bool stream; /* show text as it comes, else at the end */
	bool json;   /* show the end as JSON, and nothing before it */
	struct og_transcript text;
	int64_t started;             /* the attempt that was last heard to run */
	int64_t told;                /* the attempt whose beginning was last told */
	char last_node[OG_NAME_MAX]; /* where the last attempt ran; "" where that is not known */
};

void og_display_init(struct og_display *d, struct og_screen *screen, const char *id, bool stream, bool json);
void og_display_done(struct og_display *d);

void og_display_placed(struct og_display *d, const struct og_envelope *e);
void og_display_started(struct og_display *d, const struct og_envelope *e);
void og_display_chunk(struct og_display *d, const struct og_envelope *e, const void *body, size_t len);

/* For who attaches to a job that runs: the number of the chunk that is missing, of the attempt that is shown. */
int64_t og_display_next(const struct og_display *d);
/* The attempt that runs is this one. True: it is a higher one than the one shown, whose chunks are wanted from the first. */
bool og_display_attempt(struct og_display *d, int64_t attempt);

/* The end. `e` is the done's envelope; NULL where an answer of the scheduler told it. False: it is of a lower run and
 * does not count; else *ret is the exit status. */
bool og_display_end(struct og_display *d, enum og_state state, const json_t *result, const struct og_envelope *e,
	enum og_exit *ret);

#endif
